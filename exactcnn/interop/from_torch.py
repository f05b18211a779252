"""Floor 6: PyTorch modules -> Model, through torch.fx.

Conventions.  The module is traced symbolically: modules of torch.nn are single operations, everything
else is followed into its ``forward``.  Operations are recognised by exact type or identity, never by
name, so that a subclass that overrides something is followed, not guessed.  Parameters are taken as
stored.  What ``torch_operations`` does not know is refused by name.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from exactcnn.errors import MalformedError, MisuseError
from exactcnn.interop.chain import Flow
from exactcnn.interop.exact_arrays import parameter
from exactcnn.interop.extras import optional
from exactcnn.interop.lowering import Lowering
from exactcnn.interop.model import Model
from exactcnn.interop.torch_wrappers import exported, plain, unwrapped

__all__ = ["from_torch"]


def from_torch(
    module: Any, input_shape: Sequence[int], *, name: str | None = None, until: str | None = None
) -> Model:
    """The exact network that ``module`` describes, with its weights as stored (float16 to float64, bfloat16).

    ``input_shape``: of one sample, (d,) or (C, *extents), without the batch axis.  The module must be in
    evaluation mode and made of Conv1d/2d/3d, Linear, MaxPool, AvgPool, BatchNorm, sums, concatenations, Dropout,
    Flatten and known activations, as modules or functions, in Sequential or a ``forward`` of its own.

    ``until``: the path of a module or the name of an operation behind which the network is cut; what lies above it may
    be anything that torch.fx can trace.  A softmax at the end is left out, with a note.

    Raises MalformedError (a ValueError) with one sentence for anything else, naming the operation, and
    MisuseError for arguments that are not a module and a shape.
    """
    torch = optional("torch", "torch")
    if not isinstance(module, torch.nn.Module):
        raise MisuseError("module", "a torch.nn.Module", type(module).__name__)
    shape = _shape(input_shape)
    module = unwrapped(torch, module)
    module, weights_computed = plain(torch, module, shape, _compute_dtype(torch, module))
    _require_plain(module)
    chain = Lowering(name or type(module).__name__, shape)
    before = set(vars(module))
    try:
        program = _walk(torch, module, chain, until)
    finally:
        for name in vars(module).keys() - before:  # tensors that tracing has put there
            delattr(module, name)
    network, weights, notes, weight_notes = chain.finish()
    weight_notes = (*weights_computed, *weight_notes)
    order = chain.output_order()

    def run(x: np.ndarray) -> np.ndarray:
        dtype = _compute_dtype(torch, module)
        with torch.no_grad():
            device = next((p.device for p in module.parameters()), torch.device("cpu"))
            outputs = program(torch.as_tensor(x.reshape(len(x), *shape)).to(device=device, dtype=dtype))
        result: np.ndarray = outputs.detach().to(device="cpu", dtype=torch.float64).numpy()
        return result

    source = f"PyTorch module {type(module).__name__}"
    return Model(network, weights, notes, weight_notes, source, run, f"PyTorch {torch.__version__}", order,
                 chain.loads(), str(_compute_dtype(torch, module)).removeprefix("torch."))  # fmt: skip


def _shape(given: Any) -> tuple[int, ...]:
    try:
        shape = tuple(given)
    except TypeError:
        raise MisuseError("input_shape", "a sequence such as (1, 28, 28)", type(given).__name__) from None
    if not 1 <= len(shape) <= 4 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
        raise MisuseError("input_shape", "(d,) or (channels, 1 to 3 extents), positive integers", shape)
    return shape


def _compute_dtype(torch: Any, module: Any) -> Any:
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)


def _require_plain(module: Any) -> None:
    """What symbolic tracing would not see: hooks and replaced forwards."""
    for path, part in module.named_modules():
        where = path or type(module).__name__
        if part._forward_hooks or part._forward_pre_hooks:
            raise MalformedError(
                where,
                "a module without forward hooks (remove pruning and weight_norm, with torch.nn.utils.prune.remove "
                "or remove_weight_norm)",
                "a hook",
            )
        own = sorted(name for name in vars(part) if callable(getattr(type(part), name, None)))
        if own:
            raise MalformedError(where, f"the {own[0]} of its class", f"a {own[0]} set on the instance")


def _walk(torch: Any, module: Any, chain: Lowering, until: str | None) -> Any:
    """Everything up to ``until`` onto the chain; the program that computes just that."""
    from exactcnn.interop.torch_modules import Function
    from exactcnn.interop.torch_operations import Operations, in_place
    from exactcnn.interop.torch_pointwise import expression, put_together
    from exactcnn.interop.torch_tables import HARMLESS

    fx = optional("torch.fx", "torch")

    class Tracked(fx.Proxy):  # type: ignore[misc, name-defined]
        """x += y changes x itself, which others may read; torch.fx would record a sum of its own."""

        def __iadd__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

        def __isub__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

        def __imul__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

        def __itruediv__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})

        def __ipow__(self, other: Any) -> Any:
            return self.tracer.create_proxy("call_function", operator.ipow, (self, other), {})

    class Tracer(fx.Tracer):  # type: ignore[misc, name-defined]
        def is_leaf_module(self, part: Any, path: str) -> bool:
            return isinstance(part, Function) or bool(super().is_leaf_module(part, path))

        def proxy(self, node: Any) -> Any:
            return Tracked(node, self)

    original = module
    try:
        graph = Tracer().trace(module)
    except Exception as error:  # whatever the module's own code raises when traced
        module = exported(torch, module, chain.input_shape, _compute_dtype(torch, module))
        if module is None:
            raise MalformedError(
                type(original).__name__,
                "a module that torch.fx or torch.export can trace, without decisions that depend on values",
                str(error).partition("\n")[0] or type(error).__name__,
            ) from None
        graph = module.graph
    nodes = list(graph.nodes)
    output = next(node for node in nodes if node.op == "output")
    end = _end(torch, module, nodes, until, chain)
    needed = _needed(output if end is None else end)
    traced = fx.GraphModule(module, graph)  # compiled here: what is put together below does not change it
    program = original if end is None else _prefix(fx, module, nodes, end)
    dtype = _compute_dtype(torch, module)
    end, gone = put_together(torch, module, graph, needed, end, partial(_constant, dtype == torch.float64))
    nodes, before = list(graph.nodes), needed
    needed = _needed(output if end is None else end)
    gone |= before - needed
    nodes = nodes if end is None else nodes[: nodes.index(end) + 1]
    operations = Operations(torch, module, chain, dtype, needed)
    env: dict[Any, Any] = {}
    inputs = [node for node in nodes if node.op == "placeholder" and node in needed]
    if len(inputs) != 1:
        raise MalformedError(
            type(module).__name__, "a forward with one input that is used", f"{len(inputs)} inputs"
        )
    env[inputs[0]] = chain.flow(operations.shared(inputs[0]))
    called: set[str] = set()
    for node in nodes:
        if (
            node not in needed
            and node not in gone
            and node.target is not expression
            and node.op.startswith("call")
            and node.target not in HARMLESS
            and (until is None or in_place(module, node))
        ):
            # Its result is not used (or only above the cut), but it may change a tensor in place.
            raise MalformedError(
                str(node.name), "operations whose results are used", "one whose result is not"
            )
        if node not in needed or node is output or node is inputs[0]:
            continue
        args = fx.node.map_arg(node.args, env.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, env.__getitem__)
        if (
            node.op == "call_module"
            and node.target in called
            and any(True for _ in module.get_submodule(node.target).parameters())
        ):
            chain.tied = str(node.target)
            chain.note(
                f"{node.target} is used more than once; its copies are verified as layers with the same weights, and "
                "statements about almost all or some weights are undecided."
            )
        called.add(str(node.target) if node.op == "call_module" else "")
        env[node] = operations.apply(node, args, kwargs)
    result = fx.node.map_arg(output.args[0], env.__getitem__) if end is None else env.get(end)
    if not isinstance(result, Flow):
        raise MalformedError(
            type(module).__name__, "a forward that returns one tensor", type(result).__name__
        )
    chain.go(result)
    _confirm(torch, original, traced, chain.input_shape)
    return program


def _constant(double: bool, value: Any) -> Fraction | None:
    """A number in the code as the program computes with it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return parameter(value, "float64" if double else "float32", "constant")
    except MalformedError:
        return None


