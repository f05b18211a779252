"""Floor 6: the judgments of a certificate in words, a line each.

These words say what kind of evidence is in a file, never that it is good: that is the checker's part.  Nothing is
taken for granted of a judgment but its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exactcnn.report.layout import Layout, short

__all__ = ["judgment_words", "number_words", "polynomial_words"]

Judgment = dict[str, Any]


def number_words(value: Any) -> str:
    """A rational of the format, beyond 24 characters in six digits.

    >>> number_words("225199/1312200"), number_words("1208925819614629174706176/3"), number_words([0])
    ('225199/1312200', 'about 4.02975e+23', '[0]')
    """
    from exactcnn.checker.core.grammar import number
    from exactcnn.checker.core.outcome import Malformed

    text = str(value)
    if len(text) <= 24:
        return text
    try:
        return f"about {float(number(value, 'number')):.6g}"
    except (Malformed, OverflowError):
        return short(text)


def polynomial_words(value: Any) -> str:
    """A polynomial in ln 2 by its coefficients.

    >>> polynomial_words([]), polynomial_words(["1/2"]), polynomial_words([0, -3, "1/2"])
    ('0', '1/2', '-3 ln 2 + 1/2 (ln 2)^2')
    """
    if not isinstance(value, list):
        return short(value)
    names = ["", " ln 2", *(f" (ln 2)^{i}" for i in range(2, len(value)))]
    terms = [f"{number_words(c)}{name}" for c, name in zip(value, names, strict=False) if c != 0]
    return short(" + ".join(terms) or "0", 120)


def _count(value: Any, thing: str = "") -> str:
    """How many, of what.

    >>> _count([7], "row"), _count([], "row"), _count(None, "row"), _count([1, 2])
    ('1 row', '0 rows', '? rows', '2')
    """
    number = f"{len(value):,}" if isinstance(value, list) else "?"
    return f"{number} {thing}{'' if number == '1' else 's'}" if thing else number


def _matrix(judgment: Judgment, layout: Layout) -> str:
    """The matrix that a judgment is about, and at which weights."""
    of = judgment.get("of")
    if not isinstance(of, dict):
        return "a matrix"
    letter = "F" if of.get("matrix") == "features" else "U"
    name = layout.name(of.get("node"), letter)
    row = " with the row v below" if of.get("matrix") == "lifted-and-row" else ""
    return f"{name}{row} at the weights “{short(of.get('weights'))}”"


def _systems(judgment: Judgment) -> str:
    """How a square matrix is shown to be regular."""
    solutions = judgment.get("solutions")
    vectors = solutions.get("vectors") if isinstance(solutions, dict) else solutions
    if not isinstance(vectors, list):
        return "by elimination"
    return f"by {_count(vectors, 'solved system')}, with right-hand sides drawn after the matrix was fixed"


def _minor(judgment: Judgment, layout: Layout) -> str:
    symbol = "ln 2" if "lifted" in str(judgment.get("of")) else "e^(1/D)"
    root = f", {symbol} replaced by a residue" if judgment.get("root") is not None else ""
    order = _count(judgment.get("rows"))
    where = f"modulo the prime {short(judgment.get('prime'))}{root}"
    return f"a square part of {_matrix(judgment, layout)}, of order {order}: regular {where}, {_systems(judgment)}"


def _enclosed(judgment: Judgment, layout: Layout) -> str:
    order, places = _count(judgment.get("rows")), short(judgment.get("precision"))
    matrix = f"a square part of {_matrix(judgment, layout)}, of order {order}"
    return f"{matrix}, enclosed at {places} binary places: regular, {_systems(judgment)}"


def _kernel(judgment: Judgment, layout: Layout) -> str:
    lines = "rows" if judgment.get("side") == "left" else "columns"
    count = _count(judgment.get("vectors"), "independent linear relation")
    return f"{count} between the {lines} of {_matrix(judgment, layout)}"


def _polynomial_kernel(judgment: Judgment, layout: Layout) -> str:
    lines = "rows" if judgment.get("side") == "left" else "columns"
    count, name = (
        _count(judgment.get("vectors"), "independent relation"),
        layout.name(judgment.get("node"), "U"),
    )
    return f"{count} between the {lines} of {name}, polynomials in the filters: for all filters"


_RULES = {
    "width": "the number of columns",
    "samples": "the number of different samples",
    "restriction": "the number of different samples under some of the patches",
    "patches": "the numbers of different patch values, position by position",
    "sequences": "the number of different columns under shared biases",
}


def _counted(judgment: Judgment, layout: Layout) -> str:
    rule = judgment.get("rule")
    words = _RULES.get(rule, short(rule)) if isinstance(rule, str) else short(rule)
    return f"{words}, which bounds the rank of {layout.name(judgment.get('node'))} for all weights"


def _cover(judgment: Judgment, layout: Layout) -> str:
    rows, columns = _count(judgment.get("rows"), "row"), _count(judgment.get("columns"), "column")
    return (
        f"{rows} and {columns} of {layout.name(judgment.get('node'), 'U')} that hold every entry other than 0"
    )


def _order(judgment: Judgment, layout: Layout) -> str:
    count, core = _count(judgment.get("order"), "sample"), judgment.get("thresholds")
    more = (
        f"; a core of {_count(core, 'sample')} with a regular matrix of its own"
        if isinstance(core, list) and core
        else ""
    )
    name = layout.name(judgment.get("node"))
    return (
        f"an order of the {count} in which each is singled out by a unit, a triangular limit of {name}{more}"
    )


def _patches(judgment: Judgment, layout: Layout) -> str:
    found = judgment.get("collision")
    if found is None:
        return "a comparison of all patches"
    samples, patches = (found.get(key) if isinstance(found, dict) else None for key in ("samples", "patches"))
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in (samples, patches)):
        return "two equal patches of different samples"
    assert isinstance(samples, list)
    assert isinstance(patches, list)
    first, second = (f"patch {short(p)} of sample {short(i)}" for i, p in zip(samples, patches, strict=True))
    return f"{first}, equal to {second}"


def _structure(judgment: Judgment, layout: Layout) -> str:
    where = f"the patches that {layout.place(judgment.get('node'), 'U')} reads, as sets"
    uncovered, equal = judgment.get("uncovered"), judgment.get("equal")
    found = [f"{_count(uncovered, 'neuron')} in no patch"] if uncovered else []
    found += [f"{_count(equal, 'pair')} of equal patches"] if equal else []
    return f"{where}: {' and '.join(found)}" if found else where


def _gradient(judgment: Judgment, layout: Layout) -> str:
    partial, at = judgment.get("partial"), _at(judgment)
    if partial is None:
        return f"all partial derivatives of the loss at {at} in exact arithmetic: 0"
    return (
        f"the partial derivative of the loss by parameter {short(partial)} at {at} in exact arithmetic: not 0"
    )


def _at(judgment: Judgment) -> str:
    return f"the weights “{short(judgment.get('weights'))}”"


def _symmetries(judgment: Judgment) -> str:
    found = judgment.get("symmetries")
    many = isinstance(found, list) and len(found) > 1
    return (
        f", {len(found)} symmetr{'ies' if many else 'y'} for the others"
        if isinstance(found, list) and found
        else ""
    )


def _definite(judgment: Judgment, layout: Layout) -> str:
    free = _count(judgment.get("free"), "parameter")
    return f"the Hessian at {_at(judgment)} in intervals: positive definite on {free}{_symmetries(judgment)}"


def _interval(value: Any) -> str:
    if not isinstance(value, list) or len(value) != 2:
        return short(value)
    return f"{number_words(value[0])} and {number_words(value[1])}"


def _isolated(judgment: Judgment, layout: Layout) -> str:
    signs = judgment.get("inertia")
    inertia = ""
    if isinstance(signs, list) and len(signs) == 2:
        inertia = f"; the Hessian has {short(signs[0])} positive and {short(signs[1])} negative eigenvalues"
    wide = judgment.get("wide")
    member = f"; in S_k at {layout.place(wide.get('node'))}" if isinstance(wide, dict) else ""
    free = _count(judgment.get("free"), "parameter")
    return (
        f"Krawczyk's test in {free} around {_at(judgment)}{_symmetries(judgment)}: one critical point, "
        f"loss between {_interval(judgment.get('loss'))}{inertia}{member}"
    )


_WORDS: dict[str, Callable[[Judgment, Layout], str]] = {
    "minor-mod-p": _minor,
    "minor-enclosed": _enclosed,
    "kernel": _kernel,
    "polynomial-kernel": _polynomial_kernel,
    "count": _counted,
    "cover": _cover,
    "determinantal": lambda j, at: f"a determinantal identity of convolutions, for {at.name(j.get('node'), 'U')}",
    "order": _order,
    "patches-differ": _patches,
    "growth": lambda j, at: "the table of activations: limits and growth",
    "structure": _structure,
    "clauses": lambda j, at: "the network's shape and activations, clause by clause",
    "general-position": lambda j, at: (
        f"the hypotheses of the general proof for {at.name(j.get('node'))}, decided on this data"
    ),
    "dead": lambda j, at: (
        f"for {at.name(j.get('node'))}: a box of weights, of positive volume, where {at.place(j.get('dead'))} is dead"
    ),
    "generic-data": lambda j, at: f"the hypotheses of the proof for generic data, at {at.place(j.get('node'))}",
    "loss-exact": lambda j, at: f"the loss at {_at(j)} in exact arithmetic: {polynomial_words(j.get('value'))}",
    "gradient-exact": _gradient,
    "slope-enclosed": lambda j, at: (
        f"the partial derivative of the loss by parameter {short(j.get('partial'))} at {_at(j)} in intervals: not 0"
    ),
    "loss-enclosed": lambda j, at: f"the loss at {_at(j)} in intervals: between {_interval(j.get('bounds'))}",
    "correction": lambda j, at: (
        f"a change of the output weights “{short(j.get('weights'))}” that nearly fits the targets; what is left over"
    ),
    "definite": _definite,
    "descent": lambda j, at: f"a direction at {_at(j)} along which the second derivative of the loss is negative",
    "isolated": _isolated,
}  # fmt: skip


def judgment_words(judgment: Judgment, layout: Layout) -> str:
    """What the judgment is, as the file states it.

    >>> from exactcnn.report.layout import layout_of
    >>> at = layout_of({"name": "", "input": [2], "nodes": [{"kind": "dense", "of": [0], "units": 3, "bias": "none"}]})
    >>> judgment_words({"kind": "count", "node": 1, "rule": "width", "positions": None}, at)
    'the number of columns, which bounds the rank of F_1 for all weights'
    """
    words = _WORDS.get(judgment["kind"])
    return short(judgment["kind"] if words is None else words(judgment, layout), 400)
