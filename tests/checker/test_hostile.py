"""Files that ask for more time or memory than there is: a sentence within 40 seconds of processor time and 1 GiB, in a child process."""

import gzip
import hashlib
import json
import struct

import pytest
from handmade import (
    act,
    average,
    claim,
    concat,
    conv,
    count,
    dense,
    enclosed,
    features,
    inline,
    instance,
    judged,
    kernel,
    lifted,
    ln2,
    minor,
    network,
    order,
    pool,
    rational,
    scale,
    seal,
    seed,
    targets,
    weight,
)

from exactcnn.checker import check_file

MOST = 2**22  # units of one node that the checker reads
LONG, LONGER = "1" + "0" * 99_998 + "1", "7" * 100_000
ANY = claim("rank", "undecided", node=1, weights="w", lower=1, upper=1)
LOSS = claim("loss", "proved", weights="w")


def file_of(values, shape, form="idx"):
    raw = b"\0\0\x08\2" + struct.pack(">2I", *shape) + values
    raw = gzip.compress(raw, 1)
    data = {
        "kind": "file",
        "name": "x.gz",
        "format": form,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "shape": list(shape),
    }
    return raw, {**data, "start": 0, "scale": 1}


def sparse(first, width):
    return [first, *[0] * (width - 1)]


def few(size, *nodes, rows=None, given=None, goals=None):
    width = 1
    for extent in size:
        width *= extent
    data = inline(rows or [[1] * width])
    return instance(network(list(size), *nodes), data, given or {"kind": "identity"}, goals)


def long_scale():
    raw, data = file_of(bytes(60_000), [1, 60_000])
    return (
        instance(network([60_000], dense(1)), {**data, "scale": LONG}, seed(1, 8)),
        minor(features(1), [0], [0]),
        ANY,
        raw,
    )


def shifted_scale():
    raw, data = file_of(bytes(2**26), [1, 2**26])
    return (
        instance(network([2**26], dense(1)), {**data, "scale": str(2**70)}, seed(1, 8)),
        minor(features(1), [0], [0]),
        ANY,
        raw,
    )


def shifted_scale_that_is_read():
    raw, data = file_of(b"\1" * 2**20, [1, 2**20])
    return (
        instance(network([2**20], dense(1)), {**data, "scale": str(2**70)}, seed(1, 8)),
        minor(features(1), [0], [0]),
        ANY,
        raw,
    )


def huge_scale():
    raw, data = file_of(b"\1" * 60_000, [1, 60_000])
    case = instance(network([60_000], dense(1)), {**data, "scale": f"{10**400}/{10**400 + 1}"}, seed(1, 64))
    return case, minor(features(1), [0], [0]), ANY, raw


def long_coefficient():
    vectors = [{"pivot": 0, "entries": [[n, [[LONG, [[0, 1]]]]] for n in range(100)]}]
    judgment = judged("polynomial-kernel", node=1, side="right", vectors=vectors)
    return (
        few([1, 2], conv(60_000, kernel=[1])),
        judgment,
        claim("lemma-2.5", "undecided", node=1, lower=0, upper=2),
    )


def thousand_digits_in_polynomials():
    entries = [[n, [["9" * 1000, [[variable, 1]]] for variable in range(60)]] for n in range(300)]
    judgment = judged("polynomial-kernel", node=1, side="left", vectors=[{"pivot": 0, "entries": entries}])
    return (
        few([600], conv(600, kernel=[1])),
        judgment,
        claim("lemma-2.5", "undecided", node=1, lower=0, upper=2),
    )


def sequences():
    raw, data = file_of(bytes(2**28 - 2**14), [2**14 - 1, 2**14])
    case = instance(network([2**14], conv(1, kernel=[1]), act("tanh")), data, seed(1, 8))
    return case, count(2, "sequences"), rank_of(2), raw


def rank_of(node, **more):
    return claim("rank", "undecided", node=node, weights=None, lower=0, upper=1, **more)


def many_samples():
    raw, data = file_of(bytes(range(256)) * (2**18), [MOST, 16])
    return instance(network([16], dense(9)), data, seed(1, 8)), count(1, "samples"), rank_of(1), raw


def differing_patches():
    raw, data = file_of(bytes(range(256)) * (2**18), [2**12, 2**14])
    case = instance(network([2**14], conv(1, kernel=[3])), data, seed(1, 8))
    return case, judged("patches-differ", collision=None), claim("assumption-3.1", "proved"), raw


def many_filters(kind, filters):
    judgments = {
        "minor": minor(features(1), [0], [0]),
        "enclosed": enclosed(features(1), [0], [0]),
        "kernel": kernel(features(1), "right", (0, [[0, 1]])),
        "lifted": minor(lifted(1), [0], [0]),
        "cover": judged("cover", node=1, rows=[], columns=list(range(1000))),
        "loss": judged("loss-exact", weights="w", value=[]),
        "slope": judged("slope-enclosed", weights="w", precision=16, partial=0),
        "generic": judged("generic-data", node=2, samples=5),
        "order": order(2, [0], [0], bits=61),
    }
    nodes = [conv(filters, kernel=[1], bias="filter"), act("sigmoid"), dense(1)]
    return few([1, 1], *nodes, given=seed(1, 64), goals=targets([[0]])), judgments[kind], ANY


