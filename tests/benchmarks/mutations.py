"""Mutated certificates: bytes and JSON values changed at random, checked in a child process with little memory.

    python -m tests.benchmarks.mutations [--count 100000] [--seed 0] [--memory MIB] [--patience SECONDS]

Starts from every certificate of `tests.certificates.test_tampering`.  A quarter of the mutations change bytes; the others
change the JSON value, gently (numbers nearby, what stands under the same key elsewhere) or not (numbers made large, lists made
long, any part of another certificate put in), most of those with honest digests.
Reports how often each outcome came, the slowest, every INTERNAL ERROR, and every death or hang of the child.
The child needs the checker and the standard library alone.  Not run by pytest.
"""

import argparse
import hashlib
import json
import random
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = [0, 1, -1, 2, 3, 7, 60, 64, 65, 255, 2**24, 2**24 + 1, 2**31, 2**53 - 1, -(2**53) + 1]
TEXTS = ["1" * 17, "9" * 999, "-" + "9" * 1001, "1/3", "-7/2", "1/" + "7" * 900, "2" * 99_999, "3" * 100_001, "1e9", "", "t", "given",
         "custom", "seed", "identity", "square", "gaussian", "proved", "\u0000", "\ud800", "x" * 300]  # fmt: skip
WEIRD = [None, True, False, [], {}, [[]], [0], [[0, 1]], 1.5, 1e308, [None], {"kind": "identity"}]


def nested(depth):
    value = "t"
    for _ in range(depth):
        value = ["exp", value]
    return value


def paths(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from paths(inner, (*path, key))


def get(value, path):
    for key in path:
        value = value[key]
    return value


def put(value, path, new):
    if not path:
        return new
    inner = dict(value) if isinstance(value, dict) else list(value)
    inner[path[0]] = put(inner[path[0]], path[1:], new)
    return inner


def another(r, old, certificates):
    """A substitute for a JSON value."""
    kind = r.random()
    if isinstance(old, int) and kind < 0.7:
        return r.choice(
            [old + 1, old - 1, -old, 2 * old, old * r.choice(NUMBERS), *NUMBERS, str(old), str(old + 2**80)]
        )
    if isinstance(old, str) and kind < 0.6:
        return r.choice([*TEXTS, old[::-1], old + "0"])
    if isinstance(old, list) and old and kind < 0.7:
        longer = old * r.choice([2, 3, 50 if len(old) < 100 else 2])
        return r.choice(
            [
                old[1:],
                old[:-1],
                old[::-1],
                longer,
                [*old, r.choice(old)],
                r.sample(old, len(old)),
                [old],
                old[:1] * 3000,
            ]
        )
    if isinstance(old, dict) and old and kind < 0.6:
        key = r.choice(list(old))
        return r.choice(
            [{k: v for k, v in old.items() if k != key}, {**old, "more": 1}, {**old, key: r.choice(WEIRD)}]
        )
    if kind < 0.8:
        other = r.choice(certificates)
        return get(other, r.choice(list(paths(other))))
    return r.choice([*WEIRD, *NUMBERS, *TEXTS, nested(r.choice([5, 59, 61, 300]))])


def alike(certificates):
    """The values that occur under a key, anywhere."""
    found = {}
    for certificate in certificates:
        for path in paths(certificate):
            found.setdefault(str(path[-1:]), {})[json.dumps(get(certificate, path), sort_keys=True)] = None
    return {key: list(values) for key, values in found.items()}


def mild(r, path, old, known):
    """A substitute that may well be read: what stands under this key elsewhere, or a number nearby."""
    if isinstance(old, int) and not isinstance(old, bool) and r.random() < 0.6:
        return r.choice([old + 1, old - 1, -old, 2 * old, old * 10**6, 0, 1, str(old)])
    return json.loads(r.choice(known[str(path[-1:])])) if str(path[-1:]) in known else old


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def reseal(certificate):
    try:
        case = certificate["instance"]
        parts = {
            key: None if case[key] is None else digest(case[key]) for key in ("network", "data", "targets")
        }
        weights = {name: digest(each) for name, each in case["weights"].items()}
        return {**certificate, "digests": {**parts, "weights": weights, "instance": digest(case)}}
    except (TypeError, KeyError, AttributeError, IndexError):
        return certificate


def mutated(r, certificates, known):
    """A text."""
    base, gentle = r.choice(certificates), r.random() < 0.7
    if r.random() < 0.75:
        for _ in range(r.choice([1, 1, 2, 4])):
            path = r.choice(list(paths(base)))
            new = (
                mild(r, path, get(base, path), known) if gentle else another(r, get(base, path), certificates)
            )
            base = put(base, path, new)
        base = reseal(base) if r.random() < 0.9 else base
        return json.dumps(base).encode()
    text = bytearray(json.dumps(base).encode())
    for _ in range(r.choice([1, 1, 1, 2, 3, 10])):
        at, end = sorted((r.randrange(len(text) + 1), r.randrange(len(text) + 1)))
        end = min(end, at + r.choice([1, 3, 20, 200]))
        piece = bytes(text[at:end])
        text[at:end] = r.choice(
            [b"", piece * 2, bytes([r.randrange(256)]), r.choice(b'[]{},:"0123456789-.eE\\/ tfn').to_bytes(1, "big"), piece[::-1],
             b"9" * r.choice([2, 16, 18, 400, 5000]), b"[" * r.choice([1, 100, 100_000]), b"\xef\xbb\xbf", b"null", b'{"a":1,"a":1}',
             b"\\u0000", b"NaN", b"-0", b"1.5", b"1E400"]  # fmt: skip
        )  # fmt: skip
    return bytes(text)


def mutation(number, seed, certificates, known):
    return mutated(random.Random(f"{seed} {number}"), certificates, known)


def child(file, start, end, seed, memory):
    """A line for each mutation; the limit is on address space."""
    sys.path.insert(0, str(ROOT / "exactcnn"))
    from checker.certificate import examine

    certificates = json.loads(Path(file).read_text())
    known = alike(certificates)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory * 2**20, memory * 2**20))
    except ImportError:
        print("no limits on memory here", file=sys.stderr)
    for number in range(start, end):
        text = mutation(number, seed, certificates, known)
        begun = time.perf_counter()
        verdict = examine(text, "")
        print(
            json.dumps([number, verdict.outcome, time.perf_counter() - begun, verdict.reason, len(text)]),
            flush=True,
        )


