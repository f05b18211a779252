"""Independent checker of exactcnn certificates, written from FORMAT.md alone.

Standard library only and no other module of exactcnn: the folder works on its own, as
`python -m checker FILE...`.  Read `grammar` (what a certificate looks like), `instance` (what it speaks
about), `features` and `modular` (the arithmetic), then `evidence`, `generic`,
`assumptions`, `nested`, `triangular` and `rules` (what counts as a proof).
"""

import json
import os
from typing import Any

from . import outcome
from .evidence import Context
from .grammar import CERTIFICATE, digest, parse_json
from .instance import Instance, build_layers, check_weights, load_data, read_file
from .outcome import DEFAULT_WORK, Budget, Malformed, Rejected, TooMuch, Verdict, show
from .rules import check_claim

__all__ = ["Verdict", "check_certificate", "check_file"]


def check_file(path: str, data_path: str | None = None, *, max_work: int = DEFAULT_WORK,
               deterministic: bool = False) -> Verdict:
    """Check the certificate in a file; the content never makes this raise an exception."""
    return _guarded(path, None, data_path, max_work, deterministic)


def check_certificate(certificate: Any, data_path: str | None = None, *, max_work: int = DEFAULT_WORK,
                      deterministic: bool = False) -> Verdict:
    """Check a certificate given as a JSON value, by way of its JSON text."""
    try:
        text = json.dumps(certificate).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        return Verdict(outcome.MALFORMED, f"not a JSON value: {show(str(error))}")
    return _guarded("", text, data_path, max_work, deterministic)


def _guarded(path: str, text: bytes | None, data: str | None, max_work: int, deterministic: bool) -> Verdict:
    try:
        text = read_file(path) if text is None else text
        if text is None:
            raise Malformed(f"file: {show(path)} is not a readable file")
        return _check(parse_json(text), os.path.dirname(path), data, Budget(max_work), deterministic)
    except Malformed as error:
        return Verdict(outcome.MALFORMED, str(error))
    except Rejected as error:
        return Verdict(outcome.REJECTED, str(error))
    except TooMuch as error:
        return Verdict(outcome.NOT_CHECKED, str(error))
    except RecursionError:
        return Verdict(outcome.MALFORMED, "file: nested too deeply")
    except MemoryError:
        return Verdict(outcome.NOT_CHECKED, "file: needs more memory than there is")
    except Exception as error:  # a fault of this program must not pass for a verdict
        return Verdict(outcome.INTERNAL, f"{type(error).__name__}: {show(str(error))}")


def _check(raw: Any, folder: str, data_path: str | None, budget: Budget, deterministic: bool) -> Verdict:
    certificate = CERTIFICATE(raw, "certificate")
    spec, digests, count = certificate["instance"], certificate["digests"], len(certificate["claims"])
    for part, claimed in digests.items():
        value = raw["instance"] if part == "instance" else raw["instance"][part]
        if claimed != (None if value is None else digest(value)):
            raise Rejected(f"digests.{part}: not the digest of the {part} in this file")
    layers, data, hint = build_layers(spec["network"], budget), None, ""
    if spec["data"] is not None:
        hint = spec["data"].get("path", "")
        hints = [hint, os.path.join(folder, hint), os.path.join(folder, os.path.basename(hint))]
        data = load_data(spec["data"], layers[0].below.units, hints if data_path is None else [data_path], budget)
    if spec["weights"] is not None:
        check_weights(spec["weights"], layers)
    context = Context(Instance(layers, data, spec["weights"], budget), raw["instance"], deterministic)
    claims = [check_claim(context, claim, raw["claims"][n], f"claims[{n}]")
              for n, claim in enumerate(certificate["claims"])]
    error_bound = None
    if context.error_bits:  # the errors of several claims add up
        error_bound = f"2^-{min(context.error_bits) - (len(context.error_bits) - 1).bit_length()}"
    described = {
        "network": show(spec["network"]["name"]), "digest": digests["instance"],
        "data": "none" if data is None else f"{spec['data']['kind']} {show(hint) if hint else ''}".strip(),
        "weights": "none" if spec["weights"] is None else spec["weights"]["kind"],
    }
    reason = f"{count} claim{'s' if count > 1 else ''} established"
    return Verdict(outcome.VERIFIED, reason, claims, sorted(context.assumptions), error_bound, described)
