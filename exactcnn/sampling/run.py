"""Floor 5: run a campaign from its first chunk to its table and summary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from exactcnn.errors import MalformedError
from exactcnn.progress import report
from exactcnn.sampling.campaign import Campaign
from exactcnn.sampling.cells import Cell
from exactcnn.sampling.draws import Row
from exactcnn.sampling.journal import Journal, write_whole
from exactcnn.sampling.runners import check_runner, run_chunks
from exactcnn.sampling.summary import Tally, cell_spec_path
from exactcnn.sampling.tables import check_output, write_table

__all__ = ["run_campaign"]


def run_campaign(
    campaign: Campaign,
    output: str | Path,
    *,
    jobs: int = 1,
    dask: str | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Write the table ``output`` (.csv or .parquet) and return the summary, ready for JSON.

    Beside the table appear ``<output>.summary.json`` and ``<output>.cells/``, each cell's network
    as a spec.  ``jobs`` processes (-1: all cores), or a Dask cluster: ``dask`` is "local" or a
    scheduler's address.  Whoever works, the table is the same.  An interruption
    (KeyboardInterrupt) leaves a journal ``<output>.parts/``, from which ``resume`` goes on.
    MalformedError for bad input.
    """
    output = Path(output)
    check_output(output)
    check_runner(jobs, dask)
    journal = Journal.open(campaign, output, resume)
    total = len(campaign.cells) * campaign.draws
    missing = [chunk for chunk in campaign.chunks if journal.read(chunk) is None]
    done = total - sum(chunk.count for chunk in missing)
    report("draws", done, total)
    if missing:
        # Closing the generator ends its workers, also when this loop is interrupted.
        with closing(run_chunks(missing, campaign.sigma, jobs, dask)) as results:
            for chunk, rows in results:
                journal.write(chunk, rows)
                done += chunk.count
                report("draws", done, total)
    tallies = [Tally(cell) for cell in campaign.cells]
    digest = write_table(output, _blocks(campaign, journal, tallies))
    summary = {
        "campaign": {
            "digest": campaign.digest,
            "network": campaign.network.to_json(),
            "data": campaign.samples.source,
            "seed": campaign.seed,
            "draws": campaign.draws,
            "sigma": campaign.sigma,
            "sweeps": [{"name": sweep.name, "values": list(sweep.values)} for sweep in campaign.sweeps],
        },
        "table": {"path": str(output), "sha256": digest, "rows": total},
        "cells": [tally.record(campaign, output) for tally in tallies],
    }
    _write_beside(campaign, output, summary)
    journal.remove()
    return summary


def _blocks(campaign: Campaign, journal: Journal, tallies: list[Tally]) -> Iterator[tuple[Cell, list[Row]]]:
    """All rows in the order of the table, counted on the way; one chunk in memory at a time."""
    for chunk in campaign.chunks:
        rows = journal.read(chunk)
        if rows is None:
            raise MalformedError(f"{journal.folder.name}", f"chunk {chunk.index}", "a file that has changed")
        tallies[chunk.cell.index].add(rows)
        yield chunk.cell, rows


def _write_beside(campaign: Campaign, output: Path, summary: dict[str, Any]) -> None:
    try:
        for cell in campaign.cells:
            path = cell_spec_path(output, cell)
            path.parent.mkdir(exist_ok=True)
            write_whole(path, json.dumps(cell.network.to_json()).encode("ascii"))
        text = json.dumps(summary, indent=1, allow_nan=False)
        write_whole(output.with_name(output.name + ".summary.json"), text.encode("ascii") + b"\n")
    except OSError as error:
        expected = "files that can be written beside it"
        raise MalformedError(f"output {output}", expected, error.strerror or error) from None
