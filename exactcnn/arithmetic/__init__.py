"""Floor 1: the numbers.

``rationals`` exact arrays, ``streams`` seeded bytes, ``primes`` and ``modular`` GF(p),
``integers`` exact integer products, ``enclosures`` float64 with proved error bounds.
Nothing here knows what a network is.  Precision and moduli are arguments, never global.
"""
