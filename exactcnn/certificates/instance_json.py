"""Floor 5: the instance as FORMAT.md sections 1 to 4 write it."""

from __future__ import annotations

from typing import Any

from exactcnn.arithmetic.texts import json_integer, rational_text
from exactcnn.certificates.canonical import digest
from exactcnn.data.samples import Samples
from exactcnn.features.instance import Instance

__all__ = ["digests", "instance_digest", "instance_to_json"]

# Samples with more entries than this are referred to by path and digest where possible.
_LARGEST_INLINE = 2_000_000


def instance_to_json(instance: Instance, *, samples: bool, weights_upto: int) -> dict[str, Any]:
    """``samples``: do the claims speak of the data?  ``weights_upto``: highest layer whose
    weights they need (0: none)."""
    return {
        "network": instance.network.to_json(),
        "data": _data(instance.need_samples()) if samples else None,
        "weights": instance.need_weights().to_json(weights_upto) if weights_upto else None,
    }


def instance_digest(instance: Instance) -> str:
    """Of the network, all samples and all weights."""
    return digest(instance_to_json(instance, samples=True, weights_upto=instance.network.depth))


def digests(instance: dict[str, Any]) -> dict[str, str | None]:
    """The digests of the parts and of the whole."""
    parts: dict[str, str | None] = {
        key: None if instance[key] is None else digest(instance[key])
        for key in ("network", "data", "weights")
    }
    parts["instance"] = digest(instance)
    return parts


def _data(samples: Samples) -> dict[str, Any]:
    x, origin = samples.x, samples.origin
    shape = [int(extent) for extent in x.shape]
    if origin is not None and x.numerators.size > _LARGEST_INLINE:
        return {
            "kind": "file",
            "path": origin.path,
            "format": origin.format,
            "sha256": origin.sha256,
            "shape": shape,
            "start": origin.start,
            "scale": rational_text(origin.scale),
        }
    return {
        "kind": "inline",
        "shape": shape,
        "denominator": json_integer(x.denominator),
        "rows": [[json_integer(v) for v in row] for row in x.numerators.tolist()],
    }
