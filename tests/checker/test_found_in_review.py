"""What a reviewer who had not written the checker got it to say wrongly, each now refused (or said rightly)."""

import mpmath
import pytest

from exactcnn.checker import arrays, check_certificate
from exactcnn.checker.core import intervals
from tests.checker.handmade import (
    claim,
    concat,
    conv,
    count,
    dense,
    enclosed,
    features,
    inline,
    instance,
    judged,
    kernel,
    lifted,
    minor,
    network,
    rational,
    seal,
    targets,
    weight,
)


def checked(case, judgments, claims):
    return check_certificate(seal(case, judgments, claims), max_seconds=None)


def activation(name, **parameters):
    return {"kind": "activation", "activation": {"name": name, **parameters}}


def cubic(a, b, c):
    terms = [["*", a, "t"], ["*", b, ["**", "t", 2]], ["*", c, ["**", "t", 3]]]
    return ["+", terms[0], ["+", terms[1], terms[2]]]


def test_undecided_asserts_nothing():
    """The verdict "undecided", of statements whose sentence is a verdict, was printed as one."""
    net = network([1], dense(2, "unit"), activation("sigmoid"), dense(1, "unit"))
    weights = {
        "w": rational(weight([[1, 0]], [0, 0]), weight([[1], [1]], [0])),
        "b": rational(weight([[0, 0]], [0, 0]), weight([[0], [0]], [0])),
    }
    case = instance(net, inline([[1], [2]]), goals=targets([[0], [0]]), **weights)
    facts = [judged("growth", activation={"name": "relu"})]
    claims = [
        claim("theorem-3.5", "undecided", node=2), claim("extension-a", "undecided", node=2),
        claim("s-k", "undecided", node=2, weights="w"), claim("corollary-3.6", "undecided", node=2, weights="w"),
        claim("local-minimum", "undecided", weights="b"), claim("smaller-loss", "undecided", weights="w", than="b"),
        claim("lemma-4.2", "undecided", node=2), claim("theorem-3.4", "undecided", node=2, weights="w"),
        claim("critical-point", "undecided", weights="w"),
        claim("zero-loss-nearby", "undecided", node=2, weights="w", distance=9),
    ]  # fmt: skip
    for each in claims:
        assert checked(case, facts, [each]).outcome == "REJECTED", each["statement"]


def test_hessians_go_through_max_pooling():
    """Tangents were dropped at a pool, so that a saddle was "a local minimum" beside a smaller loss."""
    s, y = (
        [14, 2, 0],
        [[13], [-2], [-7]],
    )  # s(h(x)) at x = 1, 2, 3 is not needed exactly: the claim is about curvature only
    del s
    net = network(
        [1], dense(1), activation("custom", tree=cubic(-3, 1, 1)), {"kind": "maxpool-lists", "patches": [[0]]},
        activation("custom", tree=cubic(1, 1, 0)), dense(1),
    )  # fmt: skip
    plain = network(
        [1],
        dense(1),
        activation("custom", tree=cubic(-3, 1, 1)),
        activation("custom", tree=cubic(1, 1, 0)),
        dense(1),
    )
    given = rational(weight([[1]]), weight([[1]]))
    met = set()
    for direction in ([1, 0], [0, 1], [1, 1], [1, -1], [3, -20]):
        bend = judged("descent", weights="w", precision=128, vector=direction)
        outcomes = {
            checked(instance(each, inline([[1], [2], [3]]), goals=targets(y), w=given), [bend],
                    [claim("local-minimum", "refuted", weights="w")]).outcome
            for each in (net, plain)
        }  # fmt: skip
        assert len(outcomes) == 1, direction
        met |= outcomes
    assert met == {"VERIFIED", "REJECTED"}


