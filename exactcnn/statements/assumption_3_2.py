"""Floor 4: Assumption 3.2 on the activations (and Lemma 3.3, which lists some with it)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from exactcnn.activations import Activation
from exactcnn.activations import decide_assumption_3_2 as decide
from exactcnn.features.instance import Instance
from exactcnn.statements.finding import Finding
from exactcnn.statements.statement import Ask, statement

__all__ = ["ActivationEvidence", "decide_assumption_3_2"]

_CUSTOM = " (Limits of your own expressions are SymPy's, cross-checked with ball arithmetic; not certified.)"


@dataclass(frozen=True)
class ActivationEvidence:
    """``case`` "a" (limits), "b" (``rho`` growth constants) or None (refuted)."""

    activation: Activation
    verdict: str
    case: str | None
    rho: tuple[Fraction, Fraction, Fraction, Fraction] | None


@statement(
    "assumption-3.2",
    group="hypotheses",
    title="Assumption 3.2: a suitable activation",
    meaning="each hidden activation is continuous, not constant, and bounded as the paper asks",
    words="The activation {activation} is continuous, not constant, and bounded as the paper asks.",
    how="proofs beside each entry; SymPy for your own expressions",
    checked="table with proofs (your own expressions are not certified)",
    graphs=True,
    tied=True,
)
def decide_assumption_3_2(instance: Instance, ask: Ask) -> list[Finding]:
    """One finding for each different activation of the hidden layers (or of ``layer``)."""
    layer = ask.layer
    network = instance.network
    layers = network.hidden if layer is None else (network.layer(layer),)
    where: dict[Activation, list[int]] = {}
    for entry in layers:
        if entry.activation is not None:
            where.setdefault(entry.activation, []).append(entry.index)
    findings = []
    for activation, indices in where.items():
        decision = decide(activation.properties)
        rho = activation.properties.growth if decision.case == "b" else None
        evidence = (
            None
            if activation.name == "custom"
            else ActivationEvidence(activation, decision.verdict, decision.case, rho)
        )
        findings.append(
            Finding(
                "assumption-3.2",
                decision.verdict,
                f"{activation} (layer {', '.join(map(str, indices))}): {decision.reason}"
                + (_CUSTOM if activation.name == "custom" else ""),
                {
                    "activation": activation.to_json(),
                    "layers": indices,
                    "case": decision.case,
                    "rho": None if rho is None else [str(r) for r in rho],
                },
                evidence,
                indices[0],
            )
        )
    return findings