def _end(torch: Any, module: Any, nodes: list[Any], until: str | None, chain: Lowering) -> Any:
    """The node after which the network is cut, None for its output."""
    if until is not None:
        named = [n for n in nodes if n.op.startswith("call") and until in (n.target, n.name)]
        if not named:
            some = ", ".join(str(n.target) for n in nodes if n.op == "call_module")
            raise MalformedError("until", f"a module or operation of the network: {some[:400]}", repr(until))
        return named[-1]
    end, F = nodes[-1].args[0], torch.nn.functional
    softmax = {F.softmax, torch.softmax, F.log_softmax, torch.log_softmax, "softmax", "log_softmax"}
    cut = None
    while isinstance(end, type(nodes[0])) and end.args:
        kind = type(module.get_submodule(end.target)) if end.op == "call_module" else end.target
        if kind not in (torch.nn.Softmax, torch.nn.LogSoftmax, *softmax):
            break
        chain.note(
            f"The last operation, {end.target if end.op == 'call_module' else end.name}, a softmax, is left out: statements "
            "are about the layers below it, and the network's outputs are those before it."
        )
        cut = end = end.args[0]
    return cut


def _prefix(fx: Any, module: Any, nodes: list[Any], end: Any) -> Any:
    """The program up to and with the node ``end``, which gives the result."""
    copies: dict[Any, Any] = {}
    graph = fx.Graph()
    for node in nodes:
        copies[node] = graph.node_copy(node, lambda old: copies[old])
        if node is end:
            break
    graph.output(copies[end])
    return fx.GraphModule(module, graph)


def _confirm(torch: Any, module: Any, traced: Any, shape: tuple[int, ...]) -> None:
    """MalformedError unless the traced program does what the module does: arguments with defaults, questions about
    types and random numbers are decided while tracing, and then no longer."""
    generator = torch.Generator().manual_seed(0)
    parameter = next(module.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    with torch.no_grad():
        for _ in range(2):
            x = torch.randn((2, *shape), generator=generator).to(
                device=device, dtype=_compute_dtype(torch, module)
            )
            try:
                first, second = module(x.clone()), traced(x.clone())
                same = torch.equal(first, second)
            except Exception as error:  # whatever the module's own code raises
                found = str(error).partition("\n")[0] or type(error).__name__
                raise MalformedError(
                    type(module).__name__, f"a forward of a batch of shape {tuple(x.shape)}", found
                ) from None
            if not same and not (first.isnan() & second.isnan() | (first == second)).all():
                raise MalformedError(
                    type(module).__name__,
                    "a forward that torch.fx traces as it is, without arguments that have defaults, questions about types, "
                    "or random numbers (or export it to ONNX)",
                    "other outputs from the trace",
                )


def _needed(output: Any) -> set[Any]:
    """The nodes that the output depends on."""
    found: set[Any] = {output}
    stack = [output]
    while stack:
        for node in stack.pop().all_input_nodes:
            if node not in found:
                found.add(node)
                stack.append(node)
    return found
