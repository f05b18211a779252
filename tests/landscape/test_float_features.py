"""Float64 enclosures of features against balls, and the certified least-norm solution against exact ones."""

from contextlib import suppress

import numpy as np
import pytest

import exactcnn
from exactcnn.api import default_network
from exactcnn.arithmetic.enclosures import Enclosure, enclose
from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import UndecidedError
from exactcnn.features.enclosures import feature_enclosure
from exactcnn.features.forward import LayerValues
from exactcnn.features.instance import Instance
from exactcnn.landscape.float_features import certified_solution, norm_bounds
from exactcnn.landscape.interpolation import least_norm_solution, target_matrix
from exactcnn.network.weights import Weights
from tests.statements.instances import random_rows, rng


@pytest.mark.parametrize("seed", range(30))
def test_certified_distance(seed):
    """The exact least-norm solution is within the distance of the float one, and the residual is enclosed."""
    r = rng(seed)
    N, n, m = r.randint(1, 6), r.randint(6, 12), r.randint(1, 3)
    V = np.array(random_rows(r, N, n))
    if seed % 3 == 0 and N > 1:  # nearly dependent rows
        V[0] = V[1] * 1000
        V[0, 0] += 1
    Y = RationalArray.from_integers(np.array(random_rows(r, N, m)))
    found = certified_solution(enclose(V, 7), Y)
    exact = least_norm_solution(LayerValues(V, 7), Y)
    gap = exact.W.numerators / exact.W.denominator - found.X
    assert found.distance is not None
    assert np.linalg.norm(gap.astype(float)) <= found.distance * (1 + 1e-9) + 1e-300
    assert found.distance < 1e-6 * (1 + np.linalg.norm(found.X))


def test_singular_features_have_no_distance():
    V = np.array([[1, 2, 3], [2, 4, 6]])
    Y = RationalArray.from_integers(np.array([[1], [2]]))
    with suppress(UndecidedError):
        assert certified_solution(enclose(V, 1), Y).distance is None
    with pytest.raises(UndecidedError):
        certified_solution(enclose(V.T, 1), RationalArray.from_integers(np.zeros((3, 1), dtype=int)))


def test_norms():
    low, high = norm_bounds(Enclosure(np.array([[1.0, -2.0]]), np.array([[0.5, 3.0]])))
    assert low <= 0.5
    assert high >= (1.5**2 + 5**2) ** 0.5
    assert norm_bounds(Enclosure(np.array([np.inf]), np.array([np.inf])))[1] == np.inf


def test_a_hundred_digits():
    """The embedded network on 100 images: an exact interpolation within 1e-9 of floats."""
    net, data = default_network(), exactcnn.load_data("digits", samples=100)
    inst = Instance(net, data, Weights.from_seed(net, 0))
    found = certified_solution(feature_enclosure(inst, 1), target_matrix(data, 10))
    assert found.distance < 1e-9
