"""The pages that are shipped say what the code does: every judgment, claim, lemma, error and exit code is in them."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

import exactcnn
from exactcnn import cli, errors
from exactcnn.arithmetic.streams import octets, odd_numerators
from exactcnn.checker import arrays, check_certificate, limits
from exactcnn.checker.certificate import CERTIFICATE, ROWS, RULES
from exactcnn.checker.core import outcome
from exactcnn.cli import options
from tests.docs.examples import CERTIFICATES, sealed

DOCS = Path(exactcnn.__file__).parent / "docs"
CHECKER = DOCS.parent / "checker"
TRUST, ERRORS = ((DOCS / name).read_text() for name in ("trust.md", "errors.md"))
FORMAT = (DOCS.parent / "certificates" / "FORMAT.md").read_text()
# What `check` reports under "relies on", by the word that the page has for it.
BEYOND = {
    "Lindemann": "Lindemann's theorem (e^a is transcendental for rational a != 0)",
    "ln 2": "ln 2 is transcendental (Hermite and Lindemann)",
    "Mityagin": "the zero set of a non-zero real-analytic function is null (Mityagin)",
    "random oracle": "SHA-256 and SHAKE-256 behave as random oracles (Fiat-Shamir)",
    "NumPy": "NumPy's products of integers in floats, exact below 2^53, and its element-wise operations, rounded as IEEE 754 says",
}


def options_of(part, tag):
    """The names that the grammar of a whole certificate accepts in its list of ``part``, as it lists them itself."""
    with pytest.raises(outcome.Malformed) as caught:
        CERTIFICATE({**next(iter(CERTIFICATES.values())), part: [{tag: "?"}]}, "x")
    return re.search(r"expected one of (.*), found", str(caught.value))[1].split(", ")


def rows_of(page, heading):
    """The rows of the tables under a heading: cells without their outer blanks."""
    part = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    # A bar inside a cell is written \|.
    lines = [line.replace("\\|", "\0") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\0", "|") for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def lemmas_in(text):
    """The numbers of "1, 2, 4", and of "(Lemmas 1 to 4)" in a docstring."""
    found = set()
    for first, last in re.findall(r"(\d+)(?: to (\d+))?", text):
        found |= set(range(int(first), int(last or first) + 1))
    return found


CLAIMS = {name: row for row in rows_of(TRUST, "Claims") for name in names_in(row[0])}
# Minors mod a prime have a row for each kind of matrix.
JUDGMENTS = {
    (kind, matrix): row
    for row in rows_of(TRUST, "Judgments")
    for kind, *matrices in [names_in(row[0])]
    for matrix in matrices or [None]
}


def test_every_claim_is_in_the_table():
    """The statements of the page are those of the checker, none missing and none made up."""
    assert sorted(CLAIMS) == sorted(options_of("claims", "statement")) == sorted(ROWS)


def test_every_judgment_is_in_the_table():
    """Every kind that the grammar knows has a row, a minor mod p one for each kind of matrix."""
    kinds = options_of("judgments", "kind")
    assert {kind for kind, _ in JUDGMENTS} == set(kinds) == set(RULES)
    with pytest.raises(outcome.Malformed) as caught:
        RULES["minor-mod-p"][0]["of"]({"matrix": "?"}, "of")
    matrices = re.search(r"expected one of (.*), found", str(caught.value))[1].split(", ")
    expected = {("minor-mod-p", matrix) for matrix in matrices}
    assert {key for key in JUDGMENTS if key[0] == "minor-mod-p"} == expected


def test_claims_are_made_of_judgments_and_claims():
    """What a claim is "established by" are kinds of judgments, keys or other claims."""
    known = {*RULES, *ROWS}
    for row in rows_of(TRUST, "Claims"):
        assert set(names_in(row[1])) <= known, row


def meets(condition, value):
    """Does a bracket of the last column apply to a judgment or claim?"""
    if condition is None:
        return True
    parts = []
    for part in condition.split(", "):
        if part == "proved":
            parts.append(value["verdict"] == "proved")
        elif part == "10^6 entries or more":
            parts.append(len(value["rows"]) ** 2 >= arrays.LARGE == 10**6)
        elif part == "10^7 products or more":  # of one tap each
            parts.append(len(value["order"]) ** 2 >= 10 * arrays.LARGE == 10**7)
        elif part == "123 samples or more":
            parts.append(len(value["rows"]) << 13 >= arrays.LARGE == 10**6)
        elif part == "small numbers":
            p = value.get("prime", 0)
            parts.append(p < arrays.LONGEST and len(value.get("rows", ())) * p**2 < arrays.EXACT)
        elif part == "if it is installed":
            parts.append(arrays.load() is not None)
        else:
            path, wanted = re.fullmatch(r"`([a-z.]+)` (null|not null)", part).groups()
            inner = value
            for key in path.split("."):
                inner = None if inner is None else inner[key]
            parts.append((inner is None) == (wanted == "null"))
    return all(parts)


def tokens(cell, value):
    """The words of a cell of the last column, such as "Lindemann (`root` not null), NumPy", that apply."""
    if cell == "-":
        return set()
    pairs = re.findall(r"([A-Za-z0-9][A-Za-z0-9 ]*?)(?: \(([^)]*)\))?(?:, |$)", cell)
    assert {word for word, _ in pairs} <= set(BEYOND), cell
    return {word for word, condition in pairs if meets(condition or None, value)}


def expected(certificate):
    """What the page says that a certificate rests on: the rows of its judgments and of its claims."""
    found = set()
    for judgment in certificate["judgments"]:
        matrix = judgment["of"]["matrix"] if judgment["kind"] == "minor-mod-p" else None
        found |= tokens(JUDGMENTS[judgment["kind"], matrix][3], judgment)
    for claim in certificate["claims"]:
        found |= tokens(CLAIMS[claim["statement"]][3], claim)
    return {BEYOND[word] for word in found}


def test_the_examples_are_of_every_kind():
    """What the next test is about: no judgment, claim or verdict is left out."""
    judgments = [each for made in CERTIFICATES.values() for each in made["judgments"]]
    claims = [each for made in CERTIFICATES.values() for each in made["claims"]]
    assert {each["kind"] for each in judgments} == set(RULES)
    assert {each["statement"] for each in claims} == set(ROWS)
    assert {each["verdict"] for each in claims} == {"proved", "refuted", "undecided"}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_what_check_relies_on_is_what_the_page_says(name):
    """For certificates of every kind the checker's own list is that of the table."""
    verdict = check_certificate(CERTIFICATES[name])
    assert verdict.outcome == "VERIFIED", verdict.reason
    assert set(verdict.assumptions) == expected(CERTIFICATES[name])