def long_denominators():
    """Divisions of huge integers: denominators of many fractions have a common multiple of millions of digits."""
    rows = [[[f"1/{LONGER[:-6]}{1001 + 2 * (n + 6 * r)}"] for n in range(6)] for r in range(12)]
    return few([12], dense(6), given=ln2((rows, None))), minor(features(1), [0], [0]), ANY


def long_divisions():
    case = few(
        [1],
        dense(1),
        rows=[[LONG]],
        given=rational({"W": {"denominator": LONGER, "rows": [[LONG]]}, "b": None}),
    )
    return (
        case,
        [kernel(features(1), "left", (0, [[0, LONG]])), minor(features(1), [0], [0], divisor=LONG)] * 20,
        ANY,
    )


def long_fractions():
    rows = [[[f"{LONGER[:49_000]}1/{LONG[:49_000]}"], [0, f"1/{LONGER[:99_000]}"]] for _ in range(40)]
    return (
        few([40], dense(2), given=ln2((rows, None)), goals=targets([[0, 0]])),
        judged("loss-exact", weights="w", value=[]),
        LOSS,
    )


def huge_input():
    return few([1], dense(1)) | {"network": network([2**31 - 1], dense(1))}, minor(features(1), [0], [0]), ANY


def huge_planes():
    return (
        few([1], dense(1)) | {"network": network([1, MOST, MOST], conv(1, kernel=[1, 1]))},
        count(1, "width"),
        ANY,
    )


def square_layers():
    nodes = [dense(1), *[act("square")] * 24]
    goals = targets([[0]])
    case = few([1], *nodes, rows=[[3]], given=rational(weight([[1]])), goals=goals)
    return case, judged("loss-exact", weights="w", value=[]), LOSS


def square_layers_of_features():
    return few([1], *[act("square")] * 2000, rows=[[3]]), minor(features(2000), [0], [0]), ANY


def squares_of_a_third():
    """The numerator stays 1, the denominator is 3^(2^60)."""
    case = few([1], *[act("square")] * 60)
    case["data"]["denominator"] = 3
    return case, minor(features(60), [0], [0]), ANY


def denominators_layer_by_layer():
    entry = {"W": {"denominator": LONGER, "rows": [[1]]}, "b": None}
    return few([1], *[dense(1)] * 60, given=rational(*[entry] * 60)), minor(features(60), [0], [0]), ANY


def scales_of_many_denominators():
    factors = [f"1/{10**600 + n}" for n in range(3000)]
    return few([3000, 1], scale(factors, [0] * 3000), dense(1)), minor(features(1), [0], [0]), ANY


def many_positions():
    return positions(6_000_000)


def positions(count):
    case = instance(network([count + 1], conv(1, kernel=[2], bias="filter"), act("sigmoid")))
    return (
        case,
        judged("generic-data", node=2, samples=5),
        claim("extension-b", "undecided", node=2, samples=5),
    )


def many_windows():
    """A thousand nodes, each of 2^22 windows."""
    return instance(network([1, MOST], *[pool([1]) for _ in range(1000)])), count(1, "width"), ANY


def large_kernels():
    case = instance(network([1, 2**11, 2**11], conv(1, kernel=[2**10, 2**10])))
    return case, judged("cover", node=1, rows=[], columns=[]), ANY


def many_patches():
    case = instance(network([1, 2**11, 2**11], average([5, 5])))
    return case, judged("structure", node=1, uncovered=[], equal=[]), claim("structure", "proved", node=1)


def a_drawn_matrix_of_terabytes():
    case = few([2**12], dense(2**20, "unit"), act("sigmoid"), rows=[sparse(1, 2**12)])
    return case, order(2, [0], [0], bits=61), claim("theorem-3.5", "proved", node=2)


def doubling_concatenations():
    nodes = [concat("units", n, n) for n in range(40)]
    return few([1], *nodes), minor(features(40), [0], [0]), ANY


def doubling_sums():
    nodes = [{"kind": "add", "of": [n] * 1000} for n in range(300)]
    return few([1], *nodes), minor(features(300), [0], [0]), ANY


def rows_of_solutions():
    judgment = minor(features(1), [0], [0], prime=3, solutions=[[0]] * 2_000_000)
    return few([1], dense(1)), judgment, ANY


def nested_powers():
    tree = "t"
    for _ in range(50):
        tree = ["**", tree, 64]
    case = few([1], dense(1), act({"name": "custom", "tree": tree}), rows=[[3]], goals=targets([[0]]))
    return case, [enclosed(features(2), [0], [0]), judged("loss-exact", weights="w", value=[])], ANY


