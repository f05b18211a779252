"""What a statement's module says of it is all that other rooms show of it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import exactcnn
from exactcnn.cli import app
from exactcnn.statements import GROUPS, STATEMENTS, Ask, Finding, statement_names
from exactcnn.statements.statement import statement
from tests.test_import import ROOT


def test_documentation_is_what_the_registry_says():
    """docs/statements.md holds what ``exactcnn explain --markdown`` prints: a new statement needs a new printing."""
    printed = CliRunner().invoke(app, ["explain", "--markdown"]).output
    assert printed.strip() in (ROOT / "exactcnn/docs/statements.md").read_text()
    for each in STATEMENTS.values():
        assert f"`{each.name}`" in printed
        assert each.meaning
        assert each.how
        assert each.checked


def test_names_groups_and_near_misses():
    assert statement_names(["all"]) == list(STATEMENTS)
    hypotheses = statement_names(["hypotheses"])
    assert {STATEMENTS[name].group for name in hypotheses} == {"hypotheses"}
    assert statement_names(["rank", "hypotheses", "rank"]) == ["rank", *hypotheses]
    with pytest.raises(exactcnn.MisuseError, match=r"did you mean theorem-3\.5\?"):
        statement_names(["theorem-35"])
    with pytest.raises(exactcnn.MisuseError, match="expected all, one of hypotheses"):
        statement_names(["zzz"])


def test_each_statement_is_registered_by_its_own_module():
    folder = Path(exactcnn.__file__).parent / "statements"
    for name, each in STATEMENTS.items():
        module = Path(each.decide.__code__.co_filename)
        assert module.parent == folder
        assert f'"{name}"' in module.read_text()


def test_a_group_that_is_none_is_refused():
    with pytest.raises(exactcnn.MisuseError, match="group"):
        statement("x", group="others", title="", meaning="", how="", checked="")
    assert set(GROUPS) == {each.group for each in STATEMENTS.values()}


def test_what_a_finding_rests_on_is_the_union_over_its_parts():
    """Floats below a composite are named, whichever statement asked for them."""
    net = {"input": [3], "layers": [{"kind": "conv", "filters": 4, "kernel": 2, "activation": "gelu"},
                                    {"kind": "dense", "units": 1}]}  # fmt: skip
    x = exactcnn.samples([[1, 2, 0], [0, 1, 1], [5, 4, 4]])
    for statements in ("rank", "s-k", "corollary-3.6"):
        (fast,) = exactcnn.verify(net, x, statements=statements, fast=True).findings
        (slow,) = exactcnn.verify(net, x, statements=statements).findings
        assert fast.verdict == slow.verdict == "proved"
        assert len(fast.rests_on) == 1
        assert next(iter(fast.rests_on)) in fast.reason
        assert not slow.rests_on


def test_a_layer_is_needed_where_a_statement_is_about_one():
    inst = exactcnn.verify(samples=2).instance
    with pytest.raises(exactcnn.MisuseError, match="layer"):
        STATEMENTS["rank"].decide(inst, Ask())
    assert isinstance(STATEMENTS["rank"].decide(inst, Ask(1)), Finding)
