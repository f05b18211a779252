"""Floor 4a: exact numbers in words: whole where they are short, never cut, with their decimal beside them."""

from __future__ import annotations

from fractions import Fraction

from exactcnn.arithmetic.texts import rational_text
from exactcnn.landscape.domains import LnTwo

__all__ = ["about", "in_words"]

_SHORT = 60
_BITS = 200


def about(value: Fraction, digits: int = 10) -> str:
    """A decimal of some digits, of any size.

    >>> about(Fraction(1, 3)), about(Fraction(10) ** 400 / 3, 4)
    ('0.3333333333', '3.333e+399')
    """
    if not value or 1e-300 < abs(value) < 1e300:
        return f"{float(value):.{digits}g}"
    # a power of ten near it first, so that the rest is a float
    bits = value.numerator.bit_length() - value.denominator.bit_length()
    power = int(bits * 0.30102999566398)
    scaled = value / Fraction(10) ** power
    mantissa, _, exponent = f"{float(scaled):.{digits - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent) + power:+d}"


def in_words(value: LnTwo) -> str:
    """A sum of rational multiples of powers of ln 2, and about how much that is; of a long one how long it is.

    >>> from exactcnn.landscape.domains import ln_two
    >>> in_words(ln_two(2)), in_words(ln_two(Fraction(1, 3))), in_words(ln_two(1, 1))
    ('2', '1/3 (about 0.3333333333)', '1 + 1 ln 2 (about 1.693147181)')
    >>> in_words(ln_two(Fraction(1, 3**200)))
    'a fraction of 96 digits, about 3.76486195e-96'
    """
    names, coefficients = ["", " ln 2"], value.coefficients
    if not coefficients:
        return "0"
    if len(coefficients) == 1:
        decimal = about(coefficients[0])
    else:
        from flint import ctx

        with ctx.workprec(_BITS):
            mantissa, exponent = value.ball().mid().man_exp()
        decimal = about(Fraction(int(mantissa)) * Fraction(2) ** int(exponent))
    if sum(c.numerator.bit_length() + c.denominator.bit_length() for c in coefficients) > 3.3 * _SHORT:
        digits = max(len(part.lstrip("-")) for c in coefficients for part in rational_text(c).split("/"))
        what = "a fraction" if len(coefficients) == 1 else "a polynomial in ln 2"
        return f"{what} of {digits} digits, about {decimal}"
    terms = [
        f"{rational_text(c)}{names[i] if i < 2 else f' (ln 2)^{i}'}" for i, c in enumerate(coefficients) if c
    ]
    text = " + ".join(terms).replace("+ -", "- ")
    return (
        text if len(coefficients) == 1 and coefficients[0].denominator == 1 else f"{text} (about {decimal})"
    )