def exact_powers():
    tree = ["+", 1, "t"]
    for _ in range(50):
        tree = ["**", tree, 64]
    case = few([1], dense(1), act({"name": "custom", "tree": tree}), rows=[[3]], goals=targets([[0]]))
    return case, judged("loss-exact", weights="w", value=[]), LOSS


def many_parameters():
    case = few(
        [60],
        dense(60),
        act("tanh"),
        dense(60),
        rows=[[1] * 60] * 50,
        given=seed(1, 8),
        goals=targets([[0] * 60] * 50),
    )
    Q = [[0] * 7200] * 1
    fields = {"weights": "w", "precision": 64, "free": list(range(7200)), "symmetries": [], "transform": Q}
    return case, judged("definite", **fields), claim("local-minimum", "undecided", weights="w")


BAD = {
    "a scale of 100,000 digits on 60,000 inputs": (long_scale, "MALFORMED"),
    "a scale 2^70 on 2^26 inputs": (shifted_scale, "MALFORMED"),
    "a scale 2^70 on 2^20 inputs": (shifted_scale_that_is_read, None),
    "a scale of 10^400": (huge_scale, None),
    "a coefficient of 100,000 digits": (long_coefficient, "MALFORMED"),
    "coefficients of 1000 digits": (thousand_digits_in_polynomials, None),
    "sequences on a compressed file": (sequences, None),
    "samples on a compressed file": (many_samples, None),
    "patches of a compressed file": (differing_patches, None),
    "10^7 filters": (lambda: many_filters("minor", 10**7), "MALFORMED"),
    **{f"2^20 filters, {kind}": (lambda kind=kind: many_filters(kind, 2**20), None) for kind in (
        "minor", "enclosed", "kernel", "lifted", "cover", "generic", "order")},
    **{f"2^16 filters, {kind}": (lambda kind=kind: many_filters(kind, 2**16), None) for kind in ("loss", "slope")},
    "divisions of long numbers": (long_divisions, None),
    "fractions of long numbers": (long_fractions, None),
    "an input of 2^31 - 1": (huge_input, "MALFORMED"),
    "a plane of 2^44": (huge_planes, "NOT CHECKED"),
    "24 square layers": (square_layers, "NOT CHECKED"),
    "2000 square layers": (square_layers_of_features, "NOT CHECKED"),
    "generic data on 6,000,000 positions": (many_positions, "MALFORMED"),
    "generic data on 2^19 positions": (lambda: positions(2**19), None),
    "kernels of 2^22": (large_kernels, "NOT CHECKED"),
    "patches of 2^28 entries": (many_patches, "NOT CHECKED"),
    "a drawn matrix of terabytes": (a_drawn_matrix_of_terabytes, None),
    "concatenations that double": (doubling_concatenations, "NOT CHECKED"),
    "sums that double": (doubling_sums, None),
    "millions of solutions": (rows_of_solutions, None),
    "powers of powers": (nested_powers, None),
    "exact powers of powers": (exact_powers, None),
    "thousands of parameters": (many_parameters, None),
    "a thousand nodes of 2^22 windows": (many_windows, None),
    "fractions with many denominators": (long_denominators, "NOT CHECKED"),
    "squares of a third": (squares_of_a_third, "NOT CHECKED"),
    "denominators layer by layer": (denominators_layer_by_layer, None),
    "scales of many denominators": (scales_of_many_denominators, "NOT CHECKED"),
}  # fmt: skip


def sentence(make, tmp_path, seconds):
    case, judgment, claimed, *files = make()
    for raw in files:
        (tmp_path / "x.gz").write_bytes(raw)
    judgments = judgment if isinstance(judgment, list) else [judgment]
    (tmp_path / "c.json").write_text(json.dumps(seal(case, judgments, [claimed])))
    return check_file(str(tmp_path / "c.json"), max_seconds=seconds, max_memory=2**30)


@pytest.mark.parametrize("name", BAD)
def test_a_sentence_in_time(name, tmp_path):
    make, expected = BAD[name]
    verdict = sentence(make, tmp_path, 40)
    assert verdict.outcome in ("MALFORMED", "NOT CHECKED", "REJECTED"), verdict
    assert verdict.outcome == (expected or verdict.outcome), verdict.reason
    assert verdict.reason.isascii()
    assert len(verdict.reason) < 1000
    assert "seconds of processor time" not in verdict.reason


def test_a_duplicate_key_after_many(tmp_path):
    (tmp_path / "c.json").write_text("{" + "".join(f'"{n}":0,' for n in range(200_000)) + '"199999":0}')
    verdict = check_file(str(tmp_path / "c.json"), max_seconds=20, max_memory=2**30)
    assert verdict.outcome == "MALFORMED"
    assert "duplicate" in verdict.reason
