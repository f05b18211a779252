"""Work and memory, bounded from outside: a child process with limits on address space and processor time.

Where the platform has no such limits (Windows; address space on macOS) the ceilings of the grammar remain.
"""

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import asdict

from .core.outcome import NOT_CHECKED, Verdict

SECONDS, MEMORY = 900, 4 * 2**30


def impose(seconds: int, memory: int) -> None:
    """On this process, from now on."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit may already be in force
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def apart(text: bytes, folder: str, data: str | None, deterministic: bool, seconds: int, memory: int) -> Verdict:
    """`examine` in a child process."""
    package = __name__.rpartition(".")[0]
    program = f"import sys; sys.path[:] = {sys.path!r}; from {package}.limits import child; child()"
    options = [name for name, on in (("-S", sys.flags.no_site), ("-I", sys.flags.isolated)) if on]
    order = json.dumps([folder, data, deterministic, seconds, memory]).encode() + b"\n"
    done = subprocess.run([sys.executable, *options, "-c", program], input=order + text, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    with contextlib.suppress(ValueError, TypeError):
        return Verdict(**json.loads(done.stdout))
    if done.returncode == -getattr(signal, "SIGXCPU", 24):
        return Verdict(NOT_CHECKED, f"file: needs more than {seconds} seconds of processor time (--max-seconds)")
    return Verdict(NOT_CHECKED, f"file: the process that checked it ended without an answer (code {done.returncode}); it may "
                   "need more memory (--max-memory)")


def child() -> None:
    from .certificate import examine

    folder, data, deterministic, seconds, memory = json.loads(sys.stdin.buffer.readline())
    text = sys.stdin.buffer.read()
    impose(seconds, memory)
    print(json.dumps(asdict(examine(text, folder, data, deterministic=deterministic))))