def test_a_shift_is_a_symmetry_of_straight_pieces_only():
    """arctan has slope exactly 1 at 0, and is no line there."""
    net = network([1], dense(1, "unit"), activation("arctan"), dense(1, "unit"))
    case = instance(
        net, inline([[0]]), goals=targets([[0]]), w=rational(weight([[1]], [0]), weight([[1]], [0]))
    )
    bend = judged(
        "definite", weights="w", precision=64, free=[0, 2, 3], symmetries=[{"kind": "shift", "node": 1, "index": 0}],
        transform=[[int(i == j) for j in range(3)] for i in range(3)],
    )  # fmt: skip
    flat = judged("gradient-exact", weights="w", partial=None)
    verdict = checked(case, [flat, bend], [claim("local-minimum", "proved", (0, 1), weights="w")])
    assert verdict.outcome == "REJECTED"
    assert "slope 1" in verdict.reason


@pytest.mark.parametrize("w", [16, 256, 4096])
def test_exponentials_far_out(w):
    """The error of ln 2 is multiplied by up to 2^14 in the reduction of the argument."""
    with mpmath.workprec(60_000):
        for x in (1000, 8000, 8191, -50, -1):
            n = (x << w) + 12345
            low, high = intervals.exp_at(n, w)
            assert low <= mpmath.exp(mpmath.mpf(n) / mpmath.mpf(2) ** w) * mpmath.mpf(2) ** w <= high


def test_points_are_named_by_the_end_of_a_layer():
    """The node before a ReLU has full rank where the layer itself is dead."""
    net = network([1], dense(2, "unit"), activation("relu"), dense(1, "unit"), dense(1, "unit"))
    given = rational(weight([[1, 0]], [-10, -5]), weight([[1], [1]], [0]), weight([[1]], [0]))
    case = instance(net, inline([[1], [2]]), goals=targets([[0], [1]]), w=given)
    facts = [
        minor(features(1), [0, 1], [0, 1]), minor(lifted(4), [0], [0]), judged("loss-exact", weights="w", value=["1/2"]),
        judged("gradient-exact", weights="w", partial=8),
    ]  # fmt: skip
    point = claim(
        "point",
        "proved",
        (0, 1, 2, 3),
        node=1,
        weights="w",
        v=None,
        critical=False,
        loss=["1/2"],
        flat=False,
        failing=[],
    )
    verdict = checked(case, facts, [point])
    assert verdict.outcome == "REJECTED"
    assert "does not end a layer" in verdict.reason


def test_different_matrices_have_different_names():
    net = network([1], dense(2, "unit"), activation("relu"), activation("relu6"))
    case = instance(net, inline([[6], [7]]), w=rational(weight([[1, 1]], [0, 1])))
    facts = [
        minor(features(2), [0, 1], [0, 1]),
        kernel(features(3), "left", (0, [[0, 1], [1, -1]])),
    ]
    claims = [
        claim("rank", "proved", (0,), node=2, weights="w", lower=2, upper=2),
        claim("rank", "refuted", (1,), node=3, weights="w", lower=0, upper=1),
    ]
    verdict = checked(case, facts, claims)
    assert verdict.outcome == "VERIFIED"
    assert "F_1" in verdict.claims[0]
    assert "F at node 3" in verdict.claims[1]


def test_features_that_do_not_exist_have_no_kernel():
    net = network([1], dense(1, "unit"), activation("custom", tree=["/", 1, 0]))
    case = instance(net, inline([[1], [1]]), w=rational(weight([[1]], [0])))
    vector = kernel(features(2), "left", (0, [[0, 1], [1, -1]]))
    verdict = checked(case, [vector], [claim("rank", "refuted", node=2, weights="w", lower=0, upper=1)])
    assert verdict.outcome == "REJECTED"


