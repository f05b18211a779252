"""Floor 6: what stands around or in the way of a PyTorch module: wrappers, weight norms, code that torch.fx cannot trace.

Conventions.  Nothing of the user's module is changed.  A parametrised weight (weight_norm, spectral_norm, pruning) is the
tensor that the program computes from it, in floats, once.  ``exported`` writes the program that torch.export records
with the functions that ``torch_tables`` knows.
"""

from __future__ import annotations

import copy
import operator
from typing import Any

from exactcnn.errors import MalformedError

__all__ = ["exported", "plain", "unwrapped"]


def unwrapped(torch: Any, module: Any) -> Any:
    """The module inside torch.compile's and the data-parallel wrappers; MalformedError for a scripted one."""
    while True:
        kind = type(module)
        if kind.__name__ == "OptimizedModule" and kind.__module__.startswith("torch._dynamo"):
            module = module._orig_mod
        elif kind in (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel):
            module = module.module
        else:
            break
    if isinstance(module, torch.jit.ScriptModule):
        raise MalformedError(
            "module",
            "the module that was scripted or traced, not what torch.jit made of it (or its ONNX export)",
            kind.__name__,
        )
    return module


def plain(torch: Any, module: Any, shape: tuple[int, ...], dtype: Any) -> tuple[Any, list[str]]:
    """The module with its parametrised weights computed, and what was done, a sentence each; itself where there are none."""
    from torch.nn.utils import parametrize, prune
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm

    def hooks(part: Any) -> list[Any]:
        kinds = (WeightNorm, SpectralNorm, prune.BasePruningMethod)
        return [hook for hook in part._forward_pre_hooks.values() if isinstance(hook, kinds)]

    found = [
        path for path, part in module.named_modules() if parametrize.is_parametrized(part) or hooks(part)
    ]
    if not found or module.training:
        return module, []
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    x = torch.randn((2, *shape), generator=torch.Generator().manual_seed(0)).to(device=device, dtype=dtype)
    try:
        with torch.no_grad():
            before = module(x)  # the hooks set the weights they compute, which can be copied then
            made = copy.deepcopy(module)
            for path in found:
                part = made.get_submodule(path)
                if parametrize.is_parametrized(part):
                    for name in list(part.parametrizations):
                        parametrize.remove_parametrizations(part, name, leave_parametrized=True)
                for hook in hooks(part):
                    if isinstance(hook, prune.BasePruningMethod):
                        prune.remove(part, hook._tensor_name)
                    elif isinstance(hook, WeightNorm):
                        torch.nn.utils.remove_weight_norm(part, hook.name)
                    else:
                        torch.nn.utils.remove_spectral_norm(part, hook.name)
            same = torch.equal(before, made(x))
    except Exception as error:  # whatever the module's own code raises
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MalformedError(
            found[0], "a weight norm, spectral norm or pruning that can be removed", reason
        ) from None
    if not same:
        raise MalformedError(found[0], "the same outputs with its weight computed once", "other outputs")
    notes = [
        f"{path}: its weight is the one that the program computes from what is stored (a norm or a mask)."
        for path in found
    ]
    return made, notes


def exported(torch: Any, module: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """The module as torch.export records it, in functions of PyTorch; None where that does not succeed either."""
    try:
        x = torch.zeros((3, *shape), dtype=dtype)
        program = torch.export.export(
            module, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False
        )
        made = program.module()
        graph, functions = made.graph, _functions(torch)
        for node in list(graph.nodes):
            if node.op == "call_module" and node.target == "_guards_fn":
                graph.erase_node(node)
            elif node.op == "call_function" and node.target in functions:
                target = functions[node.target]
                if target is torch.nn.functional.batch_norm:
                    x, weight, bias, mean, variance, *rest = node.args
                    node.args = (x, mean, variance, weight, bias, *rest[:3])
                node.target = target
            elif node.op == "get_attr" and not node.users:
                graph.erase_node(node)
            elif node.op == "output" and isinstance(node.args[0], (tuple, list)) and len(node.args[0]) == 1:
                node.args = (node.args[0][0],)
        bare = torch.fx.Graph()  # without the exported graph's own calling convention
        bare.output(bare.graph_copy(graph, {}))
        return torch.fx.GraphModule(made, bare)
    except Exception:  # whatever export raises: the tracer's own reason is told
        return None


def _functions(torch: Any) -> dict[Any, Any]:
    """Recorded operations -> the functions that do the same with the same arguments."""
    aten, F = torch.ops.aten, torch.nn.functional
    table = {
        aten.batch_norm.default: F.batch_norm, aten.linear.default: F.linear, aten.flatten.using_ints: torch.flatten,
        aten.view.default: torch.reshape, aten.reshape.default: torch.reshape, aten.cat.default: torch.cat,
        aten.mean.dim: torch.mean, aten.softmax.int: torch.softmax, aten.log_softmax.int: torch.log_softmax,
        aten.dropout.default: F.dropout, aten.relu.default: F.relu, aten.relu_.default: torch.relu_, aten.gelu.default: F.gelu,
        aten.silu.default: F.silu, aten.mish.default: F.mish, aten.hardtanh.default: F.hardtanh,
        aten.hardswish.default: F.hardswish, aten.hardsigmoid.default: F.hardsigmoid, aten.leaky_relu.default: F.leaky_relu,
        aten.softplus.default: F.softplus, aten.selu.default: F.selu, aten.prelu.default: F.prelu, aten.relu6.default: F.relu6,
        aten.clamp.default: torch.clamp, aten.sigmoid.default: torch.sigmoid, aten.tanh.default: torch.tanh,
        aten.exp.default: torch.exp, aten.log.default: torch.log, aten.abs.default: torch.abs, aten.erf.default: torch.erf,
        aten.sin.default: torch.sin, aten.cos.default: torch.cos, aten.neg.default: torch.neg, aten.pow.Tensor_Scalar: torch.pow,
        aten.atan.default: torch.atan, aten.square.default: torch.square, aten.add.Tensor: torch.add, aten.sub.Tensor: torch.sub,
        aten.mul.Tensor: torch.mul, aten.div.Tensor: torch.div, aten.add_.Tensor: operator.iadd, aten.mul_.Tensor: operator.imul,
        aten.sub_.Tensor: operator.isub, aten.div_.Tensor: operator.itruediv,
    }  # fmt: skip
    for n in (1, 2, 3):
        for name in (f"conv{n}d", f"max_pool{n}d", f"avg_pool{n}d", f"adaptive_avg_pool{n}d"):
            table[getattr(aten, name).default] = getattr(F, name)
    return table
