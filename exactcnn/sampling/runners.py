"""Floor 5: who computes the chunks: this process, joblib's processes, or a Dask cluster.

Each runner yields (chunk, rows) in any order, every chunk once, whatever happens to workers: a
chunk whose worker dies is given out again, and after a few losses is computed in this process.
A chunk is a pure function of the campaign, so it does not matter how often it is computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from importlib import import_module
from itertools import islice
from typing import Any

from exactcnn import __version__
from exactcnn.errors import MalformedError
from exactcnn.sampling.campaign import Chunk
from exactcnn.sampling.draws import Row, rows_of

__all__ = ["Results", "check_runner", "run_chunks"]

Results = Generator[tuple[Chunk, list[Row]], None, None]
_LOSSES = 3
# Chunks given to the cluster in advance, per worker: enough to keep it busy.
_AHEAD = 4
# Ctrl-C reaches every process of a terminal: the workers leave it to this one to end them in order.
_DEAF = "import signal\n\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
# Seconds to wait for a scheduler to answer.
_PATIENCE = 10


def check_runner(jobs: int, dask: str | None) -> None:
    """MalformedError, before any work, for what cannot run here."""
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not (jobs == -1 or 1 <= jobs <= 1024):
        raise MalformedError("jobs", "a number of processes from 1 to 1024, or -1 for all cores", jobs)
    if dask is None:
        return
    if dask != "local" and not dask.startswith(("tcp://", "tls://", "ucx://", "ws://", "wss://")):
        raise MalformedError("dask", "local, or a scheduler's address such as tcp://host:8786", repr(dask))
    try:
        import_module("distributed")
    except ImportError:
        expected = "the optional package dask (pip install 'exactcnn[dask]')"
        raise MalformedError("dask", expected, "not installed") from None


def run_chunks(chunks: Sequence[Chunk], sigma: bool, jobs: int, dask: str | None) -> Results:
    """The rows of all chunks by the runner asked for; close the generator to stop early."""
    if dask is not None:
        return _by_dask(chunks, sigma, jobs, dask)
    if jobs == 1 or len(chunks) < 2:
        return _serially(chunks, sigma)
    return _by_joblib(chunks, sigma, jobs)


def _work(chunk: Chunk, sigma: bool) -> tuple[int, list[Row]]:
    return chunk.index, rows_of(chunk, sigma)


def _remote_work(chunk: Chunk, sigma: bool) -> tuple[str, list[Row]]:
    """The rows, with the version that made them: a cluster may have another one installed."""
    return __version__, rows_of(chunk, sigma)


def _serially(chunks: Sequence[Chunk], sigma: bool) -> Results:
    for chunk in chunks:
        yield chunk, rows_of(chunk, sigma)


def _by_joblib(chunks: Sequence[Chunk], sigma: bool, jobs: int) -> Results:
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    left = {chunk.index: chunk for chunk in chunks}
    try:
        for _ in range(_LOSSES):
            pool = Parallel(
                n_jobs=jobs, backend="loky", batch_size=1, max_nbytes=None, return_as="generator_unordered"
            )
            results = pool(delayed(_work)(chunk, sigma) for chunk in list(left.values()))
            try:
                for index, rows in results:
                    yield left.pop(index), rows
            except BrokenProcessPool:  # a worker died: what it had is given out again
                continue
            finally:
                with warnings.catch_warnings():
                    # Stopping early is meant: joblib need not say that some results are not used.
                    warnings.filterwarnings("ignore", r"(?s).*adjusting the input task", UserWarning)
                    results.close()
            return
        yield from _serially(list(left.values()), sigma)
    finally:
        get_reusable_executor().shutdown(wait=False, kill_workers=True)


def _by_dask(chunks: Sequence[Chunk], sigma: bool, jobs: int, address: str) -> Results:
    import logging

    from distributed import Client, LocalCluster, as_completed

    with ExitStack() as stack:
        if address == "local":
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=None if jobs == -1 else jobs,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    preload=[_DEAF],
                )
            )
            client = stack.enter_context(Client(cluster))
        else:
            try:
                client = stack.enter_context(Client(address, timeout=_PATIENCE))
            except (OSError, ValueError) as error:
                raise MalformedError("dask", "the address of a running scheduler", error) from None
        waiting = iter(chunks)
        given: dict[Any, Chunk] = {}
        losses: dict[int, int] = {}

        def submit(chunk: Chunk) -> Any:
            future = client.submit(_remote_work, chunk, sigma, pure=False)
            given[future.key] = chunk
            return future

        ahead = _AHEAD * max(1, sum(client.nthreads().values()))
        first = [submit(chunk) for chunk in islice(waiting, ahead)]
        futures = as_completed(first)
        for future in futures:
            chunk = given.pop(future.key)
            rows = _result(future)
            if rows is None:
                losses[chunk.index] = losses.get(chunk.index, 0) + 1
                if losses[chunk.index] < _LOSSES:
                    futures.add(submit(chunk))
                    continue
                rows = rows_of(chunk, sigma)
            yield chunk, rows
            for following in islice(waiting, 1):
                futures.add(submit(following))


def _result(future: Any) -> list[Row] | None:
    """The rows; None if the workers that had them were lost; what the work itself raised is raised."""
    from distributed import CancelledError, KilledWorker

    if future.status == "cancelled":
        return None
    if future.status == "error":
        error: BaseException = future.exception()
        if isinstance(error, (KilledWorker, CancelledError)):
            return None
        if isinstance(error, ImportError):
            raise MalformedError("dask", f"workers with exactcnn {__version__} installed", error)
        raise error
    version, rows = future.result()
    if version != __version__:
        raise MalformedError("dask", f"workers with exactcnn {__version__}", f"version {version}")
    made: list[Row] = rows
    return made
