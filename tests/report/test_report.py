"""Reports: only the checker's VERIFIED looks like success, hostile text stays text, and the page stands alone."""

import copy
import json
import subprocess
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import exactcnn
from exactcnn import checker
from exactcnn.checker.certificate import ROWS, RULES
from exactcnn.checker.landscape.statements import HYPOTHESES
from exactcnn.cli import app
from exactcnn.report import build, build_report, evidence, pictures, render_html, render_markdown, words
from exactcnn.report.entries import read_entry
from exactcnn.report.float_loss import float_loss, instance_of
from exactcnn.report.render import browser
from exactcnn.statements import STATEMENTS

EVIL = "<script>alert(1)</script>"
NET = {
    "name": "small",
    "input": {"shape": [1, 4, 4]},
    "layers": [
        {"kind": "conv", "filters": 9, "kernel": 2, "activation": "sigmoid"},
        {"kind": "dense", "units": 2},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Verified, forged, broken, undecided, and with a point."""
    place = tmp_path_factory.mktemp("certificates")
    net, data = (
        exactcnn.Network.from_dict(NET),
        [[(i * i * (j + 3) + j) % 7 for j in range(16)] for i in range(12)],
    )
    names = ["rank", "assumption-3.1", "assumption-2.4", "assumption-4.1", "theorem-3.4"]
    result = exactcnn.verify(net, data, statements=names, layer=1)
    result.save_certificate(place / "good.json")
    made = json.loads((place / "good.json").read_text())
    forged = copy.deepcopy(made)
    forged["instance"]["network"]["name"] = EVIL
    forged["claims"][0]["statement"] = "rank"
    (place / "forged.json").write_text(json.dumps(forged))
    (place / "broken.json").write_text("{")
    (place / "strange.json").write_text(json.dumps({"instance": {"network": {"layers": [7]}}, "claims": [3]}))
    huge = copy.deepcopy(made)
    huge["instance"]["network"]["name"] = "x" * 10**6
    (place / "huge.json").write_text(json.dumps(huge))
    squares = exactcnn.Network.from_dict(
        {
            "name": "squares",
            "input": {"shape": [2]},
            "layers": [
                {"kind": "dense", "units": 2, "activation": "square", "bias": "none"},
                {"kind": "dense", "units": 1, "bias": "none"},
            ],
        }
    )
    (place / "w.json").write_text(
        json.dumps({"layers": [{"W": [["1", "0"], ["0", "1"]], "b": None}, {"W": [["1"], ["1"]], "b": None}]})
    )
    point = exactcnn.verify(
        squares,
        exactcnn.samples([[1, 0], [0, 1]], [[1], [1]]),
        weights=place / "w.json",
        statements=["local-minimum", "critical-point", "loss"],
    )
    point.save_certificate(place / "point.json")
    (place / "graph.json").write_text(json.dumps(graph()))
    (place / "bad-point.json").write_text(json.dumps(bad_point()))
    low = exactcnn.verify(net, [*data, *data, *data], statements="rank", layer=1)
    low.save_certificate(place / "refuted.json")
    (place / "campaign.csv").write_text(
        "cell,width,N,activation,n_k,rank,seed,sigma_min_low,sigma_min_high\n"
        "0,1,6,relu,4,4,0,,\n0,1,6,relu,4,3,1,,\n1,2,6,relu,8,6,0,0.5,0.6\n"
    )
    return place


def sealed(instance, judgments, claims):
    """A certificate with its digests."""
    from exactcnn.certificates.instance_json import digests

    head = {"format": "exactcnn-certificate", "version": 2}
    whole = {**instance, "weights": instance.get("weights", {})}
    return {**head, "instance": whole, "digests": digests(whole), "judgments": judgments, "claims": claims}


def rational(*parts):
    """Weights: (W, b) of integers for each affine node."""
    return {"kind": "rational", "nodes": [
        {"W": {"denominator": 1, "rows": W}, "b": None if b is None else {"denominator": 1, "values": b}} for W, b in parts
    ]}  # fmt: skip


def data(rows):
    return {"kind": "inline", "shape": [len(rows), len(rows[0])], "denominator": 2, "rows": rows}


WINDOW = {"kernel": [2], "stride": [1], "padding": [[0, 1]], "dilation": [1]}


def graph(targets=(1, 2)):
    """Nodes that are no layers: two branches that meet, every kind of node, and its loss."""
    nodes = [
        {"kind": "conv", "of": [0], "filters": 2, "groups": 1, **WINDOW, "bias": "filter"},
        {"kind": "activation", "of": [1], "activation": {"name": "hardtanh", "low": -1, "high": 2}},
        {"kind": "conv-lists", "of": [0], "filters": 2, "patches": [[0, 1], [1, -1], [2, 0]], "extents": [3],
         "bias": "none"},
        {"kind": "add", "of": [2, 3]},
        {"kind": "maxpool", "of": [4], **WINDOW},
        {"kind": "avgpool", "of": [4], **WINDOW, "count_padding": False},
        {"kind": "concat", "of": [5, 6], "axis": "channels"},
        {"kind": "scale", "of": [7], "factors": [1, -1, 2, "1/3"], "shifts": [0, 1, 0, "1/2"]},
        {"kind": "activation", "of": [8], "activation": {"name": "leaky_relu", "slope": "1/4"}},
        {"kind": "dense", "of": [9], "units": 1, "bias": "unit"},
    ]  # fmt: skip
    point = rational(
        ([[1, -1], [2, 1]], [1, 0]), ([[1, 1], [0, -2]], None), ([[(i * 5) % 7 - 3] for i in range(12)], [1])
    )
    instance = {
        "network": {"name": "graph", "input": [3], "nodes": nodes},
        "data": data([[1, -2, 3], [0, 5, 1]]),
        "targets": {"denominator": 1, "rows": [[y] for y in targets]},
        "weights": {"here": point},
    }
    width = {"kind": "count", "node": 9, "rule": "width", "positions": None}
    claim = {"statement": "rank", "verdict": "undecided", "node": 9, "weights": None, "lower": 0, "upper": 2}
    return sealed(instance, [width], [{**claim, "by": [0]}])


def bad_point():
    """A critical point in S_1 with loss 9/2, as the slope of the square is 0 there, and a smaller loss elsewhere."""
    nodes = [
        {"kind": "dense", "of": [0], "units": 2, "bias": "none"},
        {"kind": "dense", "of": [1], "units": 1, "bias": "none"},
        {"kind": "activation", "of": [2], "activation": {"name": "square"}},
        {"kind": "dense", "of": [3], "units": 1, "bias": "none"},
    ]
    instance = {
        "network": {"name": "bad point", "input": [2], "nodes": nodes},
        "data": {**data([[1, 0], [0, 1]]), "denominator": 1},
        "targets": {"denominator": 1, "rows": [[3], [0]]},
        "weights": {
            "here": rational(([[1, 0], [0, 1]], None), ([[0], [0]], None), ([[1]], None)),
            "there": rational(([[1, 0], [0, 1]], None), ([[1], [0]], None), ([[2]], None)),
        },
    }
    minor = {
        "kind": "minor-mod-p", "of": {"matrix": "features", "node": 1, "weights": "here"}, "rows": [0, 1],
        "columns": [0, 1], "prime": 7, "root": None, "divisor": 1, "solutions": None,
    }  # fmt: skip
    top = {**minor, "of": {"matrix": "lifted", "node": 4, "weights": "here"}, "rows": [0], "columns": [0]}
    judgments = [
        minor,
        top,
        {"kind": "loss-exact", "weights": "here", "value": ["9/2"]},
        {"kind": "gradient-exact", "weights": "here", "partial": None},
        {"kind": "loss-exact", "weights": "there", "value": ["1/2"]},
    ]
    point = {
        "statement": "point", "verdict": "proved", "node": 1, "weights": "here", "v": None, "critical": True,
        "loss": ["9/2"], "flat": True, "failing": ["slopes-without-zeros"], "by": [0, 1, 2, 3],
    }  # fmt: skip
    smaller = {
        "statement": "smaller-loss",
        "verdict": "proved",
        "weights": "there",
        "than": "here",
        "by": [2, 4],
    }
    return sealed(instance, judgments, [point, smaller])


class Page(HTMLParser):
    """Tags with their attributes and text, and the badges."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.stack, self.badges, self.ids, self.words = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.stack.append((tag, attributes))
        if "id" in attributes and not any(t == "svg" for t, _ in self.stack):
            self.ids.append(attributes["id"])

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data):
        self.words.append(data)
        for tag, attributes in reversed(self.stack):
            if tag == "span" and "badge" in attributes.get("class", ""):
                self.badges.append((attributes["class"].split(), data.strip()))
                break


def page(paths, **options):
    return Page(render_html(build_report(paths, **options)))


def test_everything_verified(folder):
    found = page([folder / "good.json", folder / "point.json"])
    assert any("all 2 certificates are VERIFIED" in word.replace("All", "all") for word in found.words)
    assert all("bad" not in classes for classes, _ in found.badges)
    tags = [tag for tag, _ in found.tags]
    assert {"main", "header", "footer", "nav", "math", "h1"} <= set(tags)
    assert tags.count("h1") == 1
    assert "script" not in tags
    assert len(found.ids) == len(set(found.ids))
    assert all(attributes.get("alt") for tag, attributes in found.tags if tag == "img")


def test_nothing_is_fetched(folder):
    found = page([folder / "good.json", folder / "point.json", folder / "campaign.csv"])
    for tag, attributes in found.tags:
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png")), (tag, value)


@pytest.mark.parametrize("name", ["forged.json", "broken.json", "strange.json"])
def test_no_failure_looks_like_success(folder, name):
    report = build_report([folder / "good.json", folder / name])
    assert report.headline.startswith("NOT all verified")
    assert report.style == "bad"
    found = Page(render_html(report))
    of_it = [classes for classes, text in found.badges if "good" in classes and "VERIFIED" in text]
    assert len(of_it) == 2  # the good one, in the overview and in its section
    text = " ".join(found.words)
    assert "Nothing in this section is established" in text


def test_unchecked_is_not_success(folder):
    report = build_report([folder / "good.json"], check=False)
    assert report.headline == "NOT all verified: 1 NOT CHECKED."
    found = Page(render_html(report))
    assert found.badges
    assert all("good" not in classes for classes, _ in found.badges)
    assert "✔" not in render_html(report)
    assert "✔" not in render_markdown(report)


def test_too_little_memory_is_not_success(folder, monkeypatch):
    """What a limit stops is open: nothing about it is known, and nothing looks as if it were."""
    monkeypatch.setattr(checker, "check_file", partial(checker.check_file, max_memory=2**20))
    blanks = b" " * 2**24  # a certificate all the same, and more than the limit wherever the heap begins
    (folder / "large.json").write_bytes((folder / "good.json").read_bytes() + blanks)
    report = build_report([folder / "large.json"])
    assert [view.entry.outcome for view in report.entries] == ["NOT CHECKED"]
    assert report.style == "open"
    assert "✔" not in render_html(report)
    assert "✔" not in render_markdown(report)


@pytest.mark.parametrize("given, meant", [(None, checker.limits.SECONDS), (77, 77)])
def test_seconds_are_handed_to_the_checker(folder, monkeypatch, given, meant):
    """``max_seconds`` is the checker's own limit; without it, the checker's default."""
    asked, real = [], checker.check_file
    monkeypatch.setattr(checker, "check_file", lambda *a, **more: asked.append(more) or real(*a, **more))
    assert build_report([folder / "good.json"], max_seconds=given).accepted == 1
    assert asked == [{"max_seconds": meant}]


def test_refuted_and_undecided_have_their_own_look(folder):
    report = build_report([folder / "refuted.json"])
    (view,) = report.entries
    assert view.entry.accepted
    assert view.claims[0].style == "refuted"
    assert "This is false here, and the checker has verified that it is." in render_html(report)
    forged = copy.deepcopy(view.entry.content)
    forged["claims"][0]["verdict"] = "proved"
    path = folder / "turned.json"
    path.write_text(json.dumps(forged))
    (turned,) = build_report([path]).entries
    assert turned.entry.outcome == "REJECTED"
    assert turned.claims[0].style == "bad"
    assert turned.claims[0].verified is None


def test_hostile_text_stays_text(folder):
    html = render_html(build_report([folder / "forged.json", folder / "huge.json"]))
    assert EVIL not in html
    assert "&lt;script&gt;" in html
    assert len(html) < 200_000
    markdown = render_markdown(build_report([folder / "forged.json"]))
    assert "<script" not in markdown


def test_pictures(folder):
    refuted = page([folder / "good.json"])
    pictures = [attributes["src"] for tag, attributes in refuted.tags if tag == "img"]
    claims = build_report([folder / "good.json"]).entries[0].claims
    collides = any(claim.statement == "assumption-3.1" and claim.verdict == "refuted" for claim in claims)
    assert len(pictures) == collides
    point = build_report([folder / "point.json"]).entries[0]
    assert [len(claim.pictures) for claim in point.claims] == [1, 0, 0]  # one point, one picture
    assert "illustration" in point.claims[0].pictures[0].caption
    campaign = build_report([folder / "campaign.csv"])
    assert len(campaign.campaigns[0][1]) == 2
    assert campaign.style == "open"
    assert "no proof" in render_html(campaign)


def exact_losses(path):
    """Of every set of weights with all entries, by the checker in exact arithmetic: the loss that it would accept."""
    content = json.loads(path.read_text())
    found = {}
    for name in content["instance"]["weights"]:
        judgment = {"kind": "loss-exact", "weights": name, "value": ["7777777/2"]}
        claim = {"statement": "loss", "verdict": "proved", "weights": name, "by": [0]}
        verdict = checker.check_certificate(
            {**content, "judgments": [judgment], "claims": [claim]}, max_seconds=None
        )
        found[name] = verdict.reason.rpartition("but it is ")[2]
    return found


@pytest.mark.parametrize("name", ["point.json", "graph.json", "bad-point.json"])
def test_float_loss_is_the_loss(folder, name):
    """On layers and on a graph with nodes of every kind, the curves go through the exact value."""
    entry = read_entry(folder / name, None, check=False, max_seconds=None)
    instance = instance_of(entry)
    for weights, exact in exact_losses(folder / name).items():
        loss, point = float_loss(instance, weights)
        top, _, bottom = exact.partition("/")
        assert loss(point) == pytest.approx(int(top) / int(bottom or 1), rel=1e-12)


def test_float_loss_follows_the_parameters(folder):
    """By hand: two squared units, of which the first is doubled."""
    entry = read_entry(folder / "point.json", None, check=False, max_seconds=None)
    loss, point = float_loss(instance_of(entry), "given")
    assert loss(point) == 0.0
    point[0] = 2.0  # (4 - 1)^2 / 2
    assert loss(point) == 4.5


@pytest.mark.parametrize("activation, value", [
    ("sigmoid", 0.7310585786300049), ("sigmoid2", 2 / 3), ("tanh", 0.7615941559557649), ("arctan", 0.7853981633974483),
    ("silu", 0.7310585786300049), ("gelu", 0.8413447460685429), ("gaussian", 0.36787944117144233), ("softsign", 0.5),
    ("relu6", 1.0), ({"name": "softplus", "alpha": 2}, 1.0634640055214861), ({"name": "elu", "alpha": 1}, 1.0),
    ({"name": "prelu", "slope": -3}, 1.0), ({"name": "custom", "tree": ["**", ["+", "t", 1], -2]}, 0.25),
])  # fmt: skip
def test_float_activations(activation, value, tmp_path):
    """sigma(1), known from elsewhere, as the output of one unit: the loss is half its square."""
    named = {"name": activation} if isinstance(activation, str) else activation
    nodes = [
        {"kind": "dense", "of": [0], "units": 1, "bias": "none"},
        {"kind": "activation", "of": [1], "activation": named},
    ]
    instance = {
        "network": {"name": "", "input": [1], "nodes": nodes}, "data": {**data([[1]]), "denominator": 1},
        "targets": {"denominator": 1, "rows": [[0]]}, "weights": {"w": rational(([[1]], None))},
    }  # fmt: skip
    path = tmp_path / "one.json"
    path.write_text(json.dumps(sealed(instance, [{"kind": "clauses"}], [{"statement": "loss", "by": [0]}])))
    loss, point = float_loss(instance_of(read_entry(path, None, check=False, max_seconds=None)), "w")
    assert loss(point) == pytest.approx(value**2 / 2, rel=1e-12)


def test_every_statement_and_judgment_has_words():
    """Those of the checker, none missing and none made up."""
    named = {name for name, each in STATEMENTS.items() if each.words}
    assert named | set(words._CLAIMS) == set(ROWS)
    assert set(evidence._WORDS) == set(RULES)
    assert tuple(words._HYPOTHESES) == HYPOTHESES
    with pytest.raises(checker.Malformed) as caught:
        RULES["count"][0]["rule"]("?", "rule")
    assert all(f"{rule}," in str(caught.value) for rule in evidence._RULES)
    assert str(caught.value).count(",") == len(evidence._RULES)


def test_layers_and_nodes(folder):
    """A chain is told layer by layer, anything else node by node, with what each node reads."""
    good, branches = build_report([folder / "good.json", folder / "graph.json"]).entries
    assert good.unit == "layer"
    assert [row["what"] for row in good.layers] == [
        "input 1 x 4 x 4", "conv 9 filters 2x2, bias per unit, sigmoid", "dense 2, bias per unit"
    ]  # fmt: skip
    assert [row["width"] for row in good.layers] == [16, 81, 2]
    assert [row["wide"] for row in good.layers] == [False, True, False]
    assert (
        "The features that layer 1 computes from the 12 samples at the weights “given”"
        in good.claims[0].plain
    )
    assert "F_1 at the weights “given”" in dict(good.claims[0].rows)["judgment 0: minor-mod-p"]
    assert (branches.unit, branches.entry.accepted) == ("node", True)
    assert [row["what"] for row in branches.layers[3:9]] == [
        "conv 2 filters 3 patches of 2, no bias, on node 0",
        "add, on nodes 2, 3",
        "maxpool 2, padding 0+1, stride 1",
        "avgpool 2, padding 0+1, stride 1, on node 4",
        "concat by channels, on nodes 5, 6",
        "scale and shift by channel",
    ]
    assert [row["width"] for row in branches.layers] == [3, 6, 6, 6, 6, 6, 6, 12, 12, 12, 1]
    assert "node 9 computes from the 2 samples with some choice of weights" in branches.claims[0].plain
    assert branches.claims[0].style == "open"


def test_a_point_and_a_smaller_loss(folder):
    """A critical point that is no minimum, in words: what it is, which hypothesis fails, and where the loss is smaller."""
    (view,) = build_report([folder / "bad-point.json"]).entries
    assert view.entry.accepted, view.entry.reason
    point, smaller = view.claims
    assert point.plain.startswith(
        "The weights “here” lie in S_k with layer 1 as layer k. They are a critical point of"
    )
    assert "the loss, which is 9/2 there" in point.plain
    assert "each entry taken for a parameter, is 0." in point.plain
    assert "may have a loss above 0" in point.plain
    assert [part["title"] for part in point.parts if part["verdict"] == "fails"] == ["slopes-without-zeros"]
    assert len(point.parts) == len(HYPOTHESES)
    assert "“there” is smaller than at the weights “here”" in smaller.plain
    assert [len(claim.pictures) for claim in view.claims] == [1, 0]
    facts = dict(view.facts)
    assert facts["targets"].startswith("2 x 1 numbers, inside the certificate; digest ")
    stated = view.entry.content["digests"]
    assert (
        facts["weights “there”"]
        == f"rational numbers, inside the certificate; digest {stated['weights']['there']}"
    )
    assert facts["digest of the instance"] == stated["instance"]


def test_a_point_that_is_not_verified_says_so(folder, tmp_path):
    """The loss is changed: the words stand, nothing is established."""
    forged = bad_point()
    forged["claims"][0]["loss"] = ["1/2"]
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    (view,) = build_report([tmp_path / "forged.json"]).entries
    assert view.entry.outcome == "REJECTED"
    assert {claim.style for claim in view.claims} == {"bad"}
    assert all("not established" in claim.badge and claim.verified is None for claim in view.claims)


def leaves(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from leaves(value[key], (*path, key))


@pytest.mark.parametrize("name", ["good.json", "graph.json", "bad-point.json"])
def test_hostile_values_anywhere(folder, tmp_path, name, monkeypatch):
    """Whatever stands at any place of a certificate: a page is made, nothing in it looks established, and no markup
    is left.  (Pictures, which take long, have a test of their own.)"""
    monkeypatch.setattr(build, "claim_pictures", lambda entry, claim, drawn: [])
    content = json.loads((folder / name).read_text())
    path, odds = (
        tmp_path / "hostile.json",
        (EVIL, None, -1, 10**400, 0.5, [], [[]], {}, {"kind": EVIL}, [EVIL, 7]),
    )
    for n, place in enumerate(list(leaves(content))[1:]):
        for odd in (odds[n % 10], odds[(n // 10 + n // 100) % 10]):
            hurt = copy.deepcopy(content)
            at = hurt
            for step in place[:-1]:
                at = at[step]
            at[place[-1]] = odd
            path.write_text(json.dumps(hurt))
            report = build_report([path], check=False)
            html = render_html(report)
            assert EVIL not in html
            assert "✔" not in html
            assert len(html) < 400_000
            assert "<script" not in render_markdown(report)


def test_hostile_pictures(folder, tmp_path):
    """An instance that cannot be drawn, or is too large for it, has no picture, and no exception comes of it."""
    content = json.loads((folder / "bad-point.json").read_text())
    content["judgments"] += [
        {"kind": "patches-differ", "collision": {"samples": [0, 10**9], "patches": [-1, EVIL]}},
        {"kind": "order", "node": 2, "units": [EVIL, -7]},
    ]
    content["claims"] = [{"statement": "point", "weights": "here", "by": [5, 6]}]
    path = tmp_path / "hostile.json"

    def drawn():
        path.write_text(json.dumps(content))
        entry = read_entry(path, None, check=False, max_seconds=None)
        return pictures.claim_pictures(entry, entry.claims[0], set())

    assert len(drawn()) == 1
    instance = content["instance"]
    instance["weights"]["here"]["nodes"][0]["W"]["rows"][0][0] = "9" * 5000  # more than a float holds
    assert drawn() == []
    instance["weights"]["here"] = {"kind": "seed", "seed": 0, "bits": 64}
    assert len(drawn()) == 1
    for node in instance["network"]["nodes"]:
        node["units"] = 2**24
    assert drawn() == []
    instance["network"]["nodes"] = [{"kind": "dense", "of": [7], "units": 1, "bias": "none"}]
    assert drawn() == []


def test_command(folder, tmp_path):
    run = CliRunner().invoke
    out = tmp_path / "r.html"
    good, forged = str(folder / "good.json"), str(folder / "forged.json")
    assert run(app, ["report", good, "-o", str(out)]).exit_code == 0
    assert out.read_text().startswith("<!doctype html>")
    assert run(app, ["report", good, forged, "-o", str(out)]).exit_code == 1
    result = run(app, ["report", good, str(folder / "broken.json"), "-o", str(tmp_path / "r.md"), "--json"])
    assert result.exit_code == 2
    record = json.loads(result.stdout)
    assert record["outcomes"] == {"VERIFIED": 1, "MALFORMED": 1}
    assert (tmp_path / "r.md").read_text().startswith("# Certificate report")
    before = Path(good).read_bytes()
    for arguments in ([good, "-o", good], [str(folder / "no.json")], [good, "--format", "docx"]):
        assert run(
            app, ["report", *arguments, "-o", good] if "-o" not in arguments else ["report", *arguments]
        ).exit_code
    assert Path(good).read_bytes() == before


def test_notebook_faces(folder):
    net = exactcnn.Network.from_dict({**NET, "name": EVIL})
    result = exactcnn.verify(net, [[i + j for j in range(16)] for i in range(3)], statements="rank", layer=1)
    html = result._repr_html_()
    assert EVIL not in html
    assert "✔ proved" in html
    assert "rank 1" in exactcnn.rank([[1, 2], [2, 4]])._repr_html_()
    undecided = exactcnn.Finding("rank", "undecided", "no route") if hasattr(exactcnn, "Finding") else None
    assert undecided is None or "✔" not in undecided._repr_html_()


@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_in_a_real_browser(folder, tmp_path):
    """The page renders without a word on the console, and prints to PDF."""
    run = CliRunner().invoke
    out = tmp_path / "r.html"
    run(app, ["report", str(folder / "good.json"), str(folder / "point.json"), "-o", str(out)])
    command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=360,900", "--enable-logging=stderr"]
    done = subprocess.run(
        [*command, "--dump-dom", out.as_uri()], capture_output=True, text=True, timeout=60, check=False
    )
    assert "VERIFIED" in done.stdout
    assert "CONSOLE" not in done.stderr
    assert run(app, ["report", str(folder / "good.json"), "-o", str(tmp_path / "r.pdf")]).exit_code == 0
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
