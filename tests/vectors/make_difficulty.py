#!/usr/bin/env python3
"""Writes difficulty.json: the targets that Python's fractions and big integers give to made-up chains.

Each chain is a list of timestamps, and each target is reckoned from the whole list: no state is carried
from block to block, and nothing can overflow. asert.json, the published runs, is checked here as well.
"""

import json
import math
import pathlib
import random
from fractions import Fraction

HERE = pathlib.Path(__file__).resolve().parent
SEED = 15450900
LIMIT = 2**256
FORGE = {"spacing_s": 15, "half_life_s": 450, "easiest": 2**240 - 1, "longest_gap_s": 900}
GENESIS = 2**232 - 1


def power(exponent):
    """2^exponent as aserti3-2d has it: 16 bits behind the point, rounded towards zero, then a cubic."""
    fixed = int(exponent * 65536)
    whole, x = divmod(fixed, 65536)
    cubic = 195766423245049 * x + 971821376 * x**2 + 5127 * x**3 + 2**47
    factor = Fraction(65536 + cubic // 2**48, 65536)
    assert abs(float(factor) / 2 ** (x / 65536) - 1) < 0.00013
    return factor * Fraction(2) ** whole


def within(target, easiest):
    return max(1, min(math.floor(target), easiest))


def asert(rule, genesis, times, n):
    """The target of block n; times[1] is the genesis block's."""
    gaps = [min(times[k] - times[k - 1], rule["longest_gap_s"]) for k in range(3, n)]
    behind = sum(gaps) - rule["spacing_s"] * len(gaps)
    # Beyond the range of targets, which would only cost time.
    exponent = max(Fraction(-600), min(Fraction(behind, rule["half_life_s"]), Fraction(600)))
    return within(genesis * power(exponent), rule["easiest"])


def epoch(rule, genesis, times, n):
    """The target of block n, from the genesis block on: epochs end in the blocks 2 + k · blocks."""
    target, expected = within(genesis, rule["easiest"]), rule["blocks"] * rule["spacing_s"]
    for end in range(2 + rule["blocks"], n, rule["blocks"]):
        took = times[end] - times[end - rule["blocks"]]
        took = max(expected // rule["clamp"], min(took, expected * rule["clamp"]))
        target = within(Fraction(target * took, expected), rule["easiest"])
    return target


def times_of(start, gaps):
    times = [None, start]
    for gap, count in gaps:
        for _ in range(count):
            times.append(times[-1] + gap)
    return times


def chain(kind, name, rule, genesis, start, gaps, checked=None):
    times = times_of(start, gaps)
    reckon = {"asert": asert, "epoch": epoch}[kind]
    shown = {key: f"{value:064x}" if key == "easiest" else value for key, value in rule.items()}
    blocks = checked or range(2, len(times) + 1)
    targets = [[n, f"{reckon(rule, genesis, times, n):064x}"] for n in blocks]
    return {"name": name, "rule": shown, "genesis": f"{genesis:064x}", "start": start, "gaps": gaps, "targets": targets}


def asert_chains():
    rng = random.Random(SEED)
    edges = [0, 1, 14, 15, 16, 29, 449, 450, 451, 465, 899, 900, 901, 86400]
    now = 1_700_000_000
    yield chain("asert", "years after its genesis block", FORGE, GENESIS, 0, [[now, 1], [15, 5], [16, 1]])
    for gap in edges:
        yield chain("asert", f"gaps of {gap} s", FORGE, GENESIS, now, [[gap, 12]])
    yield chain("asert", "on time for 5000 blocks", FORGE, GENESIS, now, [[15, 5000]], [2, 3, 4, 1000, 5001, 5002])
    yield chain("asert", "no time at all, to the hardest", FORGE, GENESIS, now, [[0, 8000]], [34, 3000, 6991, 8000, 8002])
    yield chain("asert", "nights", FORGE, GENESIS, now, [[9, 40], [43200, 1], [12, 40], [50000, 1], [15, 9]])
    yield chain("asert", "a night in small steps", FORGE, GENESIS, now, [[9, 9], [900, 48], [15, 3]])
    yield chain("asert", "the last timestamps", FORGE, GENESIS, 2**53 - 1 - 4000, [[1000, 4], [0, 9]])
    for number in range(6):
        gaps = [[rng.choice(edges), 1] for _ in range(80)]
        yield chain("asert", f"edges {number}", FORGE, GENESIS, rng.randrange(2**40), gaps)
        gaps = [[int(rng.expovariate(1 / 15)), 1] for _ in range(80)]
        yield chain("asert", f"chance {number}", FORGE, rng.getrandbits(235), rng.randrange(2**40), gaps)
        rule = {
            "spacing_s": rng.randint(1, 700),
            "half_life_s": rng.randint(1, 200_000),
            "easiest": LIMIT - 1 >> rng.randint(0, 30),
            "longest_gap_s": rng.randint(1, 100_000),
        }
        gaps = [[int(rng.expovariate(1 / rule["spacing_s"])), 1] for _ in range(60)]
        yield chain("asert", f"other rules {number}", rule, rng.getrandbits(rng.randint(1, 256)), 7, gaps)
    whole = {**FORGE, "easiest": LIMIT - 1}
    yield chain("asert", "all 256 bits", whole, LIMIT - 1, now, [[14, 9], [16, 8], [15, 2], [14, 300]])
    yield chain("asert", "the smallest target", whole, 1, now, [[14, 9], [900, 600]], [2, 9, 12, 20, 50, 100, 200, 300])
    yield chain("asert", "a genesis target of zero", whole, 0, now, [[900, 9]])
    yield chain("asert", "a genesis target above the easiest", FORGE, 2**250, now, [[15, 3], [0, 40]])


def epoch_chains():
    rng = random.Random(SEED + 1)
    tiny = {"blocks": 3, "spacing_s": 10, "clamp": 4, "easiest": 2**240 - 1}
    bitcoin = {"blocks": 2016, "spacing_s": 600, "clamp": 4, "easiest": 0xFFFF << 208}
    hard = 0x1234567890ABCDEF << 150
    yield chain("epoch", "the table", tiny, GENESIS, 0, [[1_000_000, 1], [7, 3], [11, 3], [20, 3], [10, 4]])
    yield chain("epoch", "too fast, clamped", tiny, GENESIS, 5, [[0, 20]])
    yield chain("epoch", "too slow, clamped, then the easiest", tiny, GENESIS, 5, [[500, 30]])
    yield chain("epoch", "at the clamp and a second beside it", tiny, hard, 5, [[0, 1], [2, 2], [3, 1], [2, 3], [40, 3], [40, 2], [41, 1], [40, 2], [39, 1]])
    yield chain("epoch", "all time in the last gap of each epoch", tiny, hard, 5, [[0, 3], [30, 1]] + [[0, 2], [30, 1]] * 6)
    ends = [2, 2018, 2019, 4034, 4035, 6050, 6051]
    yield chain("epoch", "Bitcoin on time", bitcoin, hard, 1231006505, [[600, 6050]], ends)
    yield chain("epoch", "Bitcoin growing", bitcoin, hard, 1231006505, [[600, 2017], [500, 2016], [432, 2017]], ends)
    yield chain("epoch", "Bitcoin clamped both ways", bitcoin, hard, 1231006505, [[600, 1], [100, 2016], [3000, 2016], [150, 2017]], ends)
    for number in range(6):
        rule = {
            "blocks": rng.randint(1, 9),
            "spacing_s": rng.randint(1, 900),
            "clamp": rng.randint(1, 5),
            "easiest": LIMIT - 1 >> rng.randint(0, 20),
        }
        gaps = [[int(rng.expovariate(1 / rule["spacing_s"])), 1] for _ in range(60)]
        yield chain("epoch", f"other rules {number}", rule, rng.getrandbits(rng.randint(1, 256)), 7, gaps)


def from_compact(bits):
    return math.floor(Fraction(bits & 0x7FFFFF) * Fraction(256) ** ((bits >> 24) - 3))


def to_compact(target):
    # The first bit of the digits is a sign: one bit more than the number has.
    size = target.bit_length() // 8 + 1 if target else 0
    return size << 24 | math.floor(target * Fraction(256) ** (3 - size))


def compacts():
    """Targets and their compact forms, and what is left when they are read again."""
    rng = random.Random(SEED + 2)
    numbers = [0, LIMIT - 1] + [1 << n for n in range(256)] + [(1 << n) - 1 for n in range(1, 256, 5)]
    numbers += [rng.getrandbits(rng.randint(1, 256)) for _ in range(60)]
    for number in numbers:
        bits = to_compact(number)
        yield [f"{number:064x}", f"{bits:#010x}", f"{from_compact(bits):064x}"]


def check_published():
    easiest = 0xFFFF << 208
    for run in json.loads((HERE / "asert.json").read_text())["runs"]:
        anchor, start = from_compact(int(run["anchor_bits"], 16)), int(run["anchor_parent_time"])
        for height, time, bits in run["rows"]:
            blocks = int(height) - int(run["anchor_height"]) + 1
            exponent = Fraction(time - start - 600 * blocks, 172_800)
            target = within(anchor * power(exponent), easiest)
            assert to_compact(target) == int(bits, 16), (run["description"], height)


def write(name, value):
    # One case a line keeps changes readable.
    lines = []
    for key, part in value.items():
        text = "[\n" + ",\n".join(json.dumps(case) for case in part) + "\n]"
        lines.append(f"{json.dumps(key)}: {text}")
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    check_published()
    write("difficulty.json", {"asert": list(asert_chains()), "epoch": list(epoch_chains()), "compact": list(compacts())})
