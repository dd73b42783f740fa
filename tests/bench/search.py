"""Searching proofs: every backend against Python's loop and other programs, in the same run.

    search.py NAIVE BLOCKSMITH [--rounds N] [--core N]

NAIVE is the built `naive` example, BLOCKSMITH the built program; `cargo xtask bench search` builds
and passes both. Each round measures everything once, one after the other, by the wall clock: what
has one thread on one and the same core, two threads of ours on two, OpenSSL's where the system puts
them. Only what takes ten seconds, hashcat, cpuminer and `prove`, waits for every second round. One
compression of 64 bytes is the unit, and a try is one, however long the prefix. Prints Markdown.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from contextlib import contextmanager

# How long a search of ours, or Python's loop, is looked at in a round.
SECONDS = 0.4

# A search of so many tries through `prove`: it starts that far below the first proof with eight
# zeros after this prefix.
PREFIX, PROOF, ZEROS, TRIES = "8", 517_810_597, 8, 3 * 10**8
# And how long `bench` is looked at beside it.
BENCH_SECONDS = 3

# Where a program can choose its core.
PIN = ["--pin"] if hasattr(os, "sched_setaffinity") else []

CPUMINER_SECONDS = 3  # It stops to the second.

INSTALL = {
    "openssl": "`apt-get install openssl`",
    "hashcat": "`apt-get install hashcat pocl-opencl-icd ocl-icd-libopencl1`",
    "cpuminer": "build cpuminer-opt, which Debian does not package, and put `cpuminer` on the PATH",
}

PYTHON, NAIVE = "CPython's loop", "`format!` and `sha2`"
OPENSSL, OPENSSL_2 = "`openssl speed`", "`openssl speed -multi 2`"
CPUMINER, HASHCAT = "cpuminer, `sha256d`", "hashcat, mode 1400"
PROVE, BENCH = "`prove`", "`bench`"


def valid_proof(last_proof, proof):
    """The lecture's, with more zeros than there will ever be."""
    guess = f"{last_proof}{proof}".encode()
    guess_hash = hashlib.sha256(guess).hexdigest()
    return guess_hash[:16] == "0" * 16


def proof_of_work(last_proof, proof, end):
    """The lecture's loop, up to an end."""
    while proof < end and not valid_proof(last_proof, proof):
        proof += 1
    return proof


def python():
    start = proof = 10_000_000
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        proof = proof_of_work(99, proof, proof + 10_000)
    return (proof - start) / (time.perf_counter() - began)


def ours(*command):
    """What a program of ours prints."""
    return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def peer(*command):
    """What another program prints, errors included; nothing where there is no such program."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout


def last_number(pattern, text):
    """The number in the last line of that form, if there is one."""
    found = re.findall(pattern, text, re.MULTILINE)
    return float(found[-1]) if found else None


def openssl(*more):
    """OpenSSL's best code, in long messages: nothing but compressions."""
    text = peer("openssl", "speed", "-elapsed", "-seconds", 1, "-mr", *more, "-evp", "sha256", "-bytes", 16384)
    speed = last_number(r"^\+F:.*:([\d.]+)$", text)
    return speed and speed / 64


def cpuminer():
    """It hashes twice: the end of a block's header, and that digest."""
    text = peer("cpuminer", "-a", "sha256d", "-t", 1, "--benchmark", "--time-limit", CPUMINER_SECONDS)
    speed = last_number(r"^(\d+)$", text)
    return speed and speed * 2


def hashcat():
    """Its own benchmark on the processor: some five seconds, and once a minute to build its code."""
    text = peer("hashcat", "-b", "-m", 1400, "-D", 1, "--machine-readable")
    return last_number(r"^\d+:1400:.*:(\d+)$", text)


def row_name(backend, digits, threads):
    return f"`{backend}`, {digits} digits, {threads} thread{'s' if threads > 1 else ''}"


class Program:
    """Ours."""

    def __init__(self, path):
        self.path = path
        self.backend = None  # The one that `prove` takes, once that was seen.

    def json(self, *words):
        return json.loads(ours(self.path, *words, "--json"))

    def bench(self, threads, seconds, *more):
        """Every row that `bench` has."""
        report = self.json("bench", "--rounds", 1, "--seconds", seconds, "--threads", threads, *more)
        return {(row["backend"], row["prefix_digits"], row["threads"]): row["best_tries_per_second"]
                for row in report["rows"]}

    def prove(self):
        """A long search, which has to find what is known to be there."""
        found = self.json("prove", PREFIX, "--zeros", ZEROS, "--from", PROOF - TRIES + 1, "--threads", 1)
        digest = hashlib.sha256(f"{PREFIX}{PROOF}".encode()).hexdigest()
        assert digest.startswith("0" * ZEROS)
        assert (found["proof"], found["digest"], found["tries"]) == (PROOF, digest, TRIES), found
        self.backend = found["backend"]
        return found["tries_per_second"]

    def bench_beside_prove(self):
        """The same backend for some seconds more, next to the search that it is compared with."""
        rates = self.bench(1, BENCH_SECONDS, "--backend", self.backend)
        return rates[self.backend, 2, 1]


