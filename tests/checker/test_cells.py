"""Values by polynomials on cells, in Python's integers and in NumPy's: every one lies within the radius that is claimed."""

import random

import mpmath
import pytest

from exactcnn.checker import arrays
from exactcnn.checker.core import cells as module
from exactcnn.checker.core.activations import activation
from exactcnn.checker.core.cells import Cells
from exactcnn.checker.core.numbers import Packing

mp = mpmath.mp
FUNCTIONS = {
    "sigmoid": ({}, lambda t: 1 / (1 + mp.exp(-t))),
    "sigmoid2": ({}, lambda t: 1 / (1 + mp.mpf(2) ** -t)),
    "tanh": ({}, mp.tanh),
    "softplus": ({"alpha": "3/2"}, lambda t: mp.log1p(mp.exp(1.5 * t)) / 1.5),
    "silu": ({}, lambda t: t / (1 + mp.exp(-t))),
    "gelu": ({}, lambda t: t * mp.ncdf(t)),
    "mish": ({}, lambda t: t * mp.tanh(mp.log1p(mp.exp(t)))),
    "elu": ({"alpha": "1/3"}, lambda t: t if t > 0 else mp.expm1(t) / 3),
    "gaussian": ({}, lambda t: mp.exp(-t * t)),
    "arctan": ({}, mp.atan),
    "softsign": ({}, lambda t: t / (1 + abs(t))),
    "custom": (
        {"tree": ["sqrt", ["+", ["log", ["+", 2, ["**", "t", 2]]], ["**", ["+", 3, ["abs", "t"]], -3]]]},
        lambda t: mp.sqrt(mp.log(2 + t * t) + (3 + abs(t)) ** -3),
    ),
}
BIG = 2**70


def sigma(name):
    return activation({"name": name, **FUNCTIONS[name][0]}, "")


def points(D, seed):
    """Numerators over D: at random, at borders and middles of cells and beside them, huge, tiny, twice."""
    r = random.Random(seed)
    found = [r.randrange(-6 * D, 6 * D) for _ in range(60)] + [
        r.randrange(-70 * D, 70 * D) for _ in range(40)
    ]
    for m in (-181, -17, -1, 0, 1, 2, 160, 1023 * 16, -1024 * 16 + 1, 5000 * 16):
        for half in (0, 1):
            found += [(2 * m + half) * D // 32 + k for k in (-2, -1, 0, 1, 2)]
    return [*found, 0, 1, -1, found[0]] + [(2 * 7 + 1) * D // 32 + k for k in range(-20, 20)]


def checked(name, numerators, D, found, radius, w, blur=0):
    """`found` holds sigma(v / D) over 2^(w + 1) within `radius`, also where v is off by `blur`."""
    with mpmath.workdps(60 + (w // 3)):
        for v, x in zip(numerators, found, strict=True):
            for off in {0, blur, -blur}:
                exact = FUNCTIONS[name][1](mp.mpf(v + off) / D) * 2 ** (w + 1)
                assert abs(x - exact) <= radius, (name, v, D, x, exact)


def given(cells, packing, numerators, radius, D):
    most = max(map(abs, numerators))
    return arrays.values(cells, packing, packing.pack(numerators), most, radius, D)


@pytest.fixture(params=[True, False], ids=["at once", "often"])
def often(request, monkeypatch):
    monkeypatch.setattr(module, "OFTEN", 0 if request.param else 4)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("w", [16, 72, 128])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_polynomials_in_integers(name, w):
    chosen = sigma(name)
    for D, radius in ((2**20, 0), (3 * 10**40 + 1, 10**25), (7, 0), (2**30, 2**12), (1, 0)):
        numerators = points(D, w) if D > 7 else list(range(-40, 40)) * 3
        cells = Cells(chosen, w)
        found, width = cells.values(numerators, radius, D)
        checked(name, numerators, D, found, width, w, radius)
        if radius == 0:
            assert width <= 2**16  # the tree's own, where a cell has no polynomial
            assert D <= 7 or any(cells.known.values())


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("w", [62, 72])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_polynomials_in_arrays(name, w, monkeypatch):
    pytest.importorskip("numpy")
    monkeypatch.setattr(arrays, "LARGE", 0)
    chosen = sigma(name)
    for D, radius in ((2**20, 0), (3 * 10**40 + 1, 10**25), (7, 0), (2**30, 2**12), (2**63, 5), (2**90, 0)):
        numerators = points(D, w) if D > 7 else list(range(-40, 40)) * 3
        cells, packing = Cells(chosen, w), Packing(len(numerators), 2**230)
        packed, width = given(cells, packing, numerators, radius, D)
        assert D == 7 or cells.table.count > 0
        found = packing.unpack(packed)
        checked(name, numerators, D, found, width, w, radius)
        if radius == 0 and w == 72:
            assert width <= 2**23
        again, width = given(cells, packing, numerators, radius, D)
        checked(name, numerators, D, packing.unpack(again), width, w, radius)


def test_what_arrays_leave_to_python(monkeypatch):
    pytest.importorskip("numpy")
    monkeypatch.setattr(arrays, "LARGE", 0)
    chosen = sigma("tanh")
    wide, narrow = Packing(2, 2**200), Packing(2, 2**100)
    assert given(Cells(chosen, 72), wide, [1, 2], 0, 4)
    assert given(Cells(chosen, 72), narrow, [1, 2], 0, 4) is None
    assert given(Cells(chosen, 72), wide, [1, 1 << 64], 0, 4) is None
    assert given(Cells(chosen, 61), wide, [1, 2], 0, 4) is None
    assert given(Cells(chosen, 129), wide, [1, 2], 0, 4) is None
    monkeypatch.setattr(arrays, "LARGE", 10**6)
    assert given(Cells(chosen, 72), wide, [1, 2], 0, 4) is None


def test_kinks_and_poles_have_no_polynomial(monkeypatch):
    """|t| at 0, 1/t around 0, a root at 0: the cells that touch them; values elsewhere come from polynomials."""
    monkeypatch.setattr(module, "OFTEN", 0)
    for tree in (["abs", "t"], ["sqrt", ["**", "t", 2]], ["/", 1, "t"], ["log", ["**", "t", 2]]):
        cells = Cells(activation({"name": "custom", "tree": tree}, ""), 64)
        assert [cells.cell(m) is None for m in (-80, -1, 0, 1, 80)] == [False, True, True, True, False]
    elu = Cells(sigma("elu"), 64)
    assert [elu.cell(m) is None for m in (-2, -1, 0, 1, 2)] == [False, True, True, True, False]


def test_steep_functions_have_a_bound(monkeypatch):
    """Polynomials that arrays cannot hold (slopes of 8 and more) are evaluated in integers."""
    pytest.importorskip("numpy")
    monkeypatch.setattr(arrays, "LARGE", 0)
    monkeypatch.setattr(module, "OFTEN", 0)
    chosen = activation({"name": "custom", "tree": ["exp", "t"]}, "")
    cells, packing, D = Cells(chosen, 72), Packing(120, 2**230), 10
    numerators = list(range(-60, 60))
    packed, width = given(cells, packing, numerators, 0, D)
    with mpmath.workdps(80):
        for v, x in zip(numerators, packing.unpack(packed), strict=True):
            assert abs(x - mp.exp(mp.mpf(v) / D) * 2**73) <= width
    assert 0 < cells.table.count < len([c for c in cells.known.values() if c])
