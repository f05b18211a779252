"""zero-loss-nearby where the wide layer lies deeper: Newton and Kantorovich, sample by sample, against mpmath."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

import exactcnn
from exactcnn.certificates import make_certificate
from exactcnn.features.instance import Instance
from exactcnn.landscape.nearby_deep import wide_layer_below
from exactcnn.network.weights import Weights
from exactcnn.statements import decide
from tests.statements.instances import conv, network, random_rows, rng, verdict

DENSE = {"kind": "dense"}
SIGMA = {"sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)), "tanh": mpmath.tanh, "identity": lambda t: t,
         "softplus": lambda t: mpmath.log(1 + mpmath.exp(t))}  # fmt: skip


def deep(seed, above=("tanh",), units=4, m=2, N=5, near=True):
    """A wide convolution (n_1 = 12), dense layers above; targets near the outputs if ``near``."""
    r = rng(seed)
    layers = [{**DENSE, "units": units, "activation": a} for a in above]
    net = network([4], conv(4, "sigmoid", kernel=2), *layers, {**DENSE, "units": m})
    weights = Weights.from_seed(net, seed, 8)
    rows = random_rows(r, N, 4, -3, 3)
    blank = Instance(net, exactcnn.samples(rows, [[0] * m] * N), weights)
    outputs = forward(blank)[-1]
    targets = [
        [
            Fraction(round(float(v) * 256), 256) + (Fraction(r.randint(-10, 10), 1024) if near else 50)
            for v in row
        ]
        for row in outputs.tolist()
    ]
    return Instance(net, exactcnn.samples(rows, targets), weights)


def forward(inst, k=0):
    """[F_1, .., F_L] at 40 digits, from the definition."""
    with mpmath.workdps(40):
        state = [
            [mpmath.mpf(v.numerator) / v.denominator for v in row] for row in inst.samples.x.to_fractions()
        ]
        found = []
        for layer in inst.network.layers:
            entry = inst.weights[layer.index]
            W, b = entry.W.to_fractions(), entry.b.to_fractions()
            above = []
            for row in state:
                values = []
                for p, patch in enumerate(layer.patches.indices.tolist()):
                    for t in range(layer.filters):
                        g = (
                            mpmath.mpf(b[p * layer.filters + t].numerator)
                            / b[p * layer.filters + t].denominator
                        )
                        for tap, u in enumerate(patch):
                            g += row[u] * W[tap][t].numerator / W[tap][t].denominator
                        values.append(SIGMA[layer.activation.name](g))
                above.append(values)
            found.append(mpmath.matrix(above))
            state = above
        return found


def number(v):
    return mpmath.mpf(v.numerator) / v.denominator


class Upper:
    """The layers above layer 1 at mpmath's precision: from pre-activations of layer 2 to outputs."""

    def __init__(self, inst):
        entries = [inst.weights[layer.index] for layer in inst.network.layers[1:]]
        self.names = [layer.activation.name for layer in inst.network.layers[1:]]
        self.W = [mpmath.matrix([[number(v) for v in row] for row in e.W.to_fractions()]) for e in entries]
        self.b = [[number(v) for v in e.b.to_fractions()] for e in entries]

    def affine(self, place, values):
        W = self.W[place]
        return [sum(values[a] * W[a, c] for a in range(W.rows)) + self.b[place][c] for c in range(W.cols)]

    def __call__(self, g):
        values = [SIGMA[self.names[0]](v) for v in g]
        for place in range(1, len(self.W)):
            values = [SIGMA[self.names[place]](v) for v in self.affine(place, values)]
        return values

    def jacobian(self, g):
        """(m, n) by differences."""
        h, columns = mpmath.mpf(10) ** -12, []
        for c in range(len(g)):
            ends = [self([v + sign * h * (a == c) for a, v in enumerate(g)]) for sign in (1, -1)]
            columns.append([float((p - q) / (2 * h)) for p, q in zip(*ends, strict=True)])
        return np.array(columns).T

    def change(self, g, target):
        """z = A t with h(g + z) = target, A the pseudo-inverse of the Jacobian, by mpmath's own solver."""
        A = np.linalg.pinv(self.jacobian(g))

        def z(t):
            return [sum(mpmath.mpf(A[a, c]) * t[c] for c in range(len(t))) for a in range(len(g))]

        def equations(*t):
            moved = [a + b for a, b in zip(g, z(t), strict=True)]
            return [v - y for v, y in zip(self(moved), target, strict=True)]

        return z(list(mpmath.findroot(equations, [mpmath.mpf(0)] * len(target), tol=1e-25)))


def reachable(inst):
    """||F_1^+ Z||_F for those z, all samples together."""
    with mpmath.workdps(40):
        F, upper = forward(inst)[0], Upper(inst)
        Z = []
        for i, target in enumerate(inst.samples.targets.to_fractions()):
            g = upper.affine(0, list(F[i, :]))
            Z.append(upper.change(g, [number(y) for y in target]))
        return mpmath.mnorm(F.T * mpmath.inverse(F * F.T) * mpmath.matrix(Z), "f")


@pytest.mark.parametrize("above", [("tanh",), ("sigmoid", "softplus"), ("identity", "tanh")])
def test_distance_covers_mpmaths_change(above):
    """Where the targets are within reach, which they are for most seeds."""
    proved = 0
    for seed in range(4):
        inst = deep(seed, above)
        assert wide_layer_below(inst) == 1
        (finding,) = decide("zero-loss-nearby", inst)
        if finding.verdict == "undecided":
            continue
        proved += 1
        assert finding.summary["route"] == "Newton-Kantorovich"
        exact = reachable(inst)
        assert 0 < exact <= mpmath.mpf(finding.summary["distance"])
        # sigma_min(F) instead of F itself costs at most the condition of F.
        assert mpmath.mpf(finding.summary["distance"]) < 2000 * exact
        certificate = make_certificate(inst, [finding])
        assert verdict(certificate).outcome == "VERIFIED"
        (claim,) = certificate["claims"]  # of the rank, not of the distance
        assert (claim["statement"], claim["verdict"], claim["lower"]) == ("rank", "proved", inst.N)
    assert proved >= 2


def test_undecided_where_the_targets_are_out_of_reach():
    """Far targets of saturated units; fewer units than outputs; a rank below N."""
    assert decide("zero-loss-nearby", deep(1, ("sigmoid",), near=False))[0].verdict == "undecided"
    assert decide("zero-loss-nearby", deep(1, ("tanh",), units=1))[0].verdict == "undecided"
    inst = deep(2)
    rows = inst.samples.x.to_fractions()
    same = exactcnn.samples([rows[0], *rows[:-1]], [[1, 2]] * 5)
    assert decide("zero-loss-nearby", Instance(inst.network, same, inst.weights))[0].verdict == "undecided"
    clash = exactcnn.samples([rows[0], *rows[:-1]], [[1, 2], [2, 1], [1, 1], [1, 1], [1, 1]])
    assert decide("zero-loss-nearby", Instance(inst.network, clash, inst.weights))[0].verdict == "refuted"
