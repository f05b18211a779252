"""Floor 6: what PyTorch operations read: tensors of the network, parameters exactly, numbers; and who reads them.

Conventions.  Numbers in the code (slopes, eps, constants) are rounded to float32 unless the module's parameters
are float64, because PyTorch computes with them so.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from exactcnn.arithmetic.rationals import RationalArray
from exactcnn.errors import MalformedError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import exact, parameter
from exactcnn.interop.lowering import Lowering

__all__ = ["Values", "unknown"]

_KNOWN = (
    "Conv1d/2d/3d, Linear, MaxPool1d/2d/3d, AvgPool1d/2d/3d, AdaptiveAvgPool, "
    "BatchNorm1d/2d/3d, sums, cat, Flatten, Dropout, Identity, ReLU, LeakyReLU, "
    "Sigmoid, Tanh, Softplus, SiLU, GELU, ELU, Softsign, square and arctan"
)
_ADVICE = {
    "Softmax": "cut the network below it with until: the features there are what the theory speaks of",
    "LogSoftmax": "cut the network below it with until: the features there are what the theory speaks of",
    "softmax": "cut the network below it with until: the features there are what the theory speaks of",
    "log_softmax": "cut the network below it with until: the features there are what the theory speaks of",
}


class Values:
    """The values of a torch.fx graph of ``module``, those ``needed``, which are handed to ``chain``."""

    def __init__(self, torch: Any, module: Any, chain: Lowering, dtype: Any, needed: set[Any]) -> None:
        self.torch, self.module, self.chain, self.needed = torch, module, chain, needed
        self.value: Any = None  # what a module is called with
        self._read: dict[int, str] = {}  # storages of parameters, and where they were met first
        self._reads: dict[int, int] = {}
        self.dtype = "float64" if dtype == torch.float64 else "float32"

    def shared(self, node: Any) -> bool:
        """Is its value read by several operations, not counting its shape?"""
        readers = [
            user for user in node.users
            if user in self.needed and not (user.op == "call_method" and user.target in ("size", "dim"))
            and not (user.target is getattr and user.args[1:] == ("shape",))
        ]  # fmt: skip
        return len(readers) > 1

    def current(self, where: str, args: Any) -> None:
        flows = [a for a in args if isinstance(a, Flow)]
        if len(args) != 1 or len(flows) != 1:
            raise MalformedError(where, "one tensor as its input", f"{len(args)} arguments")
        self.chain.go(flows[0])

    def attribute(self, target: str) -> Any:
        value: Any = self.module
        for part in target.split("."):
            value = getattr(value, part)
        return value

    def array(self, value: Any, field: str) -> RationalArray:
        """A parameter as it is stored."""
        torch = self.torch
        if not isinstance(value, torch.Tensor):
            raise MalformedError(field, "a parameter of the module", type(value).__name__)
        if value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
            raise MalformedError(field, "a dense tensor with values", f"{value.layout} on {value.device}")
        self._read_once(value, field)
        value = value.detach().cpu()
        if value.dtype == torch.bfloat16:
            value = value.to(torch.float32)  # exact: the same exponents, more digits
        if value.dtype not in (torch.float16, torch.float32, torch.float64):
            raise MalformedError(
                field,
                "float16, bfloat16, float32 or float64 numbers (convert the module)",
                f"dtype {value.dtype}",
            )
        return exact(value.numpy(), field)

    def _read_once(self, value: Any, field: str) -> None:
        """What two operations read cannot be chosen for each: modules that share a tensor, a parameter used twice."""
        place = value.untyped_storage().data_ptr()
        first = self._read.setdefault(place, field)
        self._reads[place] = self._reads.get(place, 0) + 1
        if self._reads[place] > 1 and self.chain.tied is None and value.numel():
            self.chain.tied = first
            self.chain.note(
                f"{first} is read more than once (by {field} too); it is verified as parameters of several layers, and "
                "statements about almost all or some weights are undecided."
            )

    def optional(self, value: Any, field: str) -> RationalArray | None:
        return None if value is None else self.array(value, field)

    def number(self, value: Any, field: str) -> Fraction:
        return parameter(value, self.dtype, field)

    def constant(self, where: str, value: Any) -> RationalArray:
        if isinstance(value, self.torch.Tensor):
            return self.array(value, where)
        return RationalArray.from_fractions([self.number(value, where)], where).reshape(1)


def unknown(where: str, name: str) -> MalformedError:
    advice = _ADVICE.get(name, "verify the network without it, or write a spec file with what it computes")
    return MalformedError(where, f"one of {_KNOWN} ({advice})", name)