def test_smaller_than_what_was_compared():
    """The loss at the weights was compared, and the critical point near them was named."""
    case = instance(
        network([1], dense(1)), inline([[1]]), goals=targets([[0]]), here=rational(weight([[1]], denominator=2)),
        there=rational(weight([[1]])),
    )  # fmt: skip
    box = judged(
        "isolated", weights="there", precision=64, radius=str(2 << 64), free=[0], symmetries=[], scale=0, preconditioner=[[1]],
        transform=[[1]], inertia=[1, 0], loss=[0, 10], wide=None,
    )  # fmt: skip
    facts = [
        judged("loss-exact", weights="here", value=["1/8"]),
        judged("loss-exact", weights="there", value=["1/2"]),
        box,
    ]
    (sentence,) = checked(
        case, facts, [claim("smaller-loss", "proved", (0, 1, 2), weights="here", than="there")]
    ).claims
    assert "is smaller than at the weights there" in sentence
    assert (
        checked(case, facts, [claim("smaller-loss", "proved", (0, 2), weights="here", than="there")]).outcome
        == "REJECTED"
    )


def test_a_loss_of_zero_is_a_number():
    case = instance(
        network([1], dense(1)),
        inline([[1]]),
        goals=targets([[0]]),
        a=rational(weight([[0]])),
        b=rational(weight([[1]])),
    )
    facts = [judged("loss-exact", weights="a", value=[]), judged("loss-exact", weights="b", value=["1/2"])]
    assert (
        checked(case, facts, [claim("smaller-loss", "proved", (0, 1), weights="a", than="b")]).outcome
        == "VERIFIED"
    )


def test_a_correction_needs_a_dense_output():
    case = instance(
        network([1], dense(1), activation("relu")),
        inline([[1]]),
        goals=targets([[0]]),
        w=rational(weight([[1]])),
    )
    change = judged("correction", weights="w", precision=64, change={"denominator": 1, "rows": [[0]]})
    verdict = checked(case, [change], [claim("zero-loss-nearby", "proved", node=1, weights="w", distance=1)])
    assert verdict.outcome == "REJECTED"


@pytest.mark.parametrize("root", [4, 5])
def test_poles_that_no_entry_meets(root, monkeypatch):
    """With NumPy a table of all powers was made, and its pole refused although no entry has it."""
    monkeypatch.setattr(arrays, "LARGE", 0)
    net = network([1], dense(2, "unit"), activation("sigmoid"))
    case = instance(net, inline([[1], [2]]), w=rational(weight([[1, 2]], [0, 1])))
    found = minor(features(2), [0, 1], [0, 1], 503, root)
    matrix_claim = claim("rank", "proved", node=2, weights="w", lower=2, upper=2)
    outcomes = []
    for numpy in (True, False):
        if not numpy:
            monkeypatch.setattr(arrays, "load", lambda: None)
        outcomes.append(checked(case, [found], [matrix_claim]).outcome)
    assert outcomes == ["VERIFIED"] * 2


WITHOUT_VALUES = (
    ["/", 1, "t"],
    ["log", "t"],
    ["**", "t", -1],
    ["sqrt", "t"],
    ["/", 1, ["+", "t", ["abs", "t"]]],
)


@pytest.mark.parametrize("tree", WITHOUT_VALUES, ids=str)
def test_features_that_do_not_exist(tree):
    """A custom activation without a value somewhere: bounds, minors of other columns and dead boxes spoke of its features."""
    net = network([1], dense(2, "unit"), activation("relu"), activation("custom", tree=tree), dense(1))
    case = instance(net, inline([[1]]), w=rational(weight([[1, 0]], [0, 0]), weight([[1], [1]])))
    dead = claim("theorem-3.5", "refuted", node=3)
    for judgments, claimed in (
        ([judged("dead", node=3, dead=2)], dead),
        ([enclosed(features(3), [0], [0])], claim("corollary-3.6", "proved", node=3, weights="w")),
        ([count(4, "width")], claim("rank", "refuted", node=4, weights="w", lower=0, upper=1)),
        ([count(3, "width")], claim("rank", "undecided", node=3, weights=None, lower=0, upper=1)),
    ):
        verdict = checked(case, judgments, [claimed])
        assert verdict.outcome == "REJECTED", verdict
        assert "may have no value somewhere" in verdict.reason


