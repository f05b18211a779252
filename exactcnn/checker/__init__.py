"""Independent checker of exactcnn certificates, written from FORMAT.md alone.

Standard library only and no other module of exactcnn: the folder works on its own, as `python -m checker FILE...`.
`core/` decides ranks, hypotheses and what holds almost everywhere; read it in the order outcome, grammar, intervals,
activations, network, numbers, matrices, regular, bounds, order, hypotheses, statements.  `landscape/` holds what needs
slopes and curvature.  `certificate` puts both together, `files` reads samples, `limits` bounds work and memory from outside.
"""

import json
import os
from typing import Any

from . import limits
from .certificate import examine
from .core import outcome
from .core.outcome import Malformed, TooMuch, Verdict, show
from .files import read_file

__all__ = ["Verdict", "check_certificate", "check_file"]


def check_file(path: str, data_path: str | None = None, *, deterministic: bool = False, max_seconds: int | None = limits.SECONDS,
               max_memory: int = limits.MEMORY) -> Verdict:
    """Check the certificate in a file; the content never makes this raise an exception.

    It runs in a child process with limits (seconds of processor time, bytes), in this one if `max_seconds` is None.
    """
    try:
        text = read_file(path)
        if text is None:
            raise Malformed(f"file: {show(path)} is not a readable file")
    except (Malformed, TooMuch) as error:
        kind = outcome.MALFORMED if isinstance(error, Malformed) else outcome.NOT_CHECKED
        return Verdict(kind, str(error))
    return _check(text, os.path.dirname(path), data_path, deterministic, max_seconds, max_memory)


def check_certificate(certificate: Any, data_path: str | None = None, *, deterministic: bool = False,
                      max_seconds: int | None = limits.SECONDS, max_memory: int = limits.MEMORY) -> Verdict:
    """Check a certificate given as a JSON value, by way of its JSON text."""
    try:
        text = json.dumps(certificate).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        return Verdict(outcome.MALFORMED, f"not a JSON value: {show(str(error))}")
    return _check(text, "", data_path, deterministic, max_seconds, max_memory)


def _check(text: bytes, folder: str, data: str | None, deterministic: bool, seconds: int | None, memory: int) -> Verdict:
    if seconds is None:
        return examine(text, folder, data, deterministic=deterministic)
    return limits.apart(text, folder, data, deterministic, seconds, memory)