def run(count, seed, memory, patience):
    from tests.certificates.test_tampering import BASES

    results, deaths, next_one = [], [], 0
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps([BASES[name] for name in BASES]))
        file.flush()
        while next_one < count:
            order = [
                sys.executable,
                "-m",
                "tests.benchmarks.mutations",
                "--child",
                file.name,
                str(next_one),
                str(count),
            ]
            process = subprocess.Popen([*order, "--seed", str(seed), "--memory", str(memory)], cwd=ROOT, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)  # fmt: skip
            lines = follow(process, patience)
            try:
                for line in lines:
                    results.append(json.loads(line))
                    next_one = results[-1][0] + 1
            finally:
                process.kill()
                process.wait()
            if next_one < count:
                tail = process.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
                deaths.append((next_one, process.returncode, *tail))
                next_one += 1
            process.stderr.close()
            process.stdout.close()
    return results, deaths


def follow(process, patience):
    """Lines of the child until it ends, or is silent for too long."""
    selector, buffer = selectors.DefaultSelector(), b""
    selector.register(process.stdout, selectors.EVENT_READ)
    while selector.select(patience):
        piece = process.stdout.read1(2**16)
        if not piece:
            process.wait()
            return
        *lines, buffer = (buffer + piece).split(b"\n")
        yield from lines


def report(results, deaths, seconds):
    outcomes, internal = (
        Counter(outcome for _, outcome, *_ in results),
        [each for each in results if each[1] == "INTERNAL ERROR"],
    )
    print(
        f"{len(results)} mutations in {seconds:.0f} s: "
        + ", ".join(f"{n} {name}" for name, n in outcomes.most_common())
    )
    print("slowest:")
    for number, outcome, took, reason, size in sorted(results, key=lambda each: -each[2])[:10]:
        print(f"  {took:7.3f} s, {size} bytes, mutation {number}: {outcome}, {reason[:100]}")
    print(f"INTERNAL ERRORS: {len(internal)}")
    for reason, n in Counter(each[3] for each in internal).most_common():
        print(
            f"  {n} times {reason}, first as mutation {next(each[0] for each in internal if each[3] == reason)}"
        )
    print(f"deaths and hangs of the child: {len(deaths)}")
    for death in deaths[:20]:
        print("  mutation", *death)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=1024, help="MiB of address space for the child")
    parser.add_argument("--patience", type=float, default=120, help="seconds for one mutation")
    parser.add_argument("--show", type=int, help="print this mutation and stop")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]), int(options.child[2]), options.seed, options.memory)
        return
    if options.show is not None:
        from tests.certificates.test_tampering import BASES

        certificates = json.loads(json.dumps([BASES[name] for name in BASES]))
        sys.stdout.buffer.write(
            mutation(options.show, options.seed, certificates, alike(certificates)) + b"\n"
        )
        return
    begun = time.perf_counter()
    results, deaths = run(options.count, options.seed, options.memory, options.patience)
    report(results, deaths, time.perf_counter() - begun)
    if deaths or any(each[1] == "INTERNAL ERROR" for each in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
