"""Reports: only the checker's VERIFIED looks like success, hostile text stays text, and the page stands alone."""

import copy
import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import exactcnn
from exactcnn.cli import app
from exactcnn.report import build_report, render_html, render_markdown
from exactcnn.report.render import browser
from exactcnn.report.words import _STATEMENTS
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
    low = exactcnn.verify(net, [*data, *data, *data], statements="rank", layer=1)
    low.save_certificate(place / "refuted.json")
    (place / "campaign.csv").write_text(
        "cell,width,N,activation,n_k,rank,seed,sigma_min_low,sigma_min_high\n"
        "0,1,6,relu,4,4,0,,\n0,1,6,relu,4,3,1,,\n1,2,6,relu,8,6,0,0.5,0.6\n"
    )
    return place


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


def test_too_much_work_is_not_success(folder):
    report = build_report([folder / "good.json"], max_work=10)
    assert [view.entry.outcome for view in report.entries] == ["NOT CHECKED"]
    assert report.style == "open"
    assert "✔" not in render_html(report)


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


def test_float_loss_is_the_loss(folder):
    from exactcnn.report.float_loss import loss_function

    content = json.loads((folder / "point.json").read_text())
    loss, point = loss_function(content, content["claims"][0])
    assert loss(point) == 0.0
    point[0] = 2.0  # (4 - 1)^2 / 2
    assert loss(point) == 4.5


def test_every_statement_has_words():
    assert set(STATEMENTS) - {"lemma-4.3"} <= set(_STATEMENTS)


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
