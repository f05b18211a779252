"""Minima that are not global, found and proved; Smale's alpha-test; ``exactcnn critical`` on the command line."""

import json
from fractions import Fraction

import mpmath
import pytest
from typer.testing import CliRunner

import exactcnn
from exactcnn.cli import app
from exactcnn.features.instance import Instance
from exactcnn.landscape.alpha import alpha_test
from exactcnn.landscape.search import planted, search_minima
from exactcnn.statements.critical_nearby import nearby_finding
from tests.landscape.test_instances import bad_minimum, saddle
from tests.landscape.test_minima import at, by_mpmath, newton_start, rejected, sigmoid_instance
from tests.statements.instances import certified, conv, given, judgment, network, random_rows, rng, verdict

DENSE = {"kind": "dense"}


def all_sigmoid(seed=26):
    """Eight samples of eight pixels, layer 1 wide (n_1 = 8 = N), layer 2 convolutional, weights in (-2.5, 2.5)."""
    r = rng(seed)
    net = network(
        [8],
        conv(1, "sigmoid", kernel=1, bias="filter"),
        conv(1, "sigmoid", kernel=4, stride=4),
        {**DENSE, "units": 2},
    )
    X = random_rows(r, 8, 8, -3, 3)
    entries = []
    for taps, filters, biases in ((1, 1, 1), (4, 1, 2), (2, 2, 2)):
        W = [[Fraction(r.randint(-40, 40), 16) for _ in range(filters)] for _ in range(taps)]
        entries.append((W, [Fraction(r.randint(-40, 40), 16) for _ in range(biases)]))
    return Instance(net, exactcnn.samples(X), given(net, *entries))


@pytest.fixture(scope="module")
def bad():
    inst = planted(all_sigmoid())
    result = search_minima(inst, 12, wide_layer=1, iterations=25, spread=3)
    assert result.bad
    return inst, result


def test_bad_minimum_of_an_all_sigmoid_network(bad):
    """Rational data, layer 2 convolutional: a strict local minimum in S_1, and a point of smaller loss."""
    inst, result = bad
    (worst,) = result.bad
    assert worst.kind == "strict local minimum"
    assert worst.wide_layer == 1
    assert worst.inertia.positive == 14
    certificate = certified(inst, nearby_finding(worst))
    assert [claim["statement"] for claim in certificate["claims"]] == [
        "critical-point-nearby",
        "smaller-loss",
    ]
    near, smaller = verdict(certificate).claims
    assert "in S at node 2" in near
    assert "strict local minimum" in near
    assert "smaller than at the critical point near the weights center" in smaller

    def its_own_centre(c):
        weights, there = c["instance"]["weights"], judgment(c, "loss-enclosed")
        weights["elsewhere"] = weights["center"]
        there["bounds"] = judgment(c, "isolated")["loss"]

    def claimed_lower(c):
        """The centre, and bounds of its loss that are too small."""
        its_own_centre(c)
        there = judgment(c, "loss-enclosed")
        there["bounds"] = [str(Fraction(v) * Fraction(9, 10)) for v in there["bounds"]]

    def the_other_way(c):
        c["claims"][1].update(weights="center", than="elsewhere")

    def itself(c):
        c["claims"][1].update(weights="center", by=c["claims"][0]["by"])

    for change in (its_own_centre, claimed_lower, the_other_way, itself):
        assert rejected(certificate, change)
    assert rejected(certificate, lambda c: judgment(c, "loss-enclosed")["bounds"].reverse())
    assert rejected(certificate, lambda c: judgment(c, "loss-enclosed").update(bounds=[0, 0]))
    for n in range(2):
        assert rejected(certificate, lambda c, n=n: c["claims"][1]["by"].pop(n))
    assert rejected(certificate, lambda c: c["claims"][1].update(verdict="refuted"))


def test_planting_needs_fewer_parameters_than_equations():
    r = rng(0)
    net = network([2], {**DENSE, "units": 3, "activation": "sigmoid"}, {**DENSE, "units": 1})
    few = Instance(net, exactcnn.samples(random_rows(r, 3, 2)), exactcnn.Weights.from_seed(net, 0))
    assert planted(few) is None


def test_search_refuses():
    with pytest.raises(exactcnn.MisuseError):
        search_minima(planted(all_sigmoid()), 0)


def test_alpha_test_beside_mpmath():
    passed = 0
    with mpmath.workdps(30):
        for seed in range(6):
            inst = sigmoid_instance(seed, 9, "tanh")
            values = newton_start(inst)
            if values is None:
                continue
            found = alpha_test(at(inst, values))
            root, _ = by_mpmath(inst, [mpmath.mpf(float(v)) for v in values])
            far = max(abs(x - mpmath.mpf(float(v))) for x, v in zip(root, values, strict=True))
            if found.passed:
                assert far <= 2 * mpmath.mpf(float(found.beta)) + mpmath.mpf(10) ** -20
                passed += 1
    assert passed >= 2


