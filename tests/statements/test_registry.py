"""Every statement is named where people look for it."""

from exactcnn.cli import _statement_help
from exactcnn.statements import STATEMENTS
from tests.test_import import ROOT


def test_help_and_readme_name_every_statement():
    """A statement that is not in --help and README does not exist for users."""
    readme = (ROOT / "README.md").read_text()
    for name in STATEMENTS:
        assert name in _statement_help()
        assert f"`{name}`" in readme
