"""Floor 6: the pytest plugin: ``--exactcnn-certificates DIR`` keeps the certificates of a test run.

Loaded by pytest itself (entry point ``pytest11``), so importing it must cost nothing.  Every assertion of
``exactcnn.testing`` leaves one file, named after the test's node id, the assertion's number in the test, the
statement and the verdict; a digest keeps apart node ids that look alike as file names.  Names travel to
the summary as user properties of the reports, which pytest-xdist brings home and JUnit files show.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["pytest_addoption", "pytest_configure", "safe_name"]

_KEPT, _WITHOUT = "exactcnn_certificate", "exactcnn_without_certificate"
_LONGEST_NAME, _LONGEST_PARAMETERS = 80, 40


def safe_name(node_id: str) -> str:
    """A file name for a test, readable and different for different node ids.

    >>> safe_name("tests/test_net.py::test_rank[a/b]")
    'tests-test_net.py-test_rank-a-b-9059fac0'
    """
    digest = hashlib.sha256(node_id.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    test, _, parameters = re.sub(r"[^A-Za-z0-9._[]+", "-", node_id).partition("[")
    readable = f"{test[-_LONGEST_NAME:]}-{parameters[:_LONGEST_PARAMETERS].replace('[', '-')}".strip("-.")
    return f"{readable or 'test'}-{digest}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("exactcnn").addoption(
        "--exactcnn-certificates",
        metavar="DIR",
        help="Keep the certificates of exactcnn's assertions in this folder, one file for each.",
    )


def pytest_configure(config: pytest.Config) -> None:
    named = config.getoption("exactcnn_certificates")
    if named is None:
        return
    folder = config.invocation_params.dir / named
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(named, error.strerror or str(error)) from None
    if not os.access(folder, os.W_OK):
        raise _unusable(named, "no permission to write there")
    config.option.exactcnn_certificates = str(folder)  # absolute, for the workers of pytest-xdist
    config.pluginmanager.register(_Kept(folder), "exactcnn-certificates")


def _unusable(named: str, found: str) -> pytest.UsageError:
    return pytest.UsageError(
        f"--exactcnn-certificates {named}: expected a folder that can be written, found {found}"
    )


class _Kept:
    """The hooks of a run that keeps certificates in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @pytest.hookimpl(hookwrapper=True)  # the old style: whichever pytest is there, it must not break
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, None]:
        from exactcnn.testing import keeping

        name, count = safe_name(item.nodeid), 0

        def keep(statement: str, verdict: str, record: dict[str, Any] | None) -> None:
            from exactcnn.certificates import write_certificate

            nonlocal count
            count += 1
            file = f"{name}-{count}-{statement}-{verdict}.json"
            if record is not None:
                write_certificate(record, self.folder / file)
            item.user_properties.append((_WITHOUT if record is None else _KEPT, file))

        with keeping(keep):
            yield

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        # The reports of one test share their properties: sets count each file once.
        named: dict[str, set[str]] = {_KEPT: set(), _WITHOUT: set()}
        for reports in terminalreporter.stats.values():
            for report in reports:
                for key, file in getattr(report, "user_properties", ()):
                    named.get(key, set()).add(str(file))
        kept, without = len(named[_KEPT]), len(named[_WITHOUT])
        line = f"exactcnn: {kept} certificate{'' if kept == 1 else 's'} in {self.folder}"
        if without:
            line += f"; {without} finding{'' if without == 1 else 's'} without one, which the checker cannot repeat"
        terminalreporter.write_line(line)
