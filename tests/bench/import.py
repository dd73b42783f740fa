"""Import of a long chain, and the start of a node on it: an earlier version against this one, in the same run.

    import.py EXAMPLE BLOCKSMITH PEER [--blocks N] [--zeros N] [--rounds N]

EXAMPLE is the built `verify_speed` example, BLOCKSMITH the built program, PEER that of an earlier
version; `cargo xtask bench import` builds and passes them. Each round times `chain import FILE` into an
empty data directory, from starting the process to its end, of the one and of the other. A ratio is taken
within its round. Beside the time by the clock stands what the processors did: the rest is the disk's.
Then both start a node on their last directory, in turn: from starting the process to the line that says
where it runs. This version's index is at the tip by then.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from verify import processor


INDEXED_S = 600  # until the index of a long chain is at its tip

STARTS = 15


def imported(blocksmith, file, data, zeros):
    """Imports into an empty directory: seconds by the clock, seconds of the processors, what it says."""
    shutil.rmtree(data, ignore_errors=True)
    command = [blocksmith, "chain", "import", str(file), "--chain", "lecture", "--zeros", str(zeros),
               "--data-dir", str(data)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    taken = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{blocksmith} ends with {process.returncode}"
    # What one has written is nothing that the other should wait for.
    os.sync()
    return taken, usage.ru_utime + usage.ru_stime, said.splitlines()[0]


@contextlib.contextmanager
def node(blocksmith, data, zeros):
    """A node on a directory: the seconds until it says where it runs, and that URL."""
    command = [blocksmith, "node", "0", "--chain", "lecture", "--zeros", str(zeros), "--data-dir", str(data)]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        taken = time.perf_counter() - start
        try:
            yield taken, next(word for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()


def wait_for_index(blocksmith, data, zeros, blocks):
    """Lets a node run until its index has all blocks."""
    with node(blocksmith, data, zeros) as (_, url):
        end = time.monotonic() + INDEXED_S
        indexed = 0
        while indexed < blocks:
            assert time.monotonic() < end, f"the index is at block {indexed}"
            with urllib.request.urlopen(f"{url}/api/v1/leaderboard") as answer:
                indexed = json.load(answer)["indexed"]["index"]
            time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example")
    parser.add_argument("blocksmith")
    parser.add_argument("peer")
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--zeros", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    programs = {"earlier": options.peer, "this": options.blocksmith}

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chain.json"
        with open(file, "wb") as out:
            subprocess.run([options.example, "make", str(options.blocks), str(options.zeros)], stdout=out, check=True)
        print(f"{processor()}, {threads} threads, {platform.system()} {platform.release()}")
        print(f"{options.blocks} blocks, {file.stat().st_size / 1e6:.0f} MB, {options.rounds} rounds")
        os.sync()
        rounds = []
        for _ in range(options.rounds):
            one = {name: imported(program, file, Path(folder) / name, options.zeros) for name, program in programs.items()}
            said = {name: line for name, (_, _, line) in one.items()}
            assert said["earlier"] == said["this"] and said["this"].startswith(f"imported: {options.blocks} blocks"), said
            rounds.append(one)
        wait_for_index(options.blocksmith, Path(folder) / "this", options.zeros, options.blocks)
        starts = {name: [] for name in programs}
        for _ in range(STARTS):
            for name, program in programs.items():
                with node(program, Path(folder) / name, options.zeros) as (taken, _):
                    starts[name].append(taken)

    print(f"{'':10}{'by the clock, best':>20}{'median':>10}{'processors, best':>20}{'median':>10}")
    for name in programs:
        clock, processors = ([one[name][place] for one in rounds] for place in (0, 1))
        print(f"{name:10}{min(clock):>18.1f} s{statistics.median(clock):>8.1f} s"
              f"{min(processors):>18.1f} s{statistics.median(processors):>8.1f} s")
    for place, what in ((0, "by the clock"), (1, "of the processors")):
        ratios = [one["this"][place] / one["earlier"][place] for one in rounds]
        print(f"this to earlier, {what}: best {min(ratios):.2f}, median {statistics.median(ratios):.2f}")
    for name, taken in starts.items():
        print(f"a node of {name} starts: best {min(taken) * 1000:.0f} ms, median {statistics.median(taken) * 1000:.0f} ms")
    ratios = [this / earlier for earlier, this in zip(starts["earlier"], starts["this"])]
    print(f"this to earlier, to start a node: best {min(ratios):.2f}, median {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
