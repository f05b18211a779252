"""Floor 5: evidence -> the judgments of FORMAT.md, section 6, collected in a Draft with the instance they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
from exactcnn.features.generic_bounds import Cover, Determinantal, GenericBound
from exactcnn.features.generic_rank import GenericRank
from exactcnn.features.instance import Instance
from exactcnn.features.lifted import FILTER_BITS, lifted_residues, seeded_filters
from exactcnn.features.lifted_rank import LiftedRank
from exactcnn.features.matrix import FeatureMatrix
from exactcnn.features.minors import FeatureMinor
from exactcnn.features.triangular import TriangularWitness
from exactcnn.linalg.evidence import Kernel, Minor
from exactcnn.linalg.polynomials import Polynomial, PolynomialKernel
from exactcnn.network.weights import LayerWeights, Weights

__all__ = ["Draft", "Judgment"]

Judgment = dict[str, Any]
# The residues of a minor (an array), or its decomposition (a StreamedLU) where one was kept.
Residues = Callable[[], Any]
LN2_ROOT = 3  # where ln 2 goes in lifted matrices that contain it

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

        return self._minor(judgment, residues)

    def _minor(self, judgment: Judgment, residues: Residues) -> int:
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
            {"kind": "kernel", "of": self.features(k, weights), "side": rule.side, "vectors": _vectors(rule)}
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
        return self._minor(judgment, lambda: residues_mod(witness.core_matrix(layer, values), witness.prime))

    # ------------------------------------------------------------------ lifted matrices

    def lifted(self, evidence: LiftedRank, weights: Weights | None = None) -> list[int]:
        """The bounds of U_k at given weights."""
        network, k, found = self.instance.network, evidence.layer, list[int]()
        chosen = self.instance.need_weights() if weights is None else weights
        entry = chosen.layers[k - 1]
        assert entry is not None
        name = self.name_of(weights, k)
        of = {"matrix": "lifted", "node": network.affine_node_of(k), "weights": name}
        minor = evidence.minor
        mixed = entry.W_ln2 is not None
        if minor is not None and minor.rank:
            W = residues_mod(entry.W.numerators, minor.prime)
            if mixed or _written_in_ln2(self, name):
                W = W * pow(entry.W.denominator, -1, minor.prime) % minor.prime
            if entry.W_ln2 is not None:
                other = residues_mod(entry.W_ln2.numerators, minor.prime)
                W = (W + LN2_ROOT * other * pow(entry.W_ln2.denominator, -1, minor.prime)) % minor.prime
            judgment = _lifted_minor(minor, of, LN2_ROOT if mixed else None)
            found.append(
                self._minor(
                    judgment, partial(_lifted_residues, self.instance, k, minor, lambda used: W[:, :used])
                )
            )
        if evidence.kernel is not None:
            found.append(
                self.add(
                    {
                        "kind": "kernel",
                        "of": of,
                        "side": evidence.kernel.side,
                        "vectors": _vectors(evidence.kernel),
                    }
                )
            )
        return found

    def generic(self, evidence: GenericRank) -> list[int]:
        """The bounds of U_k for almost all, or for all, filters."""
        network, k, found = self.instance.network, evidence.layer, list[int]()
        node = network.affine_node_of(k)
        if evidence.minor is not None and evidence.minor.minor.rank:
            minor, seed = evidence.minor.minor, evidence.minor.seed
            name = "identity" if seed is None else f"filters-{seed}"
            self.weights[name] = (
                {"kind": "identity"} if seed is None else {"kind": "seed", "seed": seed, "bits": FILTER_BITS}
            )
            judgment = _lifted_minor(minor, {"matrix": "lifted", "node": node, "weights": name}, None)
            if seed is None:  # a permutation matrix: elimination is trivial at any size
                found.append(self.add(judgment))
            else:
                layer = network.layer(k)
                filters = lambda used: seeded_filters(layer, seed, minor.prime, used)  # noqa: E731
                found.append(
                    self._minor(judgment, partial(_lifted_residues, self.instance, k, minor, filters))
                )
        if evidence.bound is not None:
            found.append(self.add(_generic_rule(evidence.bound, node)))
        return found


def _same(a: Weights, b: Weights) -> bool:
    """The same numbers, though not the same object."""
    pairs = list(zip(a.layers, b.layers, strict=True))
    return a.origin == b.origin and all(
        x is y or (x is not None and y is not None and _listed(x) == _listed(y)) for x, y in pairs
    )


def _listed(entry: LayerWeights) -> list[Any]:
    arrays = (entry.W, entry.b, entry.W_ln2, entry.b_ln2)
    return [None if array is None else (array.denominator, array.numerators.tolist()) for array in arrays]


def _written_in_ln2(draft: Draft, name: str) -> bool:
    weights, upto = draft._upto[name]
    return any(entry is not None and not entry.rational for entry in weights.layers[:upto])


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


def _vectors(kernel: Kernel) -> list[dict[str, Any]]:
    return [
        {"pivot": vector.pivot, "entries": [[index, json_integer(value)] for index, value in vector.entries]}
        for vector in kernel.vectors
    ]


def _lifted_minor(minor: Minor, of: dict[str, Any], root: int | None) -> Judgment:
    return {
        "kind": "minor-mod-p", "of": of, "rows": list(minor.rows), "columns": list(minor.columns), "prime": minor.prime,
        "root": root, "divisor": 1, "solutions": None,
    }  # fmt: skip


def _lifted_residues(
    instance: Instance, k: int, minor: Minor, filters: Callable[[int], np.ndarray]
) -> np.ndarray:
    """The minor of U_k; ``filters(n)`` gives the residues of the first n filters."""
    layer = instance.network.layer(k)
    used = max(column % layer.filters for column in minor.columns) + 1
    U, columns = lifted_residues(layer, filters(used))
    place = {int(column): j for j, column in enumerate(columns)}
    return np.ascontiguousarray(U[np.ix_(minor.rows, [place[column] for column in minor.columns])])


def _polynomial(polynomial: Polynomial) -> list[Any]:
    return [
        [json_integer(coefficient), [[variable, exponent] for variable, exponent in monomial]]
        for monomial, coefficient in sorted(polynomial.items())
    ]


def _generic_rule(bound: GenericBound, node: int) -> Judgment:
    if isinstance(bound, Determinantal):
        return {"kind": "determinantal", "node": node}
    if isinstance(bound, Cover):
        return {"kind": "cover", "node": node, "rows": list(bound.rows), "columns": list(bound.columns)}
    assert isinstance(bound, PolynomialKernel)
    vectors = [
        {"pivot": vector.pivot, "entries": [[index, _polynomial(p)] for index, p in vector.entries]}
        for vector in bound.vectors
    ]
    return {"kind": "polynomial-kernel", "node": node, "side": bound.side, "vectors": vectors}
