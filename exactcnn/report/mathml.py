"""Floor 6: formulas of the statements as MathML, which browsers read aloud and print.

A formula is written as a line of tokens, ``rank F_k = N``: words of several letters are upright, an underscore makes a
subscript, a caret a superscript, Greek letters have their names.
"""

from __future__ import annotations

from html import escape

__all__ = ["formula"]

_NAMES = {
    "Phi": "&#x03A6;",
    "sigma": "&#x03C3;",
    "grad": "&#x2207;",
    "exists": "&#x2203;",
    "all": "&#x2200;",
    "in": "&#x2208;",
    "R": "&#x211D;",
    "lambda": "&#x03BB;",
}
_OPERATORS = set("=<>+()[],:|!")
_SIGNS = {
    "<=": "&#x2264;",
    ">=": "&#x2265;",
    "!=": "&#x2260;",
    "iff": "&#x27FA;",
    "implies": "&#x27F9;",
    "-": "&#x2212;",
}


def _atom(token: str) -> str:
    if token in _SIGNS:
        return f"<mo>{_SIGNS[token]}</mo>"
    if token in _OPERATORS:
        return f"<mo>{escape(token)}</mo>"
    if token in ("grad", "exists", "all", "in"):
        return f"<mo>{_NAMES[token]}</mo>"
    if token in _NAMES:
        return f"<mi>{_NAMES[token]}</mi>"
    if token.replace("/", "").replace(".", "").isdigit():
        return f"<mn>{escape(token)}</mn>"
    style = "" if len(token) == 1 else ' mathvariant="normal"'
    return f"<mi{style}>{escape(token)}</mi>"


def _token(token: str) -> str:
    if token in _SIGNS or token in _OPERATORS:
        return _atom(token)
    base, _, upper = token.partition("^")
    base, _, lower = base.partition("_")
    parts = [_atom(base)]
    for text in (lower, upper):
        if text:
            pieces = [_atom(piece) for piece in text.replace("+", " + ").replace("-", " - ").split()]
            parts.append(f"<mrow>{''.join(pieces)}</mrow>")
    if lower and upper:
        return f"<msubsup>{''.join(parts)}</msubsup>"
    if lower or upper:
        return f"<m{'sub' if lower else 'sup'}>{''.join(parts)}</m{'sub' if lower else 'sup'}>"
    return parts[0]


def formula(text: str) -> str:
    """A line of tokens, separated by spaces, as a <math> element.

    >>> formula("rank F_k = N").count("<msub>"), "&#x2264;" in formula("a <= b")
    (1, True)
    """
    body: list[str] = []
    for token in text.split():
        if body and token.isalpha() and len(token) > 1:
            body.append('<mspace width="0.4em"/>')
        body.append(_token(token))
        if token.isalpha() and len(token) > 1 and token not in _NAMES:
            body.append('<mspace width="0.3em"/>')
    return f'<math display="block"><mrow>{"".join(body)}</mrow></math>'
