"""Points of small loss surfaces that are known, and the symmetries that a judgment may name."""

from handmade import act, dense, inline, instance, network, rational, targets, weight
from hills import Hill


def scaling(node, index):
    return {"kind": "scaling", "node": node, "index": index}


def shift(node, index):
    return {"kind": "shift", "node": node, "index": index}


def idle(parameter):
    return {"kind": "idle", "parameter": parameter}


def line_fit():
    """F = w x + b by least squares: x = -1, 0, 1, targets 1, 0, 2: w = 1/2, b = 1."""
    case = instance(network([1], dense(1, "unit")), inline([[-1], [0], [1]]), None, targets([[1], [0], [2]]))
    case["weights"]["w"] = rational(
        {"W": {"denominator": 2, "rows": [[1]]}, "b": {"denominator": 1, "values": [1]}}
    )
    return case


def towered(sigma, bias="unit", above="unit"):
    """u sigma(w x + b) + c with residuals orthogonal to 1 and x at x = 1, 2, 3, where sigma is the identity or a multiple."""
    net = network([1], dense(1, bias), *([act(sigma)] if sigma else []), dense(1, above))
    first = weight([[2]], None if bias == "none" else [1])
    case = instance(
        net, inline([[1], [2], [3]]), rational(first, weight([[1]], None if above == "none" else [0]))
    )
    rows = Hill({**case, "targets": targets([[0]] * 3)}).residuals()
    rest = [1, -2, 1]
    case["targets"] = targets([[int(4 * row[0]) - r] for row, r in zip(rows, rest, strict=True)], 4)
    return case
