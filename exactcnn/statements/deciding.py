"""Floor 4: one statement decided by its name, with what holds for all of them: graphs, shared weights, what it rests on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from exactcnn.errors import MisuseError
from exactcnn.features.instance import Instance
from exactcnn.network.network import Network
from exactcnn.statements.finding import UNDECIDED, Finding
from exactcnn.statements.float_rank import FLOATS
from exactcnn.statements.statement import STATEMENTS, Ask

__all__ = ["decide"]


def decide(statement: str, instance: Instance, layer: int | str | None = None, **asked: Any) -> list[Finding]:
    """The findings of one statement, about a layer by number or name; ``asked``: the other fields of ``Ask``.

    MisuseError for a statement that does not exist names those that do.
    """
    if statement not in STATEMENTS:
        raise MisuseError("statement", f"one of {', '.join(STATEMENTS)}", repr(statement))
    chosen, network = STATEMENTS[statement], instance.network
    k = None if layer is None else network.layer(layer).index
    if not network.is_chain and not chosen.graphs:
        return [_for_chains(statement, network)]
    if network.tied is not None and not chosen.tied:
        reason = f"Layers share the weights of {network.tied}, and {statement} speaks of parameters that move on their own."
        return [Finding(statement, UNDECIDED, reason, {"layer": k}, layer=k)]
    if k is None and chosen.wide:
        k = network.wide_layer(instance.N)
    made = chosen.decide(instance, Ask(k, **asked))
    return [_with_grounds(finding) for finding in ([made] if isinstance(made, Finding) else made)]


def _with_grounds(finding: Finding) -> Finding:
    """The finding, saying that a rank it is made of was shown by floats."""
    if FLOATS not in finding.rests_on or finding.statement == "rank":
        return finding
    note = f" That rank F_k = N is proved by float64 with proved bounds (it rests on {FLOATS})."
    reason = finding.reason + ("" if FLOATS in finding.reason else note)
    return replace(finding, reason=reason, summary={**finding.summary, "rank_by": "float-bounds"})


def _for_chains(statement: str, network: Network) -> Finding:
    odd = next(layer for layer in network.layers if layer.sources != (layer.index - 1,)
               or not (layer.affine or layer.kind == "maxpool"))  # fmt: skip
    reason = (
        f"{statement} is stated for chains of convolutional, dense and max-pooling layers; in this network layer "
        f"{odd.name} is {odd} and reads {', '.join(f'layer {n}' if n else 'the input' for n in odd.sources)}. On any "
        f"graph {', '.join(name for name, each in STATEMENTS.items() if each.graphs)} are decided."
    )
    return Finding(statement, UNDECIDED, reason, {"layer": odd.index})
