"""(d) Integers in triangular order (FORMAT.md, section 6)."""

from typing import Any

from .activations import Activation
from .grammar import INDICES, NODE, SEED, Fields, boolean, integer, integers, maybe, record
from .matrices import ALMOST, MITYAGIN, Block, Context, Fact
from .instance import odd_numerators
from .network import Node
from .numbers import Packing
from .outcome import require
from .regular import MOD_P, nonsingular_mod_p


def peeled(sigma: Activation) -> bool:
    """Analytic with Assumption 3.2: what the limits of Lemmas 14 and 15 need."""
    return sigma.has("analytic") and (sigma.has("limits") or sigma.has("growth"))


def singled_out(node: Node, rows: list[Any], filters: list[list[int]], slot: int, pairs: list[tuple[int, int]],
                bound: int) -> bool:
    """z_i < z_j for each place j of the pairs and all earlier i: z_j - 1 - z_i is not negative in any field below j."""
    packing, taps = Packing(len(rows), 2 * bound + 1), [(r, u) for r, u in enumerate(node.patches[slot]) if u >= 0]
    columns = [(r, packing.pack([row[u] for row in rows])) for r, u in taps]
    for j, t in pairs:
        z = sum(filters[t][r] * column for r, column in columns)
        own = sum(filters[t][r] * rows[j][u] for r, u in taps)
        mask = (1 << packing.bits * j) - 1
        if (((own - 1) * packing.ones - z + packing.half) & packing.half & mask) != packing.half & mask:
            return False
    return True


def order(context: Context, given: Fields, raw: Fields, path: str) -> Fact:
    """At the unit of place j, sample j's value is above those of all earlier samples, so that with steep filters the features
    tend to a triangular matrix; `thresholds`: but for a core, whose limit is a regular matrix of its own (Lemma 14)."""
    data, network = context.instance.samples(), context.instance.network
    top, order, units, thresholds = network.node(given["node"], path), given["order"], given["units"], given["thresholds"]
    node, N, m = network.nodes[top.of[0] - 1], len(data.rows), len(thresholds)
    sigma, right = top.activation, top.of[0] > 0 and node.affine and node.of == [0] and node.own_bias
    require(right and sigma is not None, path, "needs the activation of an affine node on the input with biases per unit")
    good = sigma is not None and peeled(sigma) and (m == 0 or sigma.has("step") or sigma.has("ramp"))
    require(good, path, "the activation is not analytic with Assumption 3.2 (and a limit, for a core)")
    step = sigma is not None and sigma.has("step")
    require(sorted(order) == list(range(N)), path + ".order", f"not an order of all {N} samples")
    alone = len(units) == len(set(units)) == N and max(units) < node.above.units and m <= N
    require(alone, path + ".units", f"expected {N} different units below {node.above.units}")
    require((given["core"] is None) == (m == 0), path + ".core", "null exactly without thresholds")
    message = f"exactcnn/peeling/1/{given['seed']}"
    flat = odd_numerators(message, given["bits"], node.length * node.filters)
    filters = [flat[0 if given["shared"] else t :: node.filters] for t in range(node.filters)]
    bound = max(max(max(row), -min(row)) for row in data.rows) * max(map(abs, flat)) * node.length
    rows, owned = [data.rows[i] for i in order], dict[int, list[tuple[int, int]]]()  # slot -> (place in the order, filter)
    for place, unit in enumerate(units):
        slot, t = node.slot(unit)
        owned.setdefault(slot, []).append((place, t))
    later = [(slot, [pair for pair in pairs if pair[0] >= m]) for slot, pairs in owned.items()]
    held = context.helper.singles_out(node, rows, filters, later, bound) if context.helper else None
    context.assumptions |= set() if held is None else {context.helper.NUMPY}
    if held is None:
        held = all(singled_out(node, rows, filters, slot, pairs, bound) for slot, pairs in later)
    require(held, path, "a unit does not single out its sample")
    core: list[list[int]] = [[] for _ in range(m)]
    for j in range(m):
        slot, t = node.slot(units[j])
        taps = [(u, a) for u, a in zip(node.patches[slot], filters[t], strict=True) if u >= 0]
        values = [sum(a * row[u] for u, a in taps) - thresholds[j] for row in rows[:m]]
        core[j] = [int(v >= 0) if step else max(v, 0) % given["core"]["prime"] for v in values]
    if m:
        fixed = {**raw, "core": {"prime": given["core"]["prime"]}}
        nonsingular_mod_p(context, given["core"], fixed, m, lambda large: iter([Block(core)]), path + ".core")
    context.assumptions.add(MITYAGIN)
    words = f"rank {network.label(top.number)} = N = {N} for {ALMOST}, by a triangular limit"
    return Fact("rank", words, ("F", top.number), ALMOST, low=N)


RULES: dict[str, tuple[dict[str, Any], Any]] = {
    "order": ({"node": NODE, "seed": SEED, "bits": integer(1, 61), "shared": boolean, "order": INDICES, "units": INDICES,
               "thresholds": integers(), "core": maybe(record(MOD_P))}, order),
}
