"""Floor 2: samples from wherever the user says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from exactcnn.data.digits import load_digits
from exactcnn.data.idx import load_idx
from exactcnn.data.samples import Samples
from exactcnn.data.tables import load_csv, load_json_samples, load_npz
from exactcnn.errors import MalformedError

__all__ = ["load"]


def load(
    source: str | Path = "digits",
    *,
    samples: int | None = None,
    start: int = 0,
    scale: Fraction | None = None,
    field: str = "data",
) -> Samples:
    """The word ``digits``, or a path: .npz, .csv, .json, or IDX (..idx3-ubyte, .gz or not).

    Nothing is rounded; pixels stay integers unless ``scale``, an exact rational, is given.
    Raises MalformedError with one sentence for anything else.
    """
    if str(source) == "digits":
        loaded = load_digits()
    else:
        path = Path(source)
        suffix = path.suffix.lower()
        if suffix == ".npz":
            loaded = load_npz(path, field)
        elif suffix == ".csv":
            loaded = load_csv(path, field)
        elif suffix == ".json":
            loaded = load_json_samples(path, field)
        elif "idx" in path.name.lower() or suffix == ".gz" or path.is_dir() or not path.exists():
            loaded = load_idx(path, field)
        else:
            raise MalformedError(
                field, "digits, or a file .npz, .csv, .json or IDX (name with idx, .gz allowed)", path.name
            )
    loaded = loaded.take(samples, start)
    return loaded if scale is None else loaded.scaled(scale)