def test_claims_name_weights_that_are_given():
    """Bounds for all weights made true claims about weights that are null, or not there at all."""
    case = instance(network([1], dense(1), dense(1)), inline([[1], [2]]), w=rational(None, weight([[1]])))
    growth = [judged("growth", activation={"name": "relu"})]
    for claimed in (
        claim("rank", "refuted", node=1, weights="w", lower=0, upper=1),
        claim("rank", "refuted", node=2, weights="w", lower=0, upper=1),
        claim("s-k", "refuted", node=1, weights="w"),
        claim("lifted-rank", "undecided", node=1, weights="w", lower=0, upper=1),
        claim("theorem-3.4", "refuted", node=2, weights="elsewhere"),
        claim("theorem-3.4", "refuted", node=2, weights="w"),
    ):
        verdict = checked(case, growth, [claimed])
        assert verdict.outcome == "REJECTED", (claimed, verdict)
        assert "weights" in verdict.reason
    lifted_rank = claim("lifted-rank", "proved", node=2, weights="w", lower=1, upper=1)
    assert checked(case, [minor(lifted(2), [0], [0])], [lifted_rank]).outcome == "VERIFIED"


def test_assumption_4_1_says_nothing_of_custom_outputs():
    """The same network with "t" for identity was said to fail."""
    outcomes = []
    for output in (activation("identity"), activation("custom", tree="t")):
        net = network([1], conv(2, patches=[[0]], bias="unit"), activation("sigmoid"), dense(1), output)
        case = instance(net, inline([[0], [1]]))
        for verdict, failing in (("proved", [[]]), ("refuted", [["output-dense"]])):
            claimed = claim("assumption-4.1", verdict, failing=failing)
            outcomes.append(checked(case, [judged("clauses")], [claimed]).outcome)
    assert outcomes == ["VERIFIED", "REJECTED", "REJECTED", "REJECTED"]


ROOT = ["*", 4, ["sqrt", ["abs", "t"]]]


@pytest.mark.parametrize(
    "tree",
    [ROOT, ["sqrt", ["*", -1, ["abs", "t"]]], ["sqrt", "t"], ["log", ["+", 1, ["*", -1, ["abs", "t"]]]]],
    ids=str,
)
def test_kinks_without_a_bounded_slope(tree):
    """A unit at a kink that dPhi/df does not feel was skipped; under a root of |t| the loss has no derivative all the same."""
    net = network([1], dense(1), activation("custom", tree=tree), concat("units", 1, 2))
    case = instance(net, inline([[1]]), rational(weight([[0]])), targets([[-1, 0]]))
    slope = judged("gradient-exact", weights="w", partial=0)
    still = judged("gradient-exact", weights="w", partial=None)
    loss = judged("loss-exact", weights="w", value=["1/2"])
    for judgments, claimed in (
        ([slope], claim("local-minimum", "refuted", weights="w")),
        ([slope], claim("critical-point", "refuted", weights="w")),
        ([still], claim("critical-point", "proved", weights="w")),
        ([loss], claim("loss", "proved", weights="w")),
    ):
        assert checked(case, judgments, [claimed]).outcome == "REJECTED", (tree, claimed)
    bounded = network(
        [1], dense(1), activation("custom", tree=["sqrt", ["+", 1, ["abs", "t"]]]), concat("units", 1, 2)
    )
    case = instance(bounded, inline([[1]]), rational(weight([[0]])), targets([[-1, 1]]))
    assert checked(case, [slope], [claim("critical-point", "refuted", weights="w")]).outcome == "VERIFIED"


def test_networks_without_parameters_have_no_critical_points():
    case = instance(network([1], activation("relu")), inline([[1]]), rational(), targets([[3]]))
    shape = {"precision": 32, "free": [], "symmetries": [], "transform": []}
    isolated = judged(
        "isolated",
        weights="w",
        **shape,
        radius=1,
        scale=0,
        preconditioner=[],
        inertia=[0, 0],
        loss=[0, 9],
        wide=None,
    )
    for judgment, statement in (
        (judged("gradient-exact", weights="w", partial=None), "critical-point"),
        (isolated, "critical-point-nearby"),
    ):
        assert checked(case, [judgment], [claim(statement, "proved", weights="w")]).outcome == "REJECTED"


