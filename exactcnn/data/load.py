"""Floor 2: samples from wherever the user says: one door for the command line and for Python.

Conventions.  The name decides the format; the content must then be of that format.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from exactcnn.arithmetic.texts import parse_rational
from exactcnn.data.digits import load_digits
from exactcnn.data.files import check_file, named
from exactcnn.data.idx import load_idx
from exactcnn.data.samples import Samples
from exactcnn.data.tables import load_csv, load_json_samples, load_npz
from exactcnn.errors import MalformedError

__all__ = ["load"]

_LOADERS = {".npz": load_npz, ".csv": load_csv, ".json": load_json_samples, ".gz": load_idx}


def load(
    source: str | Path = "digits",
    *,
    samples: int | None = None,
    start: int = 0,
    scale: Fraction | int | str | None = None,
    field: str | None = None,
) -> Samples:
    """The word ``digits``, or a path: .npz, .csv, .json, or IDX (..idx3-ubyte, .gz or not).

    ``samples`` of them (None: all) from number ``start`` on.  Nothing is rounded; pixels stay
    integers unless ``scale``, an exact rational, is given.  Raises MalformedError with one
    sentence for anything else; ``field`` names what is read in it (None: data and the path).

    >>> load("digits", samples=5, start=1, scale=Fraction(1, 16)).x
    RationalArray(shape=(5, 64), denominator=16)
    """
    if str(source) == "digits":
        loaded = load_digits()
    else:
        path = Path(source)
        field = named("data", source) if field is None else field
        check_file(path, field)
        loader = _LOADERS.get(path.suffix.lower(), load_idx if "idx" in path.name.lower() else None)
        if loader is None:
            expected = "digits, or a file .npz, .csv, .json or IDX (name with idx, .gz allowed)"
            raise MalformedError(field, expected, repr(path.name))
        loaded = loader(path, field)
    loaded = loaded.take(samples, start)
    return loaded if scale is None else loaded.scaled(parse_rational(scale, "scale"))