@pytest.mark.parametrize("activation, kind", [("sigmoid", "minor-mod-p"), ("gelu", "minor-enclosed")])
def test_fiat_shamir_relies_on_the_random_oracle_and_deterministic_does_not(activation, kind):
    """The one assumption that is no theorem, on matrices large enough to be shown regular that way."""
    from exactcnn.certificates import judgments, regular

    x = [[i, i * i % 17, i * i * i % 19] for i in range(12)]
    net = exactcnn.Network.from_dict(
        {"input": [3], "layers": [{"kind": "dense", "units": 40, "activation": activation}]}
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (judgments, regular):
            patch.setattr(module, "LARGEST_DIRECT_MINOR", 3, raising=False)
            patch.setattr(module, "LARGEST_ENCLOSED", 3, raising=False)
        made = exactcnn.verify(net, x, layer=1).certificate()
    (judgment,) = made["judgments"]
    assert judgment["kind"] == kind
    assert judgment["solutions"] is not None
    for deterministic in (False, True):
        verdict = check_certificate(made, deterministic=deterministic)
        assert verdict.outcome == "VERIFIED", verdict.reason
        oracle = BEYOND["random oracle"] in verdict.assumptions
        assert oracle is not deterministic
        assert (verdict.error_bound is None) is deterministic
        assert set(verdict.assumptions) == expected(made) - (
            {BEYOND["random oracle"]} if deterministic else set()
        )


def test_numpy_is_named_where_it_takes_part(monkeypatch):
    """A minor of 1000 rows is multiplied with NumPy, and `check` says so; where NumPy is absent it does not."""
    from exactcnn.certificates.solutions import residue_solutions

    N, p = 1000, 65521
    judgment = {
        "kind": "minor-mod-p", "of": {"matrix": "features", "node": 0, "weights": "none"}, "rows": list(range(N)),
        "columns": list(range(N)), "prime": p, "root": None, "divisor": 1, "solutions": None,
    }  # fmt: skip
    rows = np.eye(N, dtype=np.int64) + np.eye(N, k=1, dtype=np.int64)
    nodes = [{"kind": "dense", "of": [0], "units": 1, "bias": "none"}]
    width = {"kind": "count", "node": 1, "rule": "width", "positions": None}
    claim = {
        "statement": "rank",
        "verdict": "refuted",
        "node": 1,
        "weights": None,
        "lower": 0,
        "upper": 1,
        "by": [1],
    }
    weights = {"none": {"kind": "identity"}}
    made = sealed(nodes, [N], rows.tolist(), None, weights, [judgment, width], [claim])
    judgment["solutions"] = residue_solutions(made["instance"], judgment, p, rows)
    verdict = check_certificate(made, max_seconds=None)
    assert verdict.outcome == "VERIFIED", verdict.reason
    assert set(verdict.assumptions) == expected(made) == {BEYOND["NumPy"], BEYOND["random oracle"]}
    monkeypatch.setattr(arrays, "load", lambda: None)
    verdict = check_certificate(made, max_seconds=None)
    assert set(verdict.assumptions) == expected(made) == {BEYOND["random oracle"]}


def test_numpy_is_named_where_it_compares(monkeypatch):
    """Likewise for an order of 3200 samples on a line, each above all those before it."""
    N = 3200
    nodes = [
        {"kind": "dense", "of": [0], "units": N, "bias": "unit"},
        {"kind": "activation", "of": [1], "activation": {"name": "gelu"}},
    ]
    (steep,) = odd_numerators(octets("exactcnn/peeling/1/0", 2), 16)
    places = list(range(N)) if steep > 0 else list(range(N))[::-1]
    order = {
        "kind": "order", "node": 2, "seed": 0, "bits": 16, "shared": True, "order": places, "units": list(range(N)),
        "thresholds": [], "core": None,
    }  # fmt: skip
    claim = {"statement": "theorem-3.5", "verdict": "proved", "node": 2, "by": [0]}
    made = sealed(nodes, [1], [[i] for i in range(N)], None, {}, [order], [claim])
    verdict = check_certificate(made, max_seconds=None)
    assert verdict.outcome == "VERIFIED", verdict.reason
    assert set(verdict.assumptions) == expected(made) == {BEYOND["NumPy"], BEYOND["Mityagin"]}
    monkeypatch.setattr(arrays, "load", lambda: None)
    verdict = check_certificate(made, max_seconds=None)
    assert set(verdict.assumptions) == expected(made) == {BEYOND["Mityagin"]}


def test_everything_beyond_arithmetic_is_explained():
    """Each word of the column has its paragraph, and the checker knows no other assumption."""
    for word in BEYOND:
        assert f"* **{word}**: " in TRUST
    source = "".join(path.read_text() for path in sorted(CHECKER.rglob("*.py")))
    texts = set()
    for line in re.findall(r"^.*assumptions(?:\.add\(| *\|=).*$", source, re.MULTILINE):
        (name,) = re.findall(r"\b[A-Z][A-Z0-9]+\b", line)
        texts |= set(re.findall(rf'^{name} = "(.*)"$', source, re.MULTILINE))
    assert texts == set(BEYOND.values())
    assert not re.search(r"assumptions(?:\.update| = )", source), "a way to add one that is not seen here"


def test_the_lemmas_named_stand_in_section_9():
    """What the column "lemmas" names is a lemma of FORMAT.md, and every lemma is named."""
    section = FORMAT.split("\n## 9. ")[1].split("\n## ")[0]
    known = {int(number) for number in re.findall(r"^\*\*(\d+) \(", section, re.MULTILINE)}
    named = set()
    for row in (*rows_of(TRUST, "Judgments"), *rows_of(TRUST, "Claims")):
        assert re.fullmatch(r"-|\d+(, \d+)*", row[2]), row
        named |= lemmas_in(row[2])
    assert named == known == set(range(1, len(known) + 1))


@pytest.mark.parametrize("kind", RULES)
def test_the_lemmas_of_a_judgment_are_those_that_its_code_names(kind):
    """What the docstring of a rule says in brackets stands in the rule's row, too."""
    text = " ".join(re.findall(r"\(Lemmas? ([^)]*)\)", RULES[kind][1].__doc__ or ""))
    rows = [row for (name, _), row in JUDGMENTS.items() if name == kind]
    for number in lemmas_in(text) - {3}:  # one witness: a matter of claims
        assert all(number in lemmas_in(row[2]) for row in rows)


def test_the_size_of_the_checker_is_what_the_page_says():
    """In lines, to within a tenth, as somebody would count them who means to read it."""

    def lines(folder):
        return sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py"))

    pattern = r"about ([\d,]+) lines.*?`core/` \(([\d,]+)\).*?`landscape/` \(([\d,]+)\)"
    stated = re.search(pattern, TRUST, re.DOTALL).groups()
    for number, folder in zip(stated, (CHECKER, CHECKER / "core", CHECKER / "landscape"), strict=True):
        assert abs(int(number.replace(",", "")) - lines(folder)) < lines(folder) / 10, folder


def test_kinds_of_data_and_weights_are_in_the_first_table():
    """Every kind that an instance may have of each is said to need belief or not."""
    cells = [row[0] for row in rows_of(TRUST, "For every certificate")]
    named = {name for cell in cells for name in names_in(cell)}
    found = set()
    for part in ("data", "weights"):
        hurt = {"kind": "?"} if part == "data" else {"w": {"kind": "?"}}
        base = next(iter(CERTIFICATES.values()))
        with pytest.raises(outcome.Malformed) as caught:
            CERTIFICATE({**base, "instance": {**base["instance"], part: hurt}}, "x")
        found |= set(re.search(r"expected one of (.*), found", str(caught.value))[1].split(", "))
    assert named == found


def test_every_error_class_is_in_the_catalogue():
    """And the catalogue's attributes are those that the classes have."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]
    public = {c.__name__ for c in classes if not c.__name__.startswith("_")}
    table = {names_in(row[0])[0]: row for row in rows_of(ERRORS, "Exceptions in Python")}
    assert set(table) == public
    for name, row in table.items():
        error = getattr(errors, name)
        attributes = names_in(row[2])
        made = error("a", "b", "c")
        assert all(hasattr(made, attribute) for attribute in attributes)
        assert bool(attributes) == hasattr(made, "field")
        assert ("`ValueError`" in row[1]) == issubclass(error, ValueError)


def test_every_exit_code_and_outcome_is_in_the_catalogue():
    """The codes of the command line and of the checker."""
    codes = {int(row[0]) for row in rows_of(ERRORS, "Exit codes")}
    assert codes == {
        options.PROVED, options.REFUTED, options.BAD_INPUT, options.UNDECIDED, cli.INTERNAL, cli.BROKEN_PIPE, 130,
        *outcome.EXIT_CODES.values(),
    }  # fmt: skip
    assert {row[0] for row in rows_of(ERRORS, "What `check` says")} == set(outcome.EXIT_CODES)
    for name, code in outcome.EXIT_CODES.items():
        (row,) = (row for row in rows_of(ERRORS, "Exit codes") if int(row[0]) == code)
        assert name in row[2]


def test_the_limits_are_those_of_the_checker():
    """What helps where a file was not checked: options that `check` and the checker's own command line have."""
    (row,) = (row for row in rows_of(ERRORS, "What `check` says") if row[0] == outcome.NOT_CHECKED)
    stated = dict(re.findall(r"`(--max-[a-z]+)` \([^)]*?(\d+)\)", row[2]))
    assert stated == {"--max-seconds": str(limits.SECONDS), "--max-memory": str(limits.MEMORY >> 20)}
    command = typer.main.get_command(cli.app).commands["check"]
    known = {name for parameter in command.params for name in parameter.opts}
    assert {name for name in names_in(row[2]) if name.startswith("--")} <= known
    done = subprocess.run(
        [sys.executable, "-m", "exactcnn.checker", "--help"], capture_output=True, text=True, check=True
    )
    assert set(stated) <= set(re.findall(r"--[a-z-]+", done.stdout))


@pytest.mark.parametrize("page", ["trust.md", "errors.md"])
def test_links_lead_somewhere(page):
    """Relative links of the pages are files that are shipped with them."""
    for target in re.findall(r"\]\(([^)]+)\)", (DOCS / page).read_text()):
        assert (DOCS / target).exists(), target


def test_every_citation_of_theory_leads_somewhere():
    """ "theory 2.12" in a docstring or a comment is a number of theory.md; so are both ends of "2.4 to 2.6"."""
    theory, cited = (DOCS / "theory.md").read_text(), set()
    for path in DOCS.parent.rglob("*.py"):
        for first, last in re.findall(r"theory (\d+\.\d+)(?:(?: to|,) (\d+\.\d+))?", path.read_text()):
            cited |= {first, last} - {""}
    assert len(cited) > 10
    numbered = set(re.findall(r"\*\*(\d+\.\d+) ", theory))
    assert cited <= numbered, cited - numbered
    for path in re.findall(r"`([a-z_]+/[a-z_]+\.py)`", theory):
        assert (DOCS.parent / path).is_file(), path


def test_contributing_names_what_exists():
    text = (DOCS / "contributing.md").read_text()
    for path in re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|md))?)`", text):
        assert (DOCS.parent / path).exists() or (DOCS.parent.parent / path).exists(), path
    for path in re.findall(r"\]\(([^)]+)\)", text):
        assert (DOCS / path).is_file(), path