def test_alpha_test_where_nothing_is_near():
    assert alpha_test(bad_minimum()).passed
    away = sigmoid_instance(1, 9, "tanh")
    assert not alpha_test(away).passed
    with pytest.raises(exactcnn.UndecidedError):
        alpha_test(saddle())  # its Hessian is singular


NO_BIAS = {"kind": "dense", "units": 1, "bias": "none"}
TINY = {"name": "tiny", "input": {"shape": [1]}, "layers": [{**NO_BIAS, "activation": "tanh"}, NO_BIAS]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    linear = json.loads(json.dumps(TINY).replace("tanh", "identity"))
    (tmp_path / "linear.json").write_text(json.dumps(linear))
    (tmp_path / "points.json").write_text(json.dumps({"x": [[1], [2], [-1]], "y": [[1], [1], [-2]]}))
    (tmp_path / "zero.json").write_text(json.dumps({"layers": [{"W": [[0]]}, {"W": [[0]]}]}))
    return tmp_path


def run(folder, spec, *options):
    arguments = [
        "critical",
        str(folder / spec),
        "--data",
        str(folder / "points.json"),
        *map(str, options),
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, None if not result.stdout else json.loads(result.stdout), result


def test_enumerate_on_the_command_line(folder):
    code, record, _ = run(folder, "tiny.json", "--enumerate", "--box", "-5", "5", "--ridge", "1/10")
    assert (code, record["verdict"]) == (0, "proved")
    assert [point["kind"] for point in record["points"]].count("strict local minimum") == 2
    assert len(record["points"]) == 3


def test_elimination_on_the_command_line(folder):
    """Deep linear network with Tikhonov terms, d = d_y = 1: 5 complex critical points (theory, section 4)."""
    code, record, _ = run(folder, "linear.json", "--complex", "--ridge", "generic")
    assert code == 0
    assert record["findings"][0]["evidence"]["isolated"] == 5
    code, record, _ = run(folder, "linear.json", "--complex")
    assert code == 0
    assert record["findings"][0]["evidence"]["dimension"] == 1


def test_at_given_weights(folder):
    code, record, _ = run(folder, "tiny.json", "--weights", folder / "zero.json")
    assert (code, record["findings"][0]["statement"]) == (0, "critical-point")
    code, record, _ = run(
        folder,
        "tiny.json",
        "--weights",
        folder / "zero.json",
        "--classify",
        "--certificate",
        folder / "c.json",
    )
    assert (code, record["findings"][0]["statement"]) == (1, "local-minimum")
    certificate = json.loads((folder / "c.json").read_text())
    assert verdict(certificate).outcome == "VERIFIED"
    assert ("local-minimum", "refuted") in {(c["statement"], c["verdict"]) for c in certificate["claims"]}
    # A partial derivative is not 0: these weights are none, whether or not there is one near them.
    for more in ([], ["--classify"]):
        code, record, _ = run(folder, "tiny.json", "--seed", "3", *more)
        assert (code, record["verdict"]) == (1, "refuted")
        found = {entry["statement"]: entry["verdict"] for entry in record["findings"]}
        assert (found["critical-point"], found["critical-point-nearby"]) == ("refuted", "undecided")
        assert found.get("local-minimum", "refuted") == "refuted"


@pytest.mark.parametrize("how", [["--enumerate"], ["--complex"], ["--search", "2"]])
def test_points_are_enclosed(folder, how):
    """w = 1/3 minimises (3 w - 1)^2 / 2, with loss 0: no float is 1/3, so the ends lie on both sides."""
    (folder / "line.json").write_text(json.dumps({"input": [1], "layers": [NO_BIAS]}))
    (folder / "points.json").write_text(json.dumps({"x": [[3], [0]], "y": [[1], [1]]}))
    code, record, _ = run(folder, "line.json", *how)
    assert code == (3 if how[0] == "--search" else 0)  # it is no bad minimum
    assert record["points"]
    for point in record["points"]:
        ((low, high),) = point["parameters"]
        assert Fraction(low) < Fraction(1, 3) < Fraction(high)
        assert high - low < 1e-9
        below, above = point["loss"]
        assert Fraction(below) <= Fraction(1, 2) <= Fraction(above)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--enumerate", "--search", "3"], "at most one of"),
        (["--enumerate", "--box", "3", "1"], "LO < HI"),
        (["--enumerate", "--box", "nan", "1"], "box"),
        (["--enumerate", "--ridge", "-1"], "ridge"),
        (["--plant"], "--search"),
        (["--search", "0"], "at least 1 starting point"),
        (["--weights", "none.json"], "none.json"),
        (["--layer", "7"], "layer"),
        (["--certificate", "/"], "directory"),
    ],
)
def test_bad_usage(folder, options, words):
    code, _, result = run(folder, "tiny.json", *options)
    assert words in (result.stdout + str(result.exception))
    assert code == 2 or isinstance(result.exception, exactcnn.ExactCNNError)
