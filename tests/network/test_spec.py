"""Spec files: what they mean, what may be left out, and one sentence for everything else."""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from datetime import date
from fractions import Fraction

import pytest

from exactcnn.errors import MalformedError, MisuseError
from exactcnn.network.geometry import LARGEST_PATCH_TABLE
from exactcnn.network.network import Network
from exactcnn.network.spec import read_spec

CONV = {"kind": "conv", "filters": 2, "kernel": 2, "activation": "relu"}
POOL = {"kind": "maxpool", "kernel": 2}
DENSE = {"kind": "dense", "units": 3}
TOML = """
name = "small"
[input]
shape = [1, 4, 5]
[[layers]]
kind = "conv"
filters = 2
kernel = [2, 3]
activation = { name = "leaky_relu", slope = "1/5" }
bias = "filter"
[[layers]]
kind = "maxpool"
kernel = 2
[[layers]]
kind = "dense"
units = 3
"""


def one(layer, shape=(1, 4, 4)):
    """A spec of one layer."""
    return {"input": list(shape), "layers": [layer]}


def conv(**more):
    """A spec of one convolution, with entries changed; ``None`` takes an entry out."""
    return one({key: value for key, value in {**CONV, **more}.items() if value is not None})


def pool(**more):
    """A spec of one pooling, with entries changed; ``None`` takes an entry out."""
    return one({key: value for key, value in {**POOL, **more}.items() if value is not None})


def nested(depth, value=1):
    """A list in a list in a list .."""
    for _ in range(depth):
        value = [value]
    return value


def test_a_toml_file_means_what_it_says(tmp_path):
    """Scalars stand for all axes, a pooling's stride is its kernel, the last dense layer is linear."""
    (tmp_path / "a.toml").write_text(TOML)
    net = read_spec(tmp_path / "a.toml")
    window = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]}
    assert net.to_json() == {
        "name": "small",
        "input": [1, 4, 5],
        "layers": [
            {
                "kind": "conv",
                "filters": 2,
                "kernel": [2, 3],
                **window,
                "activation": {"name": "leaky_relu", "slope": "1/5"},
                "bias": "filter",
            },
            {"kind": "maxpool", "kernel": [2, 2], **window, "stride": [2, 2]},
            {"kind": "dense", "units": 3, "activation": {"name": "identity"}, "bias": "unit"},
        ],
    }
    assert net.widths == (20, 18, 2, 3)


def test_json_and_toml_agree(tmp_path):
    """The same network as TOML, as JSON and as what it prints itself."""
    (tmp_path / "a.toml").write_text(TOML)
    net = read_spec(str(tmp_path / "a.toml"))
    (tmp_path / "a.json").write_text(json.dumps(net.to_json()))
    again = read_spec(tmp_path / "a.json")
    assert again == net
    assert Network.from_dict(OrderedDict(net.to_json())) == net


def test_the_file_gives_the_name(tmp_path):
    """Without a name the network is called like its file, if people can read that."""
    text = json.dumps(one(DENSE))
    for stem, name in (("lenet", "lenet"), ("n" * 240, "n" * 200), ("a\x1b[31m", "network")):
        path = tmp_path / f"{stem}.JSON"
        path.write_text(text)
        assert read_spec(path).name == name
    assert Network.from_dict(one(DENSE)).name == "network"


def test_padding_same_keeps_the_extents():
    """padding = "same" is the padding that keeps the extents, at stride 1 and odd spans."""
    layer = Network.from_dict(conv(kernel=[3, 2], dilation=[1, 2], padding="same")).layer(1)
    assert layer.reads.padding == (1, 1)
    assert layer.above.extents == (4, 4)


def test_pooling_to_an_output_size():
    """output cuts each axis into windows of one size, as PyTorch's adaptive pooling does where it divides."""
    for kind in ("maxpool", "avgpool"):
        for output, kernel in (([2, 1], (2, 6)), (2, (2, 3)), (1, (4, 6))):
            net = Network.from_dict({"input": [3, 4, 6], "layers": [{"kind": kind, "output": output}, DENSE]})
            layer = net.layer(1)
            assert (layer.reads.kernel, layer.reads.stride, layer.reads.padding) == (kernel, kernel, (0, 0))
            assert Network.from_dict(net.to_json()) == net


