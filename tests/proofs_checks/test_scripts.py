"""The verification scripts end as expected, and the framework notices everything that is not."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import exactcnn
from proofs_checks import __main__ as everything
from proofs_checks import _script
from proofs_checks._instances import conv, dense, network, weights
from proofs_checks._run import names, run_one
from proofs_checks._script import AS_EXPECTED, NOT_AS_EXPECTED, Options, run

NET = network(3, conv(2, "sigmoid", kernel=2), dense(1))
ROWS = [[1, 2, 3], [4, 6, 5], [7, 9, 8]]
# These take longer than ten seconds; `python -m proofs_checks` runs them.
SLOW = {"assumption_2_4", "figure_1", "beyond_3_4_bad_minima"}


def ran(checks, **options):
    """The record of a script made of ``checks``, and what it printed."""
    text = io.StringIO()
    return run(checks, Options(**options), name="planted", doc="Planted.", file=text), text.getvalue()


@pytest.mark.parametrize("name", [name for name in names() if name not in SLOW])
def test_quick_scripts_end_as_expected(name):
    record, text = run_one(name, Options())
    assert record.verdict == AS_EXPECTED, text
    assert record.accepted == record.certificates
    assert record.checks + record.counterexamples > 0


@pytest.mark.parametrize("name", names())
def test_every_script_states_its_claim_and_can_run_alone(name):
    module = import_module(f"proofs_checks.{name}")
    title, _, claim = module.__doc__.partition("\n")
    assert ":" in title
    assert "Checked here" in claim
    assert callable(module.checks)
    assert "main(checks)" in Path(module.__file__).read_text(encoding="utf-8")


def test_the_readme_names_every_script():
    text = (Path(_script.__file__).parent / "README.md").read_text(encoding="utf-8")
    missing = [name for name in names() if f"`{name}`" not in text]
    assert not missing


def test_a_right_expectation():
    record, text = ran(lambda s: s.expect("rank 3", exactcnn.verify(NET, ROWS)))
    assert (record.verdict, record.checks, record.certificates, record.accepted) == (AS_EXPECTED, 1, 1, 1)
    assert text.strip().endswith(f"Planted: {AS_EXPECTED}")


def _planted():
    two_equal = [[1, 2, 3], [1, 2, 3]]
    yield "proved is not refuted", lambda s: s.expect("planted", exactcnn.verify(NET, ROWS), "refuted")
    yield "refuted is not proved", lambda s: s.expect("planted", exactcnn.verify(NET, two_equal))
    yield (
        "undecided is not proved",
        lambda s: s.expect("planted", exactcnn.verify(NET, ROWS, statements="zero-loss-nearby", layer=2)),
    )
    yield (
        "a counterexample that is none",
        lambda s: s.counterexample("nothing", "planted", exactcnn.verify(NET, ROWS)),
    )
    yield "a comparison that fails", lambda s: s.fact("planted", exactcnn.rank([[1, 2], [2, 4]]).rank == 2)
    yield "an exception", lambda s: s.expect("planted", exactcnn.verify(NET, [[1, 2]]))
    yield "nothing at all", lambda s: None
    yield "only something skipped", lambda s: s.skip("everything", "planted")


@pytest.mark.parametrize("why, checks", list(_planted()), ids=lambda v: v if isinstance(v, str) else "")
def test_planted_faults_are_noticed(why, checks):
    record, text = ran(checks)
    assert record.verdict == NOT_AS_EXPECTED
    assert text.strip().endswith(f"Planted: {NOT_AS_EXPECTED}")


def test_an_answer_without_a_certificate_must_be_announced():
    """A written activation is decided but not certified."""
    net = network(1, dense(1, {"name": "custom", "expression": "1/(1 + exp(-t))"}), dense(1))
    found = exactcnn.verify(net, [[0]], statements="assumption-3.2")
    assert found.verdict == "proved"
    assert ran(lambda s: s.expect("planted", found))[0].verdict == NOT_AS_EXPECTED
    announced, text = ran(lambda s: s.expect("planted", found, certified=False))
    assert (announced.verdict, announced.certificates) == (AS_EXPECTED, 0)
    assert "no certificate of this kind" in text


def test_a_rejected_certificate_is_noticed(tmp_path, monkeypatch):
    """The evidence is changed after the claim was made."""
    found = exactcnn.verify(NET, ROWS)
    certificate = found.certificate()
    certificate["judgments"][0]["rows"][0] = 2
    monkeypatch.setattr(exactcnn.Result, "certificate", lambda self: certificate)
    record, text = ran(lambda s: s.expect("planted", found), certificates=tmp_path)
    assert (record.verdict, record.certificates, record.accepted) == (NOT_AS_EXPECTED, 1, 0)
    assert "planted-01.json: REJECTED" in " ".join(text.split())


def test_certificates_are_kept_where_asked(tmp_path):
    folder = tmp_path / "new"
    record, _ = ran(lambda s: s.expect("rank 3", exactcnn.verify(NET, ROWS)), certificates=folder)
    (path,) = folder.iterdir()
    assert json.loads(path.read_text())["claims"][0]["statement"] == "rank"
    assert record.accepted == 1


def test_mnist_absent_is_said(tmp_path):
    def checks(script):
        script.fact("something", True)
        assert script.mnist("the large check") is None

    for options in ({}, {"full": True}, {"full": True, "mnist": tmp_path / "absent"}):
        record, text = ran(checks, **options)
        assert record.verdict == AS_EXPECTED
        assert "the large check" in record.skipped[0]
        assert "not checked" in text


def test_exit_codes_of_a_script_and_of_all(monkeypatch, capsys):
    """0 if all is as expected, else 1; unknown scripts are bad usage."""
    root = Path(_script.__file__).parents[1]
    alone = [sys.executable, "-m", "proofs_checks.lemma_4_2"]
    done = subprocess.run(alone, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(AS_EXPECTED)

    together = [sys.executable, "-m", "proofs_checks", "--quiet", "lemma_4_2", "lemma_4_3"]
    done = subprocess.run(together, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Lemma 4.2" in done.stdout
    assert "Lemma 4.3" in done.stdout
    done = subprocess.run([*together, "lemma_9"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

    def planted(script):
        script.expect("planted", exactcnn.verify(NET, ROWS), "refuted")

    with pytest.raises(SystemExit) as left:
        _script.main(planted, [])
    assert left.value.code == 1
    assert NOT_AS_EXPECTED in capsys.readouterr().out


def test_a_script_that_cannot_be_loaded_spoils_the_summary():
    record, text = run_one("lemma_9_9", Options())
    assert record.verdict == NOT_AS_EXPECTED
    assert "lemma_9_9" in text


def test_one_bad_script_spoils_the_summary(monkeypatch, capsys):
    class Pool:
        def __init__(self, *args, **more):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            return None

        def map(self, f, names, options):
            good = _script.Record("lemma_4_2", "Lemma 4.2: good", checks=1)
            yield good, "good"
            yield replace(good, name="lemma_4_3", title="Lemma 4.3: bad", faults=["planted"]), "shown"

    monkeypatch.setattr(everything, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(sys, "argv", ["proofs_checks", "--quiet"])
    with pytest.raises(SystemExit) as left:
        everything.main()
    assert left.value.code == 1
    text = capsys.readouterr().out
    assert "shown" in text
    assert text.strip().endswith(NOT_AS_EXPECTED)


def test_weights_may_hold_logarithms():
    """Texts such as "3/7*ln2" are multiples of ln 2."""
    net = network(1, dense(1, "sigmoid"), dense(1))
    given = weights(net, ([["ln2"]], ["-1/2*ln2"]), ([[1]], [0]))
    assert not given.layers[0].rational
    at = exactcnn.verify(net, exactcnn.samples([["1/2"]], [["1/2"]]), weights=given, statements="loss")
    assert at.findings[0].summary["loss"] == []
