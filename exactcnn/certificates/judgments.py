"""Floor 5: evidence -> the judgments of FORMAT.md, section 6, collected in a Draft with the instance they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exactcnn.arithmetic.modular import residues as residues_mod
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.arithmetic.texts import json_integer
from exactcnn.certificates.canonical import canonical_json
from exactcnn.certificates.instance_json import (
    denominator_of,
    digests,
    matrix_json,
    samples_json,
    weights_json,
)
from exactcnn.certificates.regular import LARGEST_ENCLOSED
from exactcnn.certificates.solutions import (
    LARGEST_DIRECT_MINOR,
    SOLUTION_BITS,
    real_solutions,
    residue_solutions,
)
from exactcnn.errors import UndecidedError
from exactcnn.features.balls import VerifiedMinor, feature_balls
from exactcnn.features.bounds import CountingBound
from exactcnn.features.instance import Instance
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.features.triangular import TriangularWitness
from exactcnn.linalg.evidence import Kernel
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["Draft", "Judgment", "kernel_vectors"]

Judgment = dict[str, Any]
# The residues of a minor (an array), or its decomposition (a StreamedLU) where one was kept.
Residues = Callable[[], Any]

_COUNTS = {
    "width": "width",
    "distinct-samples": "samples",
    "restriction": "restriction",
    "distinct-patches": "patches",
    "equal-positions": "sequences",
}


@dataclass(eq=False)
class Draft:
    """Judgments about one instance, each once; solutions are filled in when the instance is complete."""

    instance: Instance
    weights: dict[str, Any] = field(default_factory=dict)
    judgments: list[Judgment] = field(default_factory=list)
    samples: bool = False
    targets: RationalArray | None = None
    shared: dict[Any, Any] = field(default_factory=dict)  # what drafts of one instance need not compute twice
    _index: dict[bytes, int] = field(default_factory=dict)
    _pending: list[tuple[Judgment, Callable[[dict[str, Any]], Any]]] = field(default_factory=list)
    _upto: dict[str, tuple[Weights, int]] = field(default_factory=dict)

    # ------------------------------------------------------------------ the instance

    def name_of(self, weights: Weights | None, upto: int, name: str = "given") -> str:
        """The name under which a set of weights goes, whose layers 1..upto are needed."""
        weights = self.instance.need_weights() if weights is None else weights
        if weights is not self.instance.weights and name == "given":
            name = "constructed"
        if weights is self.instance.weights:
            name = "given"
        name = next(
            (known for known, (other, _) in self._upto.items() if other is weights or _same(other, weights)),
            name,
        )
        if name in self._upto and _same(self._upto[name][0], weights):
            weights = self._upto[name][0]
        seed = weights.origin
        if (
            name not in self._upto
            and name == "constructed"
            and seed is not None
            and seed.distribution.name == "uniform"
        ):
            name = f"seed-{seed.seed}"
        while name in self._upto and self._upto[name][0] is not weights:
            name += "-x"
        self._upto[name] = weights, max(upto, self._upto.get(name, (weights, 0))[1])
        return name

    def record(self) -> dict[str, Any]:
        """INSTANCE of FORMAT.md, with what the judgments need."""
        network = self.instance.network
        made = {name: weights_json(w, network.layers, upto) for name, (w, upto) in self._upto.items()}
        return {
            "network": network.to_nodes(),
            "data": samples_json(self.instance.need_samples()) if self.samples else None,
            "targets": None if self.targets is None else matrix_json(self.targets),
            "weights": {**made, **self.weights},
        }

    def complete(self) -> dict[str, Any]:
        """The instance with its digests, and the judgments with their solutions; UndecidedError if one has none."""
        record = self.record()
        for judgment, fill in self._pending:
            holder = judgment["core"] if judgment["kind"] == "order" else judgment
            holder["solutions"] = fill(record)
        return {"instance": record, "digests": digests(record), "judgments": self.judgments}

    def add(self, judgment: Judgment, fill: Callable[[dict[str, Any]], Any] | None = None) -> int:
        key = canonical_json({k: v for k, v in judgment.items() if k != "solutions"})
        if key not in self._index:
            self._index[key] = len(self.judgments)
            self.judgments.append(judgment)
            if fill is not None:
                self._pending.append((judgment, fill))
        return self._index[key]

    # ------------------------------------------------------------------ features

    def features(self, k: int, weights: Weights | None, upto: int | None = None) -> dict[str, Any]:
        self.samples = True
        name = self.name_of(weights, k if upto is None else upto)
        return {"matrix": "features", "node": self.instance.network.node_of(k), "weights": name}

    def lower(self, found: FeatureMinor | VerifiedMinor, k: int, weights: Weights | None = None) -> int:
        """A minor of F_k at the instance's weights, or at others."""
        of = self.features(k, weights)
        instance = (
            self.instance
            if weights is None
            else Instance(self.instance.network, self.instance.samples, weights)
        )
        if isinstance(found, VerifiedMinor):
            return self._enclosed(found.rows, found.columns, found.precision, instance, k, of)
        minor, substitution = found.minor, found.substitution
        rule = denominator_of(instance, k)
        least = (
            FeatureMatrix(instance, k).least_denominator(rule)
            if substitution is None
            else substitution.denominator
        )
        if rule % least:
            raise UndecidedError("the denominator of the features is not the certificate's")
        judgment = {
            "kind": "minor-mod-p", "of": of, "rows": list(minor.rows), "columns": list(minor.columns),
            "prime": minor.prime, "root": None if substitution is None else substitution.root,
            "divisor": json_integer(rule // least), "solutions": None,
        }  # fmt: skip

        def residues() -> Any:
            if found.factors is not None:
                return found.factors
            root = 0 if substitution is None else substitution.root
            image, _ = FeatureMatrix(instance, k).residues(minor.prime, root)
            return np.ascontiguousarray(image[np.ix_(minor.rows, minor.columns)])

        return self.minor(judgment, residues)

    def minor(self, judgment: Judgment, residues: Residues) -> int:
        holder = judgment["core"] if judgment["kind"] == "order" else judgment
        order = len(judgment["thresholds"] if judgment["kind"] == "order" else judgment["rows"])
        if order <= LARGEST_DIRECT_MINOR:
            return self.add(judgment)
        bare = judgment if holder is judgment else {**judgment, "core": {"prime": holder["prime"]}}
        return self.add(judgment, lambda record: residue_solutions(record, bare, holder["prime"], residues()))

    def _enclosed(
        self,
        rows: tuple[int, ...],
        columns: tuple[int, ...],
        places: int,
        instance: Instance,
        k: int,
        of: dict[str, Any],
    ) -> int:
        order = len(rows)
        small = order <= LARGEST_ENCLOSED
        precision = min(4096, places + (3 * order if small else SOLUTION_BITS + 32))
        judgment = {
            "kind": "minor-enclosed", "of": of, "rows": list(rows), "columns": list(columns), "precision": precision,
            "solutions": None,
        }  # fmt: skip
        if small:
            return self.add(judgment)
        return self.add(judgment, lambda record: _solutions(record, judgment, instance, k, rows, columns))

    def sigma(self, k: int, rows: tuple[int, ...], columns: tuple[int, ...], precision: int) -> int:
        """A bound of sigma_min of a square part of F_k from below, by solutions."""
        of = self.features(k, None)
        judgment = {
            "kind": "minor-enclosed", "of": of, "rows": list(rows), "columns": list(columns), "precision": precision,
            "solutions": None,
        }  # fmt: skip
        return self.add(
            judgment, lambda record: _solutions(record, judgment, self.instance, k, rows, columns)
        )

    def upper(self, rule: CountingBound | Kernel, k: int, weights: Weights | None = None) -> int:
        if isinstance(rule, CountingBound):
            self.samples = True
            positions = None if rule.positions is None else list(rule.positions)
            return self.add({
                "kind": "count", "node": self.instance.network.node_of(k), "rule": _COUNTS[rule.kind], "positions": positions
            })  # fmt: skip
        return self.add(
            {
                "kind": "kernel",
                "of": self.features(k, weights),
                "side": rule.side,
                "vectors": kernel_vectors(rule),
            }
        )

    def order(self, witness: TriangularWitness) -> int:
        self.samples = True
        m, layer = len(witness.thresholds), self.instance.network.layer(1)
        judgment = {
            "kind": "order", "node": self.instance.network.node_of(1), "seed": witness.seed, "bits": witness.bits,
            "shared": witness.shared, "order": list(witness.order), "units": list(witness.units),
            "thresholds": [json_integer(threshold) for threshold in witness.thresholds],
            "core": {"prime": witness.prime, "solutions": None} if m else None,
        }  # fmt: skip
        values = self.instance.need_samples().x.numerators
        return self.minor(judgment, lambda: residues_mod(witness.core_matrix(layer, values), witness.prime))


def _same(a: Weights, b: Weights) -> bool:
    """The same numbers, though not the same object."""
    pairs = list(zip(a.layers, b.layers, strict=True))
    return a.origin == b.origin and all(
        x is y or (x is not None and y is not None and _listed(x) == _listed(y)) for x, y in pairs
    )


def _listed(entry: LayerWeights) -> list[Any]:
    arrays = (entry.W, entry.b, entry.W_ln2, entry.b_ln2)
    return [None if array is None else (array.denominator, array.numerators.tolist()) for array in arrays]


def _solutions(
    record: dict[str, Any],
    judgment: Judgment,
    instance: Instance,
    k: int,
    rows: tuple[int, ...],
    columns: tuple[int, ...],
) -> dict[str, Any]:
    """For the midpoints of balls at the judgment's precision."""
    from flint import arb, ctx

    places = judgment["precision"]
    with ctx.workprec(places + 64):
        balls = feature_balls(instance, k, places + 64, columns)
        unit = arb(2) ** places
        middle = [
            [int((balls[i][j].mid() * unit).mid().floor().unique_fmpz()) for j in range(len(columns))]
            for i in rows
        ]
    return real_solutions(record, judgment, np.array(middle, dtype=object), places, SOLUTION_BITS)


def kernel_vectors(kernel: Kernel) -> list[dict[str, Any]]:
    return [
        {"pivot": vector.pivot, "entries": [[index, json_integer(value)] for index, value in vector.entries]}
        for vector in kernel.vectors
    ]
