"""Class labels: the degeneracy of Theorem 4.5 for k <= L-2, and Extension C."""

from fractions import Fraction

import numpy as np
import pytest

import exactcnn
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.certificates.instance_json import weights_json
from exactcnn.features.instance import Instance
from exactcnn.landscape.class_labels import class_vectors, column_rank
from exactcnn.landscape.domains import ln_two
from exactcnn.network.weights import LayerWeights, Weights
from exactcnn.statements import decide
from tests.landscape.test_hypotheses import ZERO, flat_slope, on_two_points
from tests.statements.instances import certified, decided, given, judgment, network, outcome, rng, without

DENSE = {"kind": "dense"}


def degenerate(U=None, b=None, labels=(0, 1, 1), sigma="sigmoid2"):
    """N = 3, x = 0, 1, 2, ReLU layer of rank 3; F_2 = sigma(G_2), [F_2, 1] square and non-singular; L = 3, k = 1.

    With U, b solving F_2 U + 1 b^T = Y the point is critical with zero loss, and U_3 v = 0.
    """
    import sympy

    net = network([1], {**DENSE, "units": 3, "activation": "relu"}, {**DENSE, "units": 2, "activation": sigma},
                  {**DENSE, "units": 2})  # fmt: skip
    rows, first = [[0], [1], [2]], ([[1, 1, -1]], [1, Fraction(-1, 2), Fraction(3, 2)])
    F1 = sympy.Matrix(3, 3, lambda i, j: max(0, sympy.Rational(str(first[0][0][j] * i + first[1][j]))))
    G = sympy.Matrix([[0, 1], [1, 0], [-1, -1]])
    W2 = F1.inv() * G
    F2 = G.applyfunc(lambda n: 2**n / (1 + 2**n))
    Y = sympy.Matrix(3, 2, lambda i, c: int(labels[i] == c))
    if U is None:
        solved = F2.row_join(sympy.ones(3, 1)).inv() * Y
        U, b = solved[:2, :].tolist(), list(solved[2, :])
    exact = lambda values: [[Fraction(int(q.p), int(q.q)) for q in row] for row in values]  # noqa: E731
    U = U if isinstance(U[0][0], (int, Fraction)) else exact(U)
    b = b if isinstance(b[0], (int, Fraction)) else exact([b])[0]
    samples = exactcnn.samples(rows, list(labels))
    return Instance(net, samples, given(net, first, (exact(W2.tolist()), [0, 0]), (U, b)))


def test_a_critical_point_outside_s_1_because_of_class_labels():
    inst = degenerate()
    critical = decided("critical-point", inst)
    assert (critical.verdict, critical.summary["loss"]) == ("proved", [])
    U = inst.weights[3].W.to_fractions()
    assert [row[0] + row[1] for row in U] == [0, 0]
    member = decided("s-k", inst, 1)
    assert member.verdict == "refuted"
    assert "U_3" in member.reason
    silent = decided("theorem-4.5", inst, 1)
    assert silent.verdict == "undecided"
    assert "extension-c" in silent.reason
    assert silent.summary["class_labels"] == {"class_vector": ["1", "1"], "augmented_full_column_rank": True}
    finding = decided("extension-c", inst, 1)
    assert finding.verdict == "proved"
    assert (finding.summary["critical"], finding.summary["zero_loss"], finding.summary["U_v_zero"]) == (
        True,
        True,
        True,
    )
    assert finding.evidence is not None


def test_every_point_of_s_1_is_then_not_critical():
    """With these F_2 any U_3 of full rank gives a point of S_1, and none of them is critical."""
    r = rng(3)
    for _ in range(20):
        U = [[r.randint(-3, 3) for _ in range(2)] for _ in range(2)]
        inst = degenerate(U, [r.randint(-2, 2), Fraction(1, 2)])
        if U[0][0] * U[1][1] == U[0][1] * U[1][0]:
            continue
        assert decided("s-k", inst, 1).verdict == "proved"
        assert decided("critical-point", inst).verdict == "refuted"
        finding = decided("theorem-4.5", inst, 1)
        assert finding.verdict == "proved"
        assert "none lies in S_1; see extension-c" in finding.reason


def test_extension_c_does_not_apply_where_u_kills_more_than_v():
    """U_3 = 0 and b_3 the mean of Y: critical with positive loss, so injectivity beside v cannot be dropped."""
    middle, half = {**DENSE, "units": 2, "activation": "sigmoid"}, Fraction(1, 2)
    inst = on_two_points(middle, {**DENSE, "units": 2}, ZERO, ([[0, 0], [0, 0]], [half, half]))
    assert decided("critical-point", inst).verdict == "proved"
    assert decided("loss", inst).summary["loss"] != []
    finding = decided("extension-c", inst, 1)
    assert finding.verdict == "undecided"
    assert "U_3 is not injective on the complement of v" in finding.reason