def test_inputs_of_one_to_three_axes():
    """[d] is one channel on one axis; channels come first otherwise."""
    for shape, state in (
        ([6], (1, (6,))),
        ([2, 6], (2, (6,))),
        ([1, 2, 3], (1, (2, 3))),
        ([2, 3, 4, 5], (2, (3, 4, 5))),
    ):
        for written in (shape, {"shape": shape}, tuple(shape)):
            net = Network.from_dict({"input": written, "layers": [DENSE]})
            below = net.layer(1).below
            assert (below.channels, below.extents, below.channel_major) == (*state, True)
            assert net.input_shape == tuple(shape)


def test_the_layer_graph():
    """Every layer is a node with its width, every edge carries patches, sizes and parameters."""
    layers = [{**CONV, "activation": "sigmoid"}, POOL, {**DENSE, "bias": "none"}]
    net = Network.from_dict({"name": "g", "input": [1, 4, 4], "layers": layers})
    graph = net.graph()
    assert graph.graph == {"name": "g"}
    assert list(graph.nodes) == [0, 1, 2, 3]
    assert list(graph.edges) == [(0, 1), (1, 2), (2, 3)]
    assert graph.nodes[0] == {"kind": "input", "width": 16, "shape": (1, 4, 4), "activation": None}
    assert graph.nodes[1] == {"kind": "conv", "width": 18, "shape": (2, 3, 3), "activation": "sigmoid"}
    assert graph.nodes[2] == {"kind": "maxpool", "width": 2, "shape": (2, 1, 1), "activation": None}
    assert graph.nodes[3] == {"kind": "dense", "width": 3, "shape": (1, 3), "activation": "identity"}
    assert graph.edges[0, 1] == {"patches": 9, "patch_size": 4, "filters": 2, "parameters": 4 * 2 + 18}
    assert graph.edges[1, 2] == {"patches": 2, "patch_size": 4, "filters": 1, "parameters": 0}
    assert graph.edges[2, 3] == {"patches": 1, "patch_size": 2, "filters": 3, "parameters": 2 * 3}
    assert net.parameter_count == sum(p for _, _, p in graph.edges.data("parameters"))


@pytest.mark.parametrize("bias, length", [("unit", 18), ("filter", 2), ("none", 0)])
def test_biases(bias, length):
    """A bias per unit has n_k entries, per filter T."""
    assert Network.from_dict(conv(bias=bias)).layer(1).bias_length == length


def test_the_wide_layer_and_the_hidden_ones():
    """The paper's k is the first hidden layer with n_k >= N, else the first of the widest."""
    wide = {**CONV, "kernel": 1}
    net = Network.from_dict(
        {"input": [1, 2, 2], "layers": [wide, {**wide, "filters": 4}, {**wide, "filters": 4}, DENSE]}
    )
    assert net.widths == (4, 8, 16, 16, 3)
    assert [layer.index for layer in net.hidden] == [1, 2, 3]
    assert [net.wide_layer(N) for N in (1, 8, 9, 16, 17)] == [1, 1, 2, 2, 2]
    lone = Network.from_dict(one(DENSE))
    assert (lone.wide_layer(1), lone.wide_layer(9)) == (1, 1)
    for k in (0, -1, 5, 99, True, "x", "9", 1.0, None):
        with pytest.raises(MisuseError, match=r"^layer: expected a layer number from 1 to 4"):
            net.layer(k)


def test_a_description_is_one_line():
    """describe names every layer with its width, kernel and what is unusual about it."""
    layers = [
        {**CONV, "stride": [1, 2], "bias": "none"},
        {**POOL, "stride": 1},
        {"kind": "conv", "filters": 1, "patches": [[0, 1], [1, 2]], "activation": "tanh"},
        DENSE,
    ]
    assert Network.from_dict({"input": [1, 4, 4], "layers": layers}).describe() == (
        "input 1 x 4 x 4 -> [1] conv 2 filters 2x2, stride 1x2, relu, no bias (n = 12) -> "
        "[2] maxpool 2x2, stride 1x1 (n = 4) -> "
        "[3] conv 1 filters 2 patches of 2, tanh, bias per unit (n = 2) -> "
        "[4] dense 3, identity (n = 3)"
    )


