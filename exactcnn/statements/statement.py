"""Floor 4: what a statement is, what is asked of it, and the registry that its decorator fills.

A statement is one module of this folder: ``@statement(..)`` before its ``decide`` says everything that other rooms show or
ask of it (``--help``, ``exactcnn explain``, the tables of the documentation, the words of reports).  ``registry`` imports
every module here, so that nothing else needs to name it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.statements.finding import Finding

if TYPE_CHECKING:
    from exactcnn.linalg.checkpoint import Checkpoint

__all__ = ["GROUPS", "STATEMENTS", "Ask", "Decide", "Statement", "statement"]

# The questions that the statements answer, in the order in which they are shown.
GROUPS = {
    "hypotheses": "Do the theory's assumptions hold here?",
    "expressivity": "How much can the features tell apart?",
    "landscape": "What does the loss look like?",
}


@dataclass(frozen=True)
class Ask:
    """What is asked of a statement beside the instance; handed down as it is to the findings it is made of.

    ``layer``: k, None for the statement's own choice.  ``prime``: for the minor of ``rank``, None for one chosen by size.
    ``fast``: rank F_k = N may be proved by float64 with proved bounds.  ``checkpoint``: where a long elimination keeps
    its parts.
    """

    layer: int | None = None
    prime: int | None = None
    fast: bool = False
    checkpoint: Checkpoint | None = None

    @property
    def k(self) -> int:
        if self.layer is None:
            raise MisuseError("layer", "the layer that the statement is about", "none")
        return self.layer

    def at(self, layer: int) -> Ask:
        """The same of this layer."""
        return replace(self, layer=layer)

    def certifiable(self) -> Ask:
        """The same, by the routes that a certificate repeats as they are."""
        return replace(self, fast=False, prime=None)


Decide = Callable[[Instance, Ask], list[Finding] | Finding]
D = TypeVar("D", bound=Decide)


@dataclass(frozen=True)
class Statement:
    """One statement; the texts are for people, of FORMAT.md's claims the words of reports too.

    ``words`` say what a claim means, with {at} for the layer or node, {N} for how many samples, {weights} and {there} for
    the weights, {activation}.  ``needs``: of samples, weights, targets.  ``wide``: without a layer it is about the first
    with n_k >= N.  ``graphs``: it is decided on any graph, else only on chains.  ``tied``: it speaks of the given weights
    and of no others, hence is decided where layers share theirs.  ``exhibits``: its findings may bring explicit weights.
    """

    name: str
    group: str
    title: str
    meaning: str
    how: str
    checked: str
    decide: Decide
    words: str = ""
    formula: str = ""
    needs: tuple[str, ...] = ()
    wide: bool = False
    graphs: bool = False
    tied: bool = False
    exhibits: bool = False


STATEMENTS: dict[str, Statement] = {}


def statement(name: str, **said: Any) -> Callable[[D], D]:
    """Registers the function below it as the one that decides ``name``; ``said``: the other fields of ``Statement``."""
    if said["group"] not in GROUPS:
        raise MisuseError("group", f"one of {', '.join(GROUPS)}", repr(said["group"]))

    def register(decide: D) -> D:
        STATEMENTS[name] = Statement(name=name, decide=decide, **said)
        return decide

    return register