def test_s_speaks_of_whole_weights_and_layers():
    net = network(
        [2], dense(2, "unit"), activation("sigmoid"), dense(2, "unit"), activation("sigmoid"), dense(1)
    )
    case = instance(
        net, inline([[1, 2], [1, 2], [0, 1]]), w=rational(weight([[1, 0], [0, 1]], [0, 0]), None, None)
    )
    assert (
        checked(case, [count(2, "samples")], [claim("s-k", "refuted", node=2, weights="w")]).outcome
        == "REJECTED"
    )


def test_long_samples_and_scales_end_in_a_sentence(tmp_path, monkeypatch):
    relu = instance(network([1], dense(1, "unit"), activation("relu")), inline([["1" * 5000], ["2" * 5000]]))
    verdict = checked(relu, [judged("dead", node=2, dead=2)], [claim("theorem-3.5", "refuted", node=2)])
    assert verdict.outcome in ("VERIFIED", "NOT CHECKED"), verdict
    monkeypatch.setattr(arrays, "LARGE", 0)
    big = instance(network([2], dense(2)), inline([[0, 0], [0, 0]]), rational(weight([[1, 0], [0, 1]])))
    big["data"] = {**big["data"], "rows": [[0, 0], [0, 0]], "denominator": 1}
    solved = minor(features(1), [0, 1], [0, 1], 2147483629, solutions=[[1, 1]] * 7)
    assert (
        checked(big, [solved], [claim("rank", "proved", node=1, weights="w", lower=2, upper=2)]).outcome
        == "REJECTED"
    )


def test_numbers_are_not_cut():
    """The first digits of a long fraction are another number."""
    from fractions import Fraction

    from exactcnn.checker.core.outcome import show

    assert show(Fraction(1, 3)) == "1/3"
    assert show(Fraction(10**40 + 1, 10**60 + 7)) == "a number of 200 bits"


def test_ties_of_data_through_many_pools():
    """Whether a tie stands still was asked again for every path down."""
    pool = {"kind": "maxpool-lists", "patches": [[0, 1], [0, 1]]}
    net = network([2], *[pool] * 60, dense(1))
    case = instance(net, inline([[1, 1]]), rational(weight([[1], [1]])), targets([[0]]))
    found = judged("gradient-exact", weights="w", partial=0)
    assert checked(case, [found], [claim("critical-point", "refuted", weights="w")]).outcome == "VERIFIED"


def test_partial_derivatives_above_a_kink():
    """ReLU at its kink, felt by the loss: the output weight's partial derivative exists, those below do not."""
    net = network([1], dense(2, "unit"), activation("relu"), dense(1, "unit"))
    weights = rational(weight([[1, 1]], [-1, 1]), weight([[1], [2]], [0]))
    case = instance(net, inline([[1]]), weights, targets([[0]]))
    for partial, outcome in (
        (5, "VERIFIED"),
        (6, "VERIFIED"),
        (4, "REJECTED"),
        (0, "REJECTED"),
        (1, "REJECTED"),
        (None, "REJECTED"),
        (7, "REJECTED"),
    ):
        found = judged("gradient-exact", weights="w", partial=partial)
        for statement in ("critical-point", "local-minimum"):
            assert checked(case, [found], [claim(statement, "refuted", weights="w")]).outcome == outcome, (
                partial
            )
    # Of half a gradient nothing is said about U below: a point needs all of it.
    judgments = [
        minor(features(2), [0], [1]),
        judged("loss-exact", weights="w", value=[8]),
        judged("gradient-exact", weights="w", partial=6),
    ]
    fields = {"v": None, "critical": False, "loss": [8], "flat": False, "failing": []}
    assert (
        checked(case, judgments, [claim("point", "proved", (0, 1, 2), node=2, weights="w", **fields)]).outcome
        == "REJECTED"
    )


