"""The pages that are shipped say what the code does: every rule, kind of evidence, error and exit code is in them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import exactcnn
from exactcnn import cli, errors
from exactcnn.checker import check_certificate, grammar, outcome
from tests.certificates.test_tampering import BASES

DOCS = Path(exactcnn.__file__).parent / "docs"
TRUST, ERRORS = ((DOCS / name).read_text() for name in ("trust.md", "errors.md"))
FORMAT = (DOCS.parent / "certificates" / "FORMAT.md").read_text()
# What `check` reports under "relies on", by the word that the page has for it.
BEYOND = {
    "Lindemann": "Lindemann's theorem (e^a is transcendental for rational a != 0)",
    "ln 2": "ln 2 is transcendental (Hermite and Lindemann)",
    "Mityagin": "the zero set of a non-zero real-analytic function is null (Mityagin)",
    "random oracle": "SHA-256 and SHAKE-256 behave as random oracles (Fiat-Shamir)",
}


def options_of(reader, tag):
    """The names that a reader of the checker's grammar accepts, as it lists them itself."""
    with pytest.raises(outcome.Malformed) as caught:
        reader({tag: "?"}, "x")
    return re.search(r"expected one of (.*), found", str(caught.value))[1].split(", ")


def rows_of(page, heading):
    """The rows of the tables under a heading: cells without their outer blanks."""
    part = page.split(f"## {heading}\n")[1].split("\n## ")[0]
    # A bar inside a cell is written \|.
    lines = [line.replace("\\|", "\0") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\0", "|") for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(cell):
    return re.findall(r"`([^`]+)`", cell)


CLAIMS = {name: row for row in rows_of(TRUST, "Claims") for name in names_in(row[0])}
# Features in Q(e^(1/D)) have a row of their own beside that of `minor`.
EXPONENTIAL = next(row for row in rows_of(TRUST, "Evidence") if "substitution" in row[0])
EVIDENCE = {
    name: row for row in rows_of(TRUST, "Evidence") if row != EXPONENTIAL for name in names_in(row[0])
}
KINDS = [
    grammar.LOWER, grammar.UPPER, grammar.GLOWER, grammar.GUPPER, grammar.ALMOST, grammar.FILTERS,
]  # fmt: skip


def test_every_claim_is_in_the_table():
    """The statements of the page are those of the checker, none missing and none made up."""
    assert sorted(CLAIMS) == sorted(options_of(grammar.CLAIM, "statement"))


def test_every_kind_of_evidence_is_in_the_table():
    """Every kind that the grammar knows has a row."""
    kinds = {kind for reader in KINDS for kind in options_of(reader, "kind")}
    for name in ("assumption-3.1", "assumption-3.2", "local-minimum"):
        kinds |= set(options_of(grammar.SIMPLE[name]["evidence"], "kind"))
    kinds |= set(options_of(lambda value, path: grammar.SYMMETRIES([value], path), "kind"))
    assert kinds == set(EVIDENCE)


def tokens(cell):
    return {word for word in BEYOND if word in cell}


def expected(claim):
    """What the page says that a claim rests on: its own row, its evidence's rows, its parts'."""
    found = tokens(CLAIMS[claim["statement"]][3])

    def walk(value):
        if isinstance(value, list):
            for each in value:
                walk(each)
        elif isinstance(value, dict):
            if "statement" in value:
                found.update(expected(value))
                return
            if value.get("kind") in EVIDENCE:
                found.update(tokens(EVIDENCE[value["kind"]][3]))
            if value.get("substitution") is not None:
                found.update(
                    tokens(next(row[3] for row in rows_of(TRUST, "Evidence") if "substitution" in row[0]))
                )
            for key, each in value.items():
                if key != "weights":
                    walk(each)

    for key, value in claim.items():
        if key != "weights":
            walk(value)
    return found


@pytest.mark.parametrize("name", BASES)
def test_what_check_relies_on_is_what_the_page_says(name):
    """For certificates of every kind the checker's own list is that of the table."""
    verdict = check_certificate(BASES[name])
    assert verdict.outcome == "VERIFIED"
    wanted = {BEYOND[token] for claim in BASES[name]["claims"] for token in expected(claim)}
    assert set(verdict.assumptions) == wanted


def test_fiat_shamir_relies_on_the_random_oracle_and_deterministic_does_not():
    """The one assumption that is no theorem, on a minor large enough to be proved that way."""
    from exactcnn.certificates import certificate, fiat_shamir

    x = [[i, i * i % 17, i * i * i % 19] for i in range(12)]
    net = exactcnn.Network.from_dict(
        {"input": [3], "layers": [{"kind": "dense", "units": 40, "activation": "sigmoid"}]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificate, "LARGEST_DIRECT_MINOR", 3)
        made = exactcnn.verify(net, x, layer=1).certificate()
    assert made["claims"][0]["evidence"]["lower"]["kind"] == "minor-fiat-shamir"
    assert fiat_shamir.LARGEST_DIRECT_MINOR > 3
    for deterministic in (False, True):
        verdict = check_certificate(made, deterministic=deterministic)
        assert verdict.outcome == "VERIFIED"
        oracle = BEYOND["random oracle"] in verdict.assumptions
        assert oracle is not deterministic
        wanted = {BEYOND[token] for token in expected(made["claims"][0])}
        assert set(verdict.assumptions) == wanted - ({BEYOND["random oracle"]} if deterministic else set())


def test_everything_beyond_arithmetic_is_explained():
    """Each word of the column has its paragraph, and the checker knows no other assumption."""
    for word in BEYOND:
        assert f"* **{word}**: " in TRUST
    source = "".join(path.read_text() for path in sorted((DOCS.parent / "checker").glob("*.py")))
    added = set(re.findall(r"assumptions(?:\.add\(| \|= \{)(\w+)", source))
    assert added == {"ORACLE", "MITYAGIN", "LN2", "LINDEMANN"}


def test_the_lemmas_named_stand_in_section_8():
    """What the column "lemma" names is a lemma of FORMAT.md's section 8, or one that needs no proof there."""
    section = FORMAT.split("## 8.")[1]
    known = {
        "-", "section 7", "theirs", "columns bound the rank", "equal rows have equal features", "the count's",
        "second-order condition", "first-order condition", "a loss is never negative", "linear algebra", "chain rule",
    }  # fmt: skip
    for row in (*rows_of(TRUST, "Evidence"), *rows_of(TRUST, "Claims")):
        lemma = re.sub(r" \(.*\)", "", row[2])
        if lemma in known:
            continue
        for name in re.split(r", | \.\. ", lemma):
            assert re.search(rf"\*[^*\n]*{re.escape(name)}[^*\n]*\*", section), name


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
        cli.PROVED, cli.REFUTED, cli.BAD_INPUT, cli.UNDECIDED, cli.INTERNAL, cli.BROKEN_PIPE, 130,
        *outcome.EXIT_CODES.values(),
    }  # fmt: skip
    assert {row[0] for row in rows_of(ERRORS, "What `check` says")} == set(outcome.EXIT_CODES)
    for name, code in outcome.EXIT_CODES.items():
        (row,) = (row for row in rows_of(ERRORS, "Exit codes") if int(row[0]) == code)
        assert name in row[2]


@pytest.mark.parametrize("page", ["trust.md", "errors.md"])
def test_links_lead_somewhere(page):
    """Relative links of the pages are files that are shipped with them."""
    for target in re.findall(r"\]\(([^)]+)\)", (DOCS / page).read_text()):
        assert (DOCS / target).exists(), target