def test_extension_c_needs_slopes_too():
    """The flat slope of theory 3.6 with one-hot labels: refuted, and the certificate says why."""
    finding = decided("extension-c", flat_slope(), 1)
    assert finding.verdict == "refuted"
    assert finding.evidence is not None
    assert "slopes-without-zeros" in finding.reason
    assert decided("extension-c", flat_slope("sigmoid"), 1).verdict == "proved"


@pytest.mark.parametrize(
    "layer, labels, words",
    [(2, [0, 1, 1], "k <= L - 2"), (1, [[1, 0], [2, 0], [0, 1]], "linearly dependent")],
)
def test_where_extension_c_is_silent(layer, labels, words):
    start = degenerate()
    inst = Instance(start.network, exactcnn.samples([[0], [1], [2]], labels), start.weights)
    finding = decided("extension-c", inst, layer)
    assert finding.verdict == "undecided"
    assert words in finding.reason


def test_labels_with_a_class_missing_leave_a_choice_of_v():
    """Y = (1, 0) for all: v = (1, s) for any s; U_3 = (1, -1) rows are injective beside v unless s = 1."""
    inst = degenerate([[1, -1], [2, -2]], [0, 0], labels=(0, 0, 0))
    finding = decided("extension-c", inst, 1)
    assert finding.verdict == "proved"
    inst = degenerate([[1, 0], [2, 0]], [0, 0], labels=(0, 0, 0))
    finding = decided("extension-c", inst, 1)
    assert finding.verdict == "proved"  # U_3 kills (0, 1), which no complement of (1, s), s != 0, contains


def forgeries():
    def of_v(row):
        def change(c):
            c["claims"][0]["v"] = row
            judgment(c, "minor-mod-p", "lifted-and-row")["of"]["row"] = row

        return change

    def claim(**fields):
        return lambda c: c["claims"][0].update(fields)

    def minor(**fields):
        return lambda c: judgment(c, "minor-mod-p", "lifted-and-row").update(fields)

    yield "another v in the claim", claim(v=["1", "2"])
    yield "another v", of_v([1, 2])
    yield "a longer v", of_v([1, 1, 0])
    yield (
        "v of the judgment alone",
        lambda c: judgment(c, "minor-mod-p", "lifted-and-row")["of"].update(row=[1, 2]),
    )
    yield "a row twice", minor(rows=[0, 0])
    yield "rows without v", minor(rows=[0, 1])
    yield "rows out of range", minor(rows=[0, 7])
    yield "an order below the number of classes", minor(rows=[0], columns=[0])
    yield "refuted", claim(verdict="refuted")
    yield "a hypothesis that fails", claim(failing=["pyramid"])
    yield "not critical", claim(critical=False)
    yield "a loss", claim(loss=[1])
    yield "a gradient above", claim(flat=False)
    yield "rank left out", lambda c: without(c, "minor-mod-p", "features")
    yield "v left out of the judgments", lambda c: without(c, "minor-mod-p", "lifted-and-row")
    yield "gradient left out", lambda c: without(c, "gradient-exact")
    yield "loss left out", lambda c: without(c, "loss-exact")
    yield "as a point of S_1", claim(v=None)
    yield "as a point of S_2", claim(v=None, node=4)
    yield "with k = L - 1", claim(node=4)
    yield "other labels", lambda c: c["instance"]["targets"]["rows"].__setitem__(1, [1, 0])


@pytest.mark.parametrize("attack, change", list(forgeries()), ids=lambda v: v if isinstance(v, str) else "")
def test_forged_extensions_are_rejected(attack, change):
    inst = degenerate()
    certificate = certified(inst, *decide("extension-c", inst, 1))
    assert outcome(certificate, change) in ("REJECTED", "MALFORMED")


def test_class_vectors_against_sympy():
    import sympy

    r = rng(8)
    some = none = 0
    for _ in range(200):
        m, classes = r.randint(1, 4), r.randint(1, 5)
        Z = [[r.randint(-2, 2) for _ in range(m)] for _ in range(classes)]
        Y = RationalArray.from_fractions([r.choice(Z) for _ in range(r.randint(1, 6))])
        distinct = sorted(set(map(tuple, Y.to_fractions())))
        found = list(class_vectors(Y))
        independent = sympy.Matrix(distinct).rank() == len(distinct)
        assert bool(found) == independent
        some, none = some + bool(found), none + (not found)
        assert len(found) == (m - len(distinct) + 1 if independent else 0)
        for v in found:
            assert all(sum(a * b for a, b in zip(row, v, strict=True)) == 1 for row in distinct)
        if found:
            spanned = sympy.Matrix([[b - a for a, b in zip(found[0], v, strict=True)] for v in found])
            assert spanned.rank() == m - len(distinct)
    assert some > 20
    assert none > 20


