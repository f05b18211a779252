"""Floor 0: how long work tells whoever is watching how far it is.

The rooms call ``report``; nothing happens unless somebody listens.  The listener lives in a
context variable, so that threads and nested calls do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["listening", "report"]

Listener = Callable[[str, int, int], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(what: str, done: int, total: int) -> None:
    """``done`` of ``total`` units of the work named ``what`` are finished."""
    listener = _listener.get()
    if listener is not None:
        listener(what, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send all reports made inside to ``listener(what, done, total)``.

    >>> seen = []
    >>> with listening(lambda *args: seen.append(args)):
    ...     report("peeling", 1, 2)
    >>> report("peeling", 2, 2)
    >>> seen
    [('peeling', 1, 2)]
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