HUGE = 10**5000
CASES = [
    (
        "output that does not divide",
        {"input": [1, 4, 5], "layers": [{"kind": "avgpool", "output": 2}]},
        r"layers\[0\]\.output: expected sizes that divide the extents \[4, 5\], found \[2, 2\]",
    ),
    (
        "output and kernel",
        {"input": [1, 4], "layers": [{"kind": "avgpool", "output": 2, "kernel": 2}]},
        "either an output size or a kernel, found output and kernel",
    ),
    (
        "output of a convolution",
        one({"kind": "conv", "filters": 1, "output": 2, "activation": "relu"}),
        "found key 'output'",
    ),
    # the whole
    ("number", 7, "spec: expected a table, found 7"),
    ("nothing", None, "spec: expected a table"),
    ("list", [one(DENSE)], "spec: expected a table"),
    ("empty", {}, r"spec\.input: expected a value, found nothing"),
    ("no layers", {"input": [4]}, r"spec\.layers: expected a value"),
    ("unknown key", {**one(DENSE), "layer": 1}, "only the keys input, layers, name, found key 'layer'"),
    ("key no text", {**one(DENSE), 7: 1}, "found key 7"),
    ("huge key", {**one(DENSE), HUGE: 1}, "found key an int too long"),
    ("name a number", {**one(DENSE), "name": 7}, "name: expected a printable text"),
    ("name too long", {**one(DENSE), "name": "n" * 201}, "name: expected a printable text of at most 200"),
    ("name hostile", {**one(DENSE), "name": "\x1b[31m"}, r"name: .* found '\\x1b\[31m'"),
    ("name half a character", {**one(DENSE), "name": "\ud800"}, r"name: .* found '\\ud800'"),
    ("name of two lines", {**one(DENSE), "name": "a\nb"}, "name: expected a printable text"),
    ("nested deeply", {**one(DENSE), "name": nested(5000)}, "at most 16 levels of nesting"),
    ("huge integer", {**one(DENSE), "name": HUGE}, "integers of at most 10000 bits"),
    # input
    ("input a number", {"input": 4, "layers": [DENSE]}, r"input\.shape: .* found 4"),
    ("input a text", {"input": "4", "layers": [DENSE]}, r"input\.shape: .* found '4'"),
    ("input empty", {"input": [], "layers": [DENSE]}, r"input\.shape: "),
    (
        "input of five axes",
        {"input": [1] * 5, "layers": [DENSE]},
        r"input\.shape: .* found \[1, 1, 1, 1, 1\]",
    ),
    ("input zero", {"input": [1, 0], "layers": [DENSE]}, r"input\.shape\[1\]: expected an integer from 1 to"),
    ("input negative", {"input": [-4], "layers": [DENSE]}, r"input\.shape\[0\]: .* found -4"),
    ("input float", {"input": [4.0], "layers": [DENSE]}, r"input\.shape\[0\]: .* found 4\.0 \(float\)"),
    ("input bool", {"input": [True], "layers": [DENSE]}, r"input\.shape\[0\]: .* found True \(bool\)"),
    ("input nested", {"input": [[4]], "layers": [DENSE]}, r"input\.shape\[0\]: .* found \[4\] \(list\)"),
    ("input huge", {"input": [2**40], "layers": [DENSE]}, r"input\.shape\[0\]: .* found 1099511627776"),
    ("input too many", {"input": [2**20, 2**20], "layers": [DENSE]}, f"at most {LARGEST_PATCH_TABLE} pixels"),
    ("input other key", {"input": {"shape": [4], "size": 4}, "layers": [DENSE]}, "input: .* key 'size'"),
    ("input no shape", {"input": {}, "layers": [DENSE]}, r"input\.shape: expected a value, found nothing"),
    # the list of layers
    ("layers empty", {"input": [4], "layers": []}, "layers: expected a list of 1 to 1000 layers"),
    ("layers a table", {"input": [4], "layers": DENSE}, "layers: expected a list"),
    ("layers a text", {"input": [4], "layers": "dense"}, "layers: expected a list"),
    ("too many layers", {"input": [4], "layers": [DENSE] * 1001}, "layers: expected a list of 1 to 1000"),
    (
        "layer a text",
        {"input": [4], "layers": [{**DENSE, "activation": "relu"}, "dense"]},
        r"layers\[1\]: expected a table, found 'dense'",
    ),
    ("layer null", {"input": [4], "layers": [None]}, r"layers\[0\]: expected a table"),
    ("kind missing", one({"units": 3}), r"layers\[0\]\.kind: expected conv, dense, maxpool, avgpool"),
    ("kind unknown", one({**DENSE, "kind": "lstm"}), r"\.kind: .* found 'lstm'"),
    ("kind a list", one({**DENSE, "kind": ["dense"]}), r"\.kind: .* \(list\)"),
    # dense
    ("units missing", one({"kind": "dense"}), r"layers\[0\]\.units: expected a value"),
    ("units zero", one({**DENSE, "units": 0}), r"\.units: expected an integer from 1"),
    ("units a text", one({**DENSE, "units": "3"}), r"\.units: .* found '3'"),
    ("units too many", one({**DENSE, "units": 2**31}), f"at most {LARGEST_PATCH_TABLE} units"),
    ("dense with kernel", one({**DENSE, "kernel": 2}), "found key 'kernel'"),
    (
        "dense without activation below another",
        {"input": [4], "layers": [DENSE, DENSE]},
        r"layers\[0\]\.activation: expected an activation, found nothing",
    ),
    # convolutions
    ("filters missing", conv(filters=None), r"\.filters: expected a value"),
    ("filters zero", conv(filters=0), r"\.filters: expected an integer from 1"),
    ("filters negative", conv(filters=-1), r"\.filters: "),
    ("filters float", conv(filters=2.0), r"\.filters: .* found 2\.0 \(float\)"),
    ("filters too many", conv(filters=2**31), f"at most {LARGEST_PATCH_TABLE} units"),
    (
        "kernel missing",
        conv(kernel=None),
        r"\.kernel: expected a kernel size, or explicit patches, found neither",
    ),
    ("kernel zero", conv(kernel=0), r"\.kernel: expected an integer from 1"),
    ("kernel a text", conv(kernel="3"), r"\.kernel: .* found '3'"),
    (
        "kernel of three axes",
        conv(kernel=[1, 1, 1]),
        r"\.kernel: expected 2 entries, one for each axis, found 3",
    ),
    ("kernel empty", conv(kernel=[]), r"\.kernel: expected 2 entries"),
    ("kernel half bad", conv(kernel=[1, None]), r"\.kernel\[1\]: expected an integer"),
    (
        "kernel too large",
        conv(kernel=[2, 5]),
        r"\.kernel: expected a window that fits into the padded extent 4",
    ),
    ("kernel huge", conv(kernel=2**31), r"\.kernel: expected a window that fits"),
    ("kernel beyond", conv(kernel=2**31 + 1), r"\.kernel: expected an integer from 1 to 2147483648"),
    (
        "kernel enormous",
        conv(kernel=10**3000),
        r"\.kernel: expected an integer from 1 to 2147483648, found 1000",
    ),
    ("kernel a date", conv(kernel=date(2000, 1, 1)), r"\.kernel: .* \(date\)"),
    ("kernel a fraction", conv(kernel=Fraction(2)), r"\.kernel: .* \(Fraction\)"),
    ("dilated too far", conv(dilation=4), r"\.kernel: .* found kernel 2 with dilation 4, which spans 5"),
    ("stride zero", conv(stride=0), r"\.stride: expected an integer from 1"),
    ("stride half zero", conv(stride=[1, 0]), r"\.stride\[1\]: expected an integer from 1"),
    ("dilation zero", conv(dilation=0), r"\.dilation: expected an integer from 1"),
    ("padding negative", conv(padding=-1), r"\.padding: expected an integer from 0"),
    ("padding a word", conv(padding="valid"), r"\.padding: .* found 'valid'"),
    ("padding same, even span", conv(padding="same"), r"\.padding: .* found 'same'"),
    ("padding same, stride", conv(kernel=3, stride=2, padding="same"), r"\.padding: .* found 'same'"),
    ("padding only", conv(padding=2), r"\.padding: expected a real neuron in every patch"),
    (
        "padding only in gaps",
        conv(padding=[0, 2], dilation=[1, 5]),
        r"padding only at output place \d of axis 1",
    ),
    ("padding monstrous", conv(padding=2**31, stride=2**31), f"at most {LARGEST_PATCH_TABLE} "),
    ("unknown entry", conv(strides=1), "only the keys .* found key 'strides'"),
    ("bias a bool", conv(bias=True), r"\.bias: expected unit, filter or none, found True"),
    ("bias unknown", conv(bias="shared"), r"\.bias: .* found 'shared'"),
    ("activation missing", conv(activation=None), r"\.activation: expected an activation, found nothing"),
    ("activation unknown", conv(activation="swish"), r"layers\[0\]\.activation: .* found 'swish'"),
    ("activation a number", conv(activation=7), r"\.activation: expected a name or a table"),
    ("activation without name", conv(activation={"alpha": 1}), r"\.activation: "),
    (
        "activation with more",
        conv(activation={"name": "relu", "slope": "1/2"}),
        r"\.activation: .* key 'slope'",
    ),
    ("slope a float", conv(activation={"name": "leaky_relu", "slope": 0.1}), r"\.slope: .* quoted rational"),
    (
        "slope of one",
        conv(activation={"name": "leaky_relu", "slope": 1}),
        r"\.slope: expected a rational .*between",
    ),
    ("alpha zero", conv(activation={"name": "elu", "alpha": "0"}), r"\.alpha: expected a positive rational"),
    ("alpha endless", conv(activation={"name": "elu", "alpha": "-1e9999"}), r"\.alpha: expected a positive"),
    # explicit patches
    ("patches and kernel", conv(patches=[[0]]), "either patches or a kernel, found patches and kernel"),
    ("patches empty", conv(kernel=None, patches=[]), r"\.patches: expected a non-empty list"),
    ("patches a number", conv(kernel=None, patches=3), r"\.patches: expected a non-empty list"),
    (
        "patch empty",
        conv(kernel=None, patches=[[0], []]),
        r"\.patches\[1\]: expected a non-empty list of neurons",
    ),
    ("patch a number", conv(kernel=None, patches=[0, 1]), r"\.patches\[0\]: .* found 0 \(int\)"),
    ("patch a text", conv(kernel=None, patches=["01"]), r"\.patches\[0\]: "),
    ("patches ragged", conv(kernel=None, patches=[[0, 1], [2]]), r"\.patches\[1\]: expected 2 neurons"),
    (
        "neuron beyond",
        conv(kernel=None, patches=[[16]]),
        r"\.patches\[0\]: expected neuron numbers from 0 to 15",
    ),
    ("neuron negative", conv(kernel=None, patches=[[-1]]), r"\.patches\[0\]: expected an integer from 0"),
    ("neuron twice", conv(kernel=None, patches=[[1, 1]]), r"\.patches\[0\]: expected distinct neurons"),
    ("neuron a float", conv(kernel=None, patches=[[1.0]]), r"\.patches\[0\]: .* \(float\)"),
    # pooling
    ("pooling with filters", pool(filters=2), "found key 'filters'"),
    ("pooling with activation", pool(activation="relu"), "found key 'activation'"),
    ("pooling without kernel", pool(kernel=None), r"\.kernel: expected a kernel size"),
    ("pooling of padding", pool(kernel=1, padding=1), r"\.padding: expected a real neuron in every patch"),
    ("pooling nothing", pool(kernel=5), r"\.kernel: expected a window that fits"),
]


