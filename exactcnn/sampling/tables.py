"""Floor 5: the table of a campaign, CSV or Parquet, the same bytes whoever computed the rows.

One row per draw, by cell and seed.  Empty cells: nothing to say (a column that does not apply,
a bound that was not asked for or not found).  Nothing depends on time, place or order of work.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.sampling.cells import Cell
from exactcnn.sampling.draws import Row

__all__ = ["COLUMNS", "check_output", "is_full", "write_table"]

_ROW_GROUP = 1 << 16

# name -> Parquet type.  cell .. distribution are the cell's settings, n_k its width; rank, full and
# decided_by (see draws.py) the decision; rank_lower and rank_upper stand only where rank is open;
# sigma_min_low <= sigma_min(F_k) <= sigma_min_high; dead_units (relu) are 0 on all samples; prime is
# that of the minor.
COLUMNS: dict[str, str] = {
    "cell": "int64",
    "width": "int64",
    "N": "int64",
    "depth": "int64",
    "layer": "int64",
    "activation": "string",
    "bias": "string",
    "bits": "int64",
    "distribution": "string",
    "seed": "uint64",
    "n_k": "int64",
    "rank": "int64",
    "full": "bool_",
    "decided_by": "string",
    "rank_lower": "int64",
    "rank_upper": "int64",
    "sigma_min_low": "float64",
    "sigma_min_high": "float64",
    "dead_units": "int64",
    "prime": "int64",
}


def is_full(cell: Cell, row: Row) -> bool | None:
    """rank F_k = N?  None: undecided."""
    if row.rank is not None:
        return row.rank == cell.N
    return False if row.upper is not None and row.upper < cell.N else None


def check_output(output: Path) -> None:
    """MalformedError, before any work, for what cannot become the table."""
    field = f"output {output}"
    suffix = output.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise MalformedError(field, "a file name that ends in .csv or .parquet", repr(output.name))
    try:
        if output.exists() and not output.is_file():
            raise MalformedError(field, "a file", "something else")
        if not output.parent.is_dir():
            raise MalformedError(field, "a file in a folder that exists", "no such folder")
        if not os.access(output.parent, os.W_OK) or (output.exists() and not os.access(output, os.W_OK)):
            raise MalformedError(field, "a file that can be written", "no permission to write it")
    except OSError as error:
        raise MalformedError(field, "a file that can be written", error.strerror or error) from None
    if suffix == ".parquet":
        _pyarrow(field)


def _pyarrow(field: str) -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        expected = "for Parquet the optional package pyarrow (pip install 'exactcnn[parquet]')"
        raise MalformedError(field, expected, "not installed") from None


def _values(cell: Cell, row: Row) -> list[Any]:
    return [
        cell.index,
        *(cell.settings[name] for name in list(COLUMNS)[1:9]),
        row.seed,
        cell.width,
        row.rank,
        is_full(cell, row),
        row.decided_by,
        row.lower,
        row.upper,
        row.sigma_low,
        row.sigma_high,
        row.dead_units,
        row.prime,
    ]


def write_table(output: Path, blocks: Iterable[tuple[Cell, list[Row]]]) -> str:
    """Write the blocks in order; returns the SHA-256 of the file, which appears whole or not at all."""
    partial = output.with_name(output.name + ".partial")
    try:
        if output.suffix.lower() == ".parquet":
            _write_parquet(partial, blocks, f"output {output}")
        else:
            _write_csv(partial, blocks)
        with partial.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        os.replace(partial, output)
    except OSError as error:
        expected = "a file that can be written"
        raise MalformedError(f"output {output}", expected, error.strerror or error) from None
    finally:
        with suppress(OSError):
            partial.unlink()
    return found


def _csv_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def _write_csv(path: Path, blocks: Iterable[tuple[Cell, list[Row]]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerow(COLUMNS)
        for cell, rows in blocks:
            text = StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerows([_csv_text(value) for value in _values(cell, row)] for row in rows)
            stream.write(text.getvalue())


def _write_parquet(path: Path, blocks: Iterable[tuple[Cell, list[Row]]], field: str) -> None:
    """Row groups of a fixed size; every option that shapes the bytes is fixed here."""
    pa, parquet = _pyarrow(field)
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
    options = {
        "version": "2.6",
        "data_page_version": "1.0",
        "compression": "snappy",
        "use_dictionary": True,
        "write_statistics": True,
        "store_schema": False,
    }
    with parquet.ParquetWriter(path, schema, **options) as writer:
        rows_left = (_values(cell, row) for cell, rows in blocks for row in rows)
        while group := list(islice(rows_left, _ROW_GROUP)):
            columns = zip(*group, strict=True)
            arrays = [pa.array(column, type=kind.type) for column, kind in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
