"""Validation of a long chain: CPython's `valid_chain` loop against ours, in the same run.

    verify.py EXAMPLE BLOCKSMITH [--blocks N] [--zeros N] [--rounds N]

EXAMPLE is the built `verify_speed` example, BLOCKSMITH the built program; `cargo xtask bench`
builds and passes both. Each round times, one after the other: the loop of the course's nodes over a
chain that is parsed already; our library from the chain's JSON text to the verdict, on one thread
and on all; and `blocksmith chain verify FILE`, from starting the process to its end, of the canonical
text and of the same chain as Flask's `jsonify` sends it. The best ratio is that of the best times, the
median one that of the ratios within each round, where a busy machine slows both sides. Where other programs run, what the processors did for each says more than
the clock.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

# The order in which the code of the course's nodes writes a block's members, and a transaction's.
COURSE_ORDER = ["index", "timestamp", "transactions", "proof", "previous_hash", "sender", "recipient", "amount"]


def valid_chain(chain, zeros):
    """The loop of the course's nodes: every link and every proof."""
    last_block = chain[0]
    for block in chain[1:]:
        last_hash = hashlib.sha256(json.dumps(last_block, sort_keys=True).encode()).hexdigest()
        if block["previous_hash"] != last_hash:
            return False
        guess = f"{last_block['proof']}{block['proof']}".encode()
        if hashlib.sha256(guess).hexdigest()[:zeros] != "0" * zeros:
            return False
        last_block = block
    return True


def seconds(work):
    """How long `work()` takes, by the clock and of the processors; it has to return something true."""
    start, used = time.perf_counter(), processors()
    assert work(), "the chain is valid, and was not found so"
    return time.perf_counter() - start, processors() - used


def processors():
    """Seconds that processors worked for this process and those that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def jsonify(value):
    """What Flask sends: without spaces, and with a line end behind it."""
    return json.dumps(value, separators=(",", ":")) + "\n"


def in_order(value, names):
    """The same with the members of all objects in this order."""
    if isinstance(value, list):
        return [in_order(element, names) for element in value]
    if isinstance(value, dict):
        return {name: in_order(value[name], names) for name in names if name in value}
    return value


def texts(text):
    """The chain's text in the forms that are verified, by what each is called."""
    document = json.loads(text)
    return {
        "canonical": text,
        # Flask sorts names unless it is told otherwise.
        "Flask": jsonify(in_order(document, sorted(["chain", "length", *COURSE_ORDER]))),
        "Flask, as coded": jsonify(in_order(document, ["chain", "length", *COURSE_ORDER])),
    }


class Library:
    """Our validation in a process that waits between the rounds."""

    def __init__(self, example, file, zeros):
        self.process = subprocess.Popen([example, "run", file, str(zeros)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def seconds(self, threads, blocks):
        """The time of one validation."""
        self.process.stdin.write(f"{threads}\n")
        self.process.stdin.flush()
        taken, found = self.process.stdout.readline().split()
        assert int(found) == blocks
        return float(taken), None

    def end(self):
        """Waits until the process is gone."""
        self.process.communicate(timeout=60)


def processor():
    """The processor's name, as far as the system tells."""
    try:
        names = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example")
    parser.add_argument("blocksmith")
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--zeros", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chain.json"
        with open(file, "wb") as out:
            subprocess.run([options.example, "make", str(options.blocks), str(options.zeros)], stdout=out, check=True)
        text = file.read_text()
        chain = json.loads(text)["chain"]
        assert len(chain) == options.blocks
        forms = texts(text)
        for form, form_text in forms.items():
            (Path(folder) / form).write_text(form_text)

        def program(form):
            command = [options.blocksmith, "chain", "verify", str(Path(folder) / form),
                       "--chain", "lecture", "--zeros", str(options.zeros)]
            done = subprocess.run(command, capture_output=True, text=True)
            return done.returncode == 0 and done.stdout.startswith(f"valid: {options.blocks} blocks")

        version = subprocess.run([options.blocksmith, "--version"], capture_output=True, text=True, check=True)
        print(f"{processor()}, {threads} threads, {platform.system()} {platform.release()}; "
              f"{platform.python_implementation()} {platform.python_version()}; {version.stdout.strip()}")
        print(f"{options.blocks} blocks of {len(text) / options.blocks:.0f} bytes, {options.zeros} zeros, "
              f"{options.rounds} rounds")

        library = Library(options.example, file, options.zeros)
        names = ["CPython's loop", "library, 1 thread", f"library, {threads} threads",
                 *(f"chain verify, {form}" for form in forms)]
        rounds = []
        for _ in range(options.rounds):
            rounds.append([
                seconds(lambda: valid_chain(chain, options.zeros)),
                library.seconds(1, options.blocks),
                library.seconds(threads, options.blocks),
                *(seconds(lambda form=form: program(form)) for form in forms),
            ])
        library.end()

    print(f"{'':30}{'best':>10}{'median':>10}{'blocks/s':>13}{'best ratio':>13}{'median ratio':>14}{'processors':>13}")
    for place, name in enumerate(names):
        times = [row[place][0] for row in rounds]
        ratios = [row[0][0] / row[place][0] for row in rounds]
        best = min(row[0][0] for row in rounds) / min(times)
        worked = [row[place][1] for row in rounds if row[place][1] is not None]
        print(f"{name:30}{min(times) * 1e3:>7.1f} ms{statistics.median(times) * 1e3:>7.1f} ms"
              f"{options.blocks / min(times):>13,.0f}{best:>13.1f}{statistics.median(ratios):>14.1f}"
              + (f"{statistics.median(worked) * 1e3:>10.0f} ms" if worked else f"{'–':>13}"))


if __name__ == "__main__":
    main()