def test_column_rank_with_ln_2():
    """Polynomials in ln 2: full rank by a residue for ln 2; a drop is only claimed over Q."""
    matrix = lambda rows: np.array([[ln_two(*q) for q in row] for row in rows], dtype=object)  # noqa: E731
    assert column_rank(matrix([[(1,), (0, 1)], [(0, 1), (1,)]]))[1] is True  # 1 - (ln 2)^2
    assert column_rank(matrix([[(1,), (2,)], [(2,), (4,)]]))[1] is False
    assert column_rank(matrix([[(1,), (0, 1)], [(0, 1), (0, 0, 1)]]))[1] is None
    assert column_rank(matrix([[(1,), (2,)]]))[1] is False
    assert column_rank(matrix([[(1,), (3,)], [(1,), (0, 1)]]))[1] is None  # ln 2 stands for 3: not decided


def test_corollary_4_6_with_and_without_weights():
    smooth = network([1], {**DENSE, "units": 3, "activation": "relu"}, {**DENSE, "units": 2, "activation": "sigmoid"},
                     {**DENSE, "units": 2})  # fmt: skip
    samples = exactcnn.samples([[0], [1], [2]], [0, 1, 1])
    (bare,) = decide("corollary-4.6", Instance(smooth, samples), 1)
    assert bare.verdict == "proved"
    assert all(bare.summary["hypotheses"].values())
    assert "infinitely many" in bare.reason
    (seeded,) = decide("corollary-4.6", Instance(smooth, samples, Weights.from_seed(smooth, 0, 4)), 1)
    assert seeded.verdict == "proved"
    at = decided("corollary-4.6", degenerate([[1, 0], [0, 1]], [0, 0]), 1)
    assert at.verdict == "proved"
    assert at.evidence is not None
    assert "not critical" in at.reason


@pytest.mark.parametrize(
    "name, layers, rows, k",
    [
        ("distinct-samples", None, [[0], [1], [1]], 1),
        ("wide", None, [[0], [1], [2], [3]], 1),
        ("hidden-3.2", [{"units": 3, "activation": "tanh"}, {"units": 2}], [[0], [1], [2]], 1),
        (
            "slopes-without-zeros",
            [{"units": 3, "activation": "relu"}, {"units": 2, "activation": "relu"}, {"units": 2}],
            [[0], [1], [2]],
            1,
        ),
        (
            "pyramid",
            [{"units": 3, "activation": "relu"}, {"units": 1, "activation": "sigmoid"}, {"units": 2}],
            [[0], [1], [2]],
            1,
        ),
        (
            "linear-output",
            [{"units": 3, "activation": "relu"}, {"units": 2, "activation": "sigmoid"}],
            [[0], [1], [2]],
            1,
        ),
    ],
)
def test_corollary_4_6_names_what_fails(name, layers, rows, k):
    layers = layers or [
        {"units": 3, "activation": "relu"},
        {"units": 2, "activation": "sigmoid"},
        {"units": 2},
    ]
    net = network([1], *({**DENSE, **layer} for layer in layers))
    (finding,) = decide("corollary-4.6", Instance(net, exactcnn.samples(rows)), k)
    assert finding.verdict == "undecided"
    assert [key for key, value in finding.summary["hypotheses"].items() if not value] == [name]
    assert name in finding.reason


def test_corollary_4_6_is_refuted_at_the_flat_point():
    finding = decided("corollary-4.6", flat_slope(), 1)
    assert finding.verdict == "refuted"
    assert finding.evidence is not None
    assert "slopes-without-zeros" in finding.reason


def test_weights_with_ln_2_are_written_as_polynomials():
    """Their rational parts alone would be another network."""
    inst = degenerate()
    entry = inst.weights[2]
    moved = LayerWeights(entry.W, entry.b, entry.W, None)
    weights = Weights((inst.weights.layers[0], moved, inst.weights.layers[2]))
    layers = inst.network.layers
    record = weights_json(weights, layers, 3)
    assert record["kind"] == "ln2"
    assert [len(polynomial) for row in record["nodes"][1]["W"] for polynomial in row] == [
        2 if v else 0 for row in entry.W.to_fractions() for v in row
    ]
    for row, wanted in zip(record["nodes"][1]["W"], entry.W.to_fractions(), strict=True):
        for polynomial, v in zip(row, wanted, strict=True):
            assert [Fraction(c) for c in polynomial] == ([v, v] if v else [])
    first = [[[Fraction(c) for c in polynomial] for polynomial in row] for row in record["nodes"][0]["W"]]
    assert first == [[[v] for v in row] for row in inst.weights[1].W.to_fractions()]
    assert (
        weights_json(weights, layers, 1)["kind"] == "rational"
    )  # of layers that are left out nothing is said
    assert weights_json(weights, layers, 1)["nodes"][1:] == [None, None]
    assert weights_json(inst.weights, layers, 3)["kind"] == "rational"
    assert weights_json(weights, layers, 3) != weights_json(inst.weights, layers, 3)
