"""A forged certificate that was once VERIFIED with two contradictory claims: rank F_2 = N and rank F_2 <= N - 1.

The top is exponential (gaussian), so its features are no rationals; the forged minor carries no root and takes the
squares of the exponents for the features.
"""

import pytest
from handmade import (
    act,
    conv,
    dense,
    features,
    inline,
    instance,
    kernel,
    minor,
    network,
    rank,
    rational,
    weight,
)
from verdicts import ask, rejected, verified


def forged(N, p=1000003):
    """x_0 - j through ReLU, then gaussians of sums of two neighbours: the last two samples give equal rows."""
    samples = [[i, 0] for i in range(1, N - 1)] + [[N - 1, 1], [N - 1, -1]]
    patches = [[j, N + 1] for j in range(N - 1)] + [[N - 1, N]]
    net = network([2], dense(N + 2, "unit"), act("relu"), conv(1, patches=patches), act("gaussian"))
    first = weight(
        [[1] * (N - 1) + [0] * 3, [0] * (N - 1) + [1, -1, 0]], [-j for j in range(N - 1)] + [0] * 3
    )
    case = instance(net, inline(samples), rational(first, weight([[1], [-1]])))
    lower = minor(features(4), range(N), range(N), p)
    upper = kernel(features(4), "left", (N - 1, [[N - 2, 1], [N - 1, -1]]))
    return case, lower, upper


@pytest.mark.parametrize("solutions", [None, [[0] * 12] * 10])
@pytest.mark.parametrize("root", [None, 2])
def test_features_that_are_not_rational_need_a_root(solutions, root):
    N = 12
    case, lower, upper = forged(N)
    lower |= {"solutions": solutions, "root": root}
    claims = [rank(case, 4, lower=N), rank(case, 4, upper=N - 1, by=[1])]
    about = (
        "must be null exactly where the entries are rational"
        if root is None
        else "A x = b"
        if solutions
        else "vanishes"
    )
    rejected(case, [lower, upper], claims, about)
    verified(case, upper, rank(case, 4, upper=N - 1))


def test_the_pre_activations_do_have_full_rank():
    """What the forgery stands on: (x_0 - j, ..) without the gaussian."""
    N = 12
    case, lower, upper = forged(N)
    for judgment in (lower, upper):
        judgment["of"]["node"] = 3
    verified(case, lower, rank(case, 3, lower=N))
    rejected(case, upper, rank(case, 3, upper=N - 1))
    assert ask(case, [lower, upper], rank(case, 3, lower=N)).outcome == "REJECTED"