@pytest.mark.parametrize("relu_first", [False, True])
def test_a_kink_that_a_parameter_does_not_move(relu_first):
    """In another branch, whatever its number: only what a parameter moves counts."""
    branches = [dense(1, "unit", of=[0]), activation("relu"), dense(1, "unit", of=[0])]
    weights = [weight([[1]], [-1]), weight([[1]], [0])]
    add = {"kind": "add", "of": [2, 3]}
    if not relu_first:
        branches = [dense(1, "unit", of=[0]), dense(1, "unit", of=[0]), activation("relu")]
        weights, add = weights[::-1], {"kind": "add", "of": [1, 3]}
    case = instance(network([1], *branches, add), inline([[1]]), rational(*weights), targets([[5]]))
    smooth = 2 if relu_first else 0  # the first parameter of the branch without a kink
    for partial in range(4):
        found = judged("gradient-exact", weights="w", partial=partial)
        outcome = checked(case, [found], [claim("critical-point", "refuted", weights="w")]).outcome
        assert outcome == ("VERIFIED" if partial in (smooth, smooth + 1) else "REJECTED"), partial


@pytest.mark.parametrize(
    "tree, says",
    [
        (["*", "t", ["+", 1, ["abs", "t"]]], "may have no slope at the point"),  # slope 1 + 2 |t|
        (["/", "t", ["+", 1, ["abs", "t"]]], "may have no slope at the point"),  # softsign
        (["+", "t", ["**", "t", 3]], "VERIFIED"),
    ],
)
def test_a_slope_that_may_not_exist_is_no_slope_of_zero(tree, says):
    """The hypothesis that slopes have no zeros was said to fail where the checker could not find the slope."""
    sigma = {"kind": "activation", "activation": {"name": "custom", "tree": tree}}
    net = network([1], dense(1, "unit"), activation("relu"), dense(2, "unit"), sigma, dense(1, "unit"))
    weights = rational(weight([[1]], [0]), weight([[1, 0]], [0, 0]), weight([[1], [0]], [0]))
    loss = ["1/8"] if tree[0] == "/" else [2]  # (1/2)^2 / 2, 2^2 / 2
    case = instance(net, inline([[1]]), weights, targets([[0]]))
    judgments = [
        minor(features(2), [0], [0]),
        minor(lifted(5), [0], [0]),
        judged("loss-exact", weights="w", value=loss),
        judged("gradient-exact", weights="w", partial=8),
    ]
    for failing in ([], ["slopes-without-zeros"]):
        fields = {"v": None, "critical": False, "loss": loss, "flat": False, "failing": failing}
        verdict = checked(
            case, judgments, [claim("point", "proved", (0, 1, 2, 3), node=2, weights="w", **fields)]
        )
        assert verdict.outcome == ("VERIFIED" if says == "VERIFIED" and not failing else "REJECTED"), verdict
        if says != "VERIFIED":
            assert says in verdict.reason
        elif not failing:
            assert "(custom activations: at this point): none" in verdict.claims[0]


def test_what_wider_bounds_do_not_show_is_asked_of_python(monkeypatch):
    """NumPy's enclosures are wider than Python's: a certificate that needs the latter was rejected where NumPy is installed."""
    np = pytest.importorskip("numpy")
    import exactcnn

    x = np.random.default_rng(3).integers(-9, 10, (130, 6))
    net = {"input": [6], "layers": [{"kind": "dense", "units": 150, "activation": "gelu"}]}
    made = exactcnn.verify(net, x, layer=1, bits=4, scale="1/16").certificate()
    verdict = check_certificate(made, max_seconds=None)
    assert verdict.outcome == "VERIFIED"
    assert arrays.NUMPY in verdict.assumptions
    calls, values = [], arrays.values

    def wide(*given):
        found = values(*given)
        calls.append(found is not None)
        return found and (found[0], found[1] << 60)

    monkeypatch.setattr(arrays, "values", wide)
    verdict = check_certificate(made, max_seconds=None)
    assert verdict.outcome == "VERIFIED", verdict
    assert any(calls)
    assert arrays.NUMPY not in verdict.assumptions