def assert_one_sentence(error, says):
    """The shape of all complaints: *field: expected X, found Y*, on one line."""
    message = str(error)
    assert re.fullmatch(r"[^\n\r]+: expected [^\n\r]+, found [^\n\r]+", message), message
    assert message.isprintable()
    assert len(message) < 700
    assert re.search(says, message), message


@pytest.mark.parametrize("spec, says", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bad_specs_give_one_sentence(spec, says):
    """Every mistake in a spec is named by its field, in one sentence."""
    with pytest.raises(MalformedError) as caught:
        Network.from_dict(spec)
    assert_one_sentence(caught.value, says)


def test_the_base_specs_are_good():
    """Otherwise the cases above might fail for a reason that is not theirs."""
    for spec in (one(DENSE), conv(), pool(), conv(kernel=None, patches=[[0]]), conv(padding=1)):
        assert Network.from_dict(spec).depth == 1


def json_of(text):
    """A writer of a JSON network with ``text`` as its one layer."""
    return f'{{"input": [4], "layers": [{text}]}}'


FILES = [
    ("missing", "a.toml", None, "a file that exists"),
    ("directory", "", None, "expected a file, found a directory"),
    ("name too long", "a" * 5000, None, "a readable file, found File name too long"),
    ("null character", "a\0.toml", None, "a file that exists"),
    ("below a file", "good.toml/a.toml", None, "a file that exists"),
    ("endless device", "/dev/zero", None, "a regular file"),
    ("toml empty", "a.toml", b"", r"spec\.input: expected a value"),
    ("toml not utf-8", "a.toml", b'name = "\xff"', "valid TOML"),
    ("toml broken", "a.toml", b"input = [4", "valid TOML"),
    ("toml key twice", "a.toml", b"input = [4]\ninput = [4]", "valid TOML"),
    ("toml date", "a.toml", b"input = 2000-01-01\nlayers = []", r"input\.shape: .* \(date\)"),
    ("toml nan", "a.toml", b"input = [nan]\nlayers = []", r"input\.shape\[0\]: .* found nan \(float\)"),
    ("toml nested", "a.toml", b"input = " + b"[" * 10**5 + b"]" * 10**5, "valid TOML|levels of nesting"),
    ("toml dotted", "a.toml", b"input" + b".a" * 3_000 + b" = 1\nlayers = []", "levels of nesting"),
    (
        "toml dotted kind",
        "a.toml",
        b"input=[4]\n[[layers]]\nkind" + b".a" * 3_000 + b" = 1",
        "levels of nesting",
    ),
    ("toml hexadecimal", "a.toml", b"input = [0x" + b"f" * 5000 + b"]\nlayers = []", "integers of at most"),
    ("toml endless decimal", "a.toml", b"input = [" + b"9" * 5000 + b"]", "valid TOML"),
    ("json empty", "a.json", b"", "valid JSON"),
    ("json as toml", "a.toml", json_of('{"kind": "dense", "units": 1}').encode(), "valid TOML"),
    ("toml as json", "a.json", b"input = [4]", "valid JSON"),
    ("json not utf-8", "a.json", b'{"\xff": 1}', "valid JSON"),
    ("json byte-order mark", "a.json", b"\xef\xbb\xbf{}", "valid JSON"),
    ("json a list", "a.json", b"[]", "spec: expected a table"),
    ("json null", "a.json", b"null", "spec: expected a table"),
    ("json key twice", "a.json", b'{"input": [4], "input": [5]}', "each key once, found key 'input' twice"),
    ("json NaN", "a.json", b'{"input": [NaN]}', "finite numbers, found NaN"),
    ("json nested", "a.json", b"[" * 10**5, "valid JSON"),
    ("json nested moderately", "a.json", b'{"input": ' + b"[" * 500 + b"]" * 500 + b"}", "levels of nesting"),
    ("json endless integer", "a.json", b'{"input": [' + b"9" * 5000 + b"]}", "valid JSON"),
    (
        "json surrogate name",
        "a.json",
        b'{"name": "\\ud800", "input": [4], "layers": [{"kind": "dense", "units": 1}]}',
        "name: expected a printable",
    ),
    (
        "json exponent",
        "a.json",
        json_of('{"kind": "dense", "units": 1e3}').encode(),
        r"\.units: .* 1000\.0 \(float\)",
    ),
]


@pytest.mark.parametrize("name, content, says", [case[1:] for case in FILES], ids=[case[0] for case in FILES])
def test_bad_files_give_one_sentence(tmp_path, name, content, says):
    """Every file that is no spec is refused in one sentence, and nothing else is raised."""
    (tmp_path / "good.toml").write_text(TOML)
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MalformedError) as caught:
        read_spec(path)
    message = str(caught.value)
    assert re.fullmatch(r"[^\n\r]+: expected [^\n\r]+, found [^\n\r]+", message)
    assert re.search(says, message), message


def test_a_pipe_is_not_waited_for(tmp_path):
    """A named pipe without a writer would block for ever."""
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(MalformedError, match="a regular file"):
        read_spec(tmp_path / "a.toml")


def test_a_file_of_a_terabyte_is_not_read(tmp_path):
    """The size is looked at before the content."""
    (tmp_path / "a.toml").touch()
    os.truncate(tmp_path / "a.toml", 2**40)
    with pytest.raises(MalformedError, match="at most 67108864 bytes, found 1099511627776 bytes"):
        read_spec(tmp_path / "a.toml")