@contextmanager
def on(core):
    """This process, and those that it starts, on that core alone, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    yield
    os.sched_setaffinity(0, before)


def measure(program, naive, core, slow):
    """One round: compressions per second of everything, without what is not installed."""
    rates = {}
    with on(core):
        rates[PYTHON] = python()
        rates[NAIVE] = float(ours(naive, SECONDS))
        rates[OPENSSL] = openssl()
        rates.update(program.bench(1, SECONDS))
    # A system takes a while to move one of two new threads to the other core.
    rates.update(program.bench(2, SECONDS, *PIN))
    rates[OPENSSL_2] = openssl("-multi", 2)
    if slow:
        with on(core):
            rates[CPUMINER] = cpuminer()
            rates[HASHCAT] = hashcat()
            rates[PROVE] = program.prove()
            rates[BENCH] = program.bench_beside_prove()
    return {name: rate for name, rate in rates.items() if rate}


def ratio(over, under, rates):
    """One row to another: of their bests, and the median of the ratios within each round."""
    over, under = rates.get(over, {}), rates.get(under, {})
    within = [over[number] / under[number] for number in over.keys() & under.keys()]
    return (max(over.values()) / max(under.values()), statistics.median(within)) if within else None


def shown(pair):
    return "– | –" if pair is None else " | ".join(f"{value:.2f}" if value < 20 else f"{value:.0f}" for value in pair)


def print_rates(rates):
    print("| | million a second, best | median | to OpenSSL, best | median | to Python, best | median |")
    print("|---|---|---|---|---|---|---|")
    for name, by_round in rates.items():
        if name in (PROVE, BENCH):
            continue
        two = name == OPENSSL_2 or isinstance(name, tuple) and name[2] == 2
        to_openssl = ratio(name, OPENSSL_2 if two else OPENSSL, rates)
        to_python = None if two else ratio(name, PYTHON, rates)
        figures = by_round.values()
        label = row_name(*name) if isinstance(name, tuple) else name
        print(f"| {label} | {max(figures) / 1e6:.2f} | {statistics.median(figures) / 1e6:.2f} "
              f"| {shown(to_openssl)} | {shown(to_python)} |")


def print_ratios(rates, fastest):
    """The ratios that matter, with what they ought to be."""
    backends = list(dict.fromkeys(name[0] for name in rates if isinstance(name, tuple)))
    gain = ratio(OPENSSL_2, OPENSSL, rates)
    print("| | best | median | should be |")
    print("|---|---|---|---|")

    def line(label, over, under, wanted=""):
        print(f"| {label} | {shown(ratio(over, under, rates))} | {wanted} |")

    for backend in backends:
        of_openssl, of_python = {"sha_ni": ("at least 1.8", ""), "avx512": ("at least 4.6", "at least 85")}.get(
            backend, ("", ""))
        line(f"`{backend}` to OpenSSL", (backend, 2, 1), OPENSSL, of_openssl)
        line(f"`{backend}` to Python's loop", (backend, 2, 1), PYTHON, of_python)
    print(f"| OpenSSL, `-multi 2` to one | {shown(gain)} | |")
    for backend in backends:
        line(f"`{backend}`, two threads to one", (backend, 2, 2), (backend, 2, 1), "1.9, or OpenSSL's gain")
    for backend in backends:
        line(f"`{backend}`, 64 digits to 2", (backend, 64, 1), (backend, 2, 1), "0.95 to 1.05")
    line(f"`prove`, {TRIES:,} tries, to `bench`, `{fastest}`", PROVE, BENCH, "the same")


def version(program, flag="--version"):
    """The first line that it says, if it is there."""
    return (peer(program, flag).strip().splitlines() or ["–"])[0].partition(" (")[0]


def processor():
    """The processor's name, as far as the system tells."""
    try:
        names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("naive")
    parser.add_argument("blocksmith")
    parser.add_argument("--rounds", type=int, default=13)
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count())
    # Systems give the first one more to do.
    parser.add_argument("--core", type=int, default=max(cores))
    options = parser.parse_args()

    program = Program(options.blocksmith)
    measure(program, options.naive, options.core, slow=True)  # Not counted: hashcat builds its code.
    rates = defaultdict(dict)
    for number in range(options.rounds):
        for name, rate in measure(program, options.naive, options.core, slow=number % 2 == 0).items():
            rates[name][number] = rate

    print(f"{processor()}, {len(cores)} cores; {platform.system()} {platform.release()}; "
          f"{platform.python_implementation()} {platform.python_version()}; openssl: {version('openssl', 'version')}; "
          f"hashcat: {version('hashcat')}; {ours(options.blocksmith, '--version').strip()}; "
          f"{options.rounds} rounds, {len(rates[PROVE])} of hashcat and `prove`; one thread on core {options.core}\n")
    print_rates(rates)
    for name, missing in ((OPENSSL, "openssl"), (HASHCAT, "hashcat"), (CPUMINER, "cpuminer")):
        if name not in rates:
            print(f"| {name} | not measured: {INSTALL[missing]} | | | | | |")
    print()
    print_ratios(rates, program.backend)


if __name__ == "__main__":
    main()
