"""The Python door: what may be given as data, weights and statements, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import exactcnn

SPEC = '{"input": [4], "layers": [{"kind": "dense", "units": %d, "activation": "sigmoid"}]}'
ROWS = [[1, 2, 0, 3], [0, 1, 1, 2], [5, 4, 4, 0]]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder with a spec and data, entered."""
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_text(SPEC % 5)
    Path("narrow.json").write_text(SPEC % 2)
    Path("d.csv").write_text("\n".join(",".join(map(str, row)) for row in ROWS))
    return tmp_path


@pytest.mark.parametrize(
    "data", ["d.csv", Path("d.csv"), ROWS, np.array(ROWS)], ids=["str", "path", "list", "array"]
)
def test_data_from_everywhere(folder, data):
    """A path is read as the command line reads it; the same rows give the same verdict, yes or no."""
    assert exactcnn.verify("net.json", data).verdict == "proved"
    assert exactcnn.verify("narrow.json", data).verdict == "refuted"


def test_one_statement_needs_no_list(folder):
    """A single name is that statement, not its letters."""
    result = exactcnn.verify("net.json", "d.csv", statements="lifted-rank", layer=1)
    assert [finding.statement for finding in result.findings] == ["lifted-rank"]


@pytest.mark.parametrize(
    "options, says",
    [
        (
            {"data": "missing.npz"},
            r"data missing\.npz: expected a file that exists, found no file 'missing\.npz'",
        ),
        (
            {"weights": {"W1": 1}},
            r"weights: expected Weights, the path of a weights file, or None, found dict",
        ),
        ({"layer": "2"}, r"layer: expected a layer number from 1 to 1, found 2"),
        ({"layer": "block"}, r"layer: expected a layer number from 1 to 1, found 'block'"),
        ({"statements": "rnak"}, r"statement: expected all, one of .*, found 'rnak' \(did you mean rank\?\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, options, says):
    """One sentence with field, expected and found, as a ValueError."""
    with pytest.raises(ValueError, match=f"^{says}$"):
        exactcnn.verify("net.json", **({"data": ROWS} | options))


@pytest.mark.parametrize("units, what", [(200_000_001, "units"), (2_000_000_000, "units")])
def test_layers_beyond_the_limit_name_what_is_too_many(units, what):
    """The number found is the one that exceeds the limit."""
    with pytest.raises(exactcnn.MalformedError) as caught:
        exactcnn.Network.from_dict({"input": [4], "layers": [{"kind": "dense", "units": units}]})
    assert str(caught.value) == f"layers[0]: expected at most 200000000 {what}, found {units}"


def test_rank_of_floats_is_refused():
    """A float may be a rounded value; the sentence says how to mean it exactly."""
    with pytest.raises(exactcnn.MisuseError, match=r"Fraction\(x\)"):
        exactcnn.rank([[0.5]])
