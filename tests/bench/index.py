"""The index of parties: how much room it takes, how fast pages are, how far behind it is, and what it costs.

    index.py EXAMPLE BLOCKSMITH PEER [--blocks N] [--zeros N] [--rounds N] [--arriving N] [--only PART]

EXAMPLE is the built `verify_speed` example, BLOCKSMITH the built program, PEER that of an earlier version, which has no
index; `cargo xtask bench index` builds and passes them.

- room: both programs import the same chain; this one then runs until its index is at the tip and has given back what it
  needed on the way.
- pages: one party mined all blocks; pages of its transactions from the start, the middle and the end, over one connection.
- behind: blocks arrive one after the other; how long after a block was taken in an account counts it; also while
  one process for each core does nothing but compute.
- connecting: blocks are handed in one after the other, to both programs in turn.
- catching up: an empty node gets the chain of a peer, which is always this program; both programs in turn.
"""

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from verify import processor

LONG_S = 1800  # until something that takes minutes is over


class Node:
    """A node, and a connection to it."""

    def __init__(self, blocksmith, data, zeros, *more):
        command = [blocksmith, "node", "0", "--chain", "lecture", "--zeros", str(zeros), "--data-dir", data, *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        words = self.process.stdout.readline().split()
        self.url = next(word for word in words if word.startswith("http://"))
        self.connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)

    def call(self, path, body=None):
        """Seconds until an answer has been read, and the answer."""
        start = time.perf_counter()
        headers = {} if body is None else {"Content-Type": "application/json"}
        self.connection.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        taken = time.perf_counter() - start
        assert answer.status == 200, (path, answer.status, text[:300])
        return taken, json.loads(text)

    def get(self, path):
        return self.call(f"/api/v1/{path}")[1]

    def wait_for_index(self, blocks):
        wait(lambda: self.get("leaderboard?limit=1")["indexed"]["index"] >= blocks, 0.2)


def wait(condition, pause):
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(pause)


def settled(file):
    """Waits until a file has had the same length for two seconds."""
    seen = []

    def is_settled():
        seen.append(file.stat().st_size)
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    wait(is_settled, 0.2)


def imported(blocksmith, file, data, zeros):
    command = [blocksmith, "chain", "import", str(file), "--chain", "lecture", "--zeros", str(zeros), "--data-dir", data]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def name_of(number):
    """The recipient of the coin of a block, as the example has it."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def room(options, folder):
    """Bytes a block, of both programs."""
    print("| coins to | earlier | this, the chain | this, the index | this to earlier |\n|---|---|---|---|---|")
    for miners, who in ((30, "30 miners"), (None, "another miner in each block"), (300, "one of 300, who also pay")):
        file = made(options, folder, miners)
        if who.endswith("pay"):
            with_payments(file, miners)
        sizes = []
        for program in (options.peer, options.blocksmith):
            with tempfile.TemporaryDirectory(dir=folder) as data:
                imported(program, file, data, options.zeros)
                if program == options.blocksmith:
                    with Node(program, data, options.zeros) as node:
                        node.wait_for_index(options.blocks)
                        settled(Path(data) / "index.redb")
                sizes.append([(Path(data) / name).stat().st_size / options.blocks if (Path(data) / name).exists() else 0
                              for name in ("chain.redb", "index.redb")])
        (earlier, _), (chain, index) = sizes
        print(f"| {who} | {earlier:.0f} B | {chain:.0f} B | {index:.0f} B | {(chain + index) / earlier:.2f} |", flush=True)
        file.unlink()


def pages(options, folder):
    """Pages of the transactions of a party that mined all blocks."""
    file, data = made(options, folder, 1), str(folder / "pages")
    imported(options.blocksmith, file, data, options.zeros)
    file.unlink()
    party, coins = name_of(0), options.blocks - 1
    with Node(options.blocksmith, data, options.zeros) as node:
        node.wait_for_index(options.blocks)
        times = {}
        for _ in range(options.pages):
            for what, before in (("first", None), ("middle", options.blocks // 2), ("last", 32)):
                for limit in (50, 1000):
                    path = f"/api/v1/accounts/{party}/transactions?limit={limit}" + (f"&before={before}-0" if before else "")
                    taken, page = node.call(path)
                    expected = min(limit, before - 2 if before else coins)
                    assert len(page["transactions"]) == expected and (page["next"] is None) == (what == "last")
                    times.setdefault((what, expected), []).append(taken)
            taken, account = node.call(f"/api/v1/accounts/{party}")
            assert account["transactions"] == account["balance"] == coins
            times.setdefault(("account", None), []).append(taken)
            times.setdefault(("leaderboard", None), []).append(node.call("/api/v1/leaderboard")[0])
    print("\n| asked | best | median | worst |\n|---|---|---|---|")
    for (what, entries), of in times.items():
        said = f"the {what} page, {entries} entries" if entries else what
        print(f"| {said} | {min(of) * 1e3:.1f} ms | {statistics.median(of) * 1e3:.1f} ms | {max(of) * 1e3:.1f} ms |", flush=True)


def proofs(number, zeros=1):
    """So many proofs of the lecture, each the lowest behind the last."""
    last = 99
    for _ in range(number):
        last = next(proof for proof in range(10**6)
                    if hashlib.sha256(f"{last}{proof}".encode()).hexdigest().startswith("0" * zeros))
        yield last


def behind(options, folder):
    """How long after a block was taken in an account counts it."""
    print("\n| blocks arrive | best | median | worst |\n|---|---|---|---|")
    for busy in (0, len(os.sched_getaffinity(0))):
        with contextlib.ExitStack() as stack:
            data = stack.enter_context(tempfile.TemporaryDirectory(dir=folder))
            node = stack.enter_context(Node(options.blocksmith, data, 1))
            for _ in range(busy):
                process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
                stack.callback(process.wait)
                stack.callback(process.kill)
            late = []
            for index, proof in enumerate(proofs(options.arriving), 2):
                node.call("/mine", {"proof": proof})
                start = time.perf_counter()
                wait(lambda index=index: node.get("leaderboard?limit=1")["indexed"]["index"] >= index, 0.005)
                late.append(time.perf_counter() - start)
        said = f"beside {busy} processes that compute" if busy else "alone"
        print(f"| {said} | {min(late) * 1e3:.0f} ms | {statistics.median(late) * 1e3:.0f} ms | {max(late) * 1e3:.0f} ms |",
              flush=True)


def connected(blocksmith, folder, listed):
    """Seconds in which a node takes in blocks one after the other."""
    with tempfile.TemporaryDirectory(dir=folder) as data, Node(blocksmith, data, 1) as node:
        return sum(node.call("/mine", {"proof": proof})[0] for proof in listed)


def caught_up(blocksmith, folder, peer, options):
    """Seconds in which an empty node gets the chain of a peer."""
    with tempfile.TemporaryDirectory(dir=folder) as data:
        start = time.perf_counter()
        with Node(blocksmith, data, options.zeros, "--peer", peer) as node:
            wait(lambda: node.get("status")["index"] >= options.blocks, 0.02)
            return time.perf_counter() - start


def compared(what, rounds):
    for name in ("earlier", "this"):
        of = [one[name] for one in rounds]
        print(f"| {what}, {name} | {min(of):.2f} s | {statistics.median(of):.2f} s |")
    ratios = [one["this"] / one["earlier"] for one in rounds]
    best = min(one["this"] for one in rounds) / min(one["earlier"] for one in rounds)
    print(f"| {what}, this to earlier | {best:.2f} | {statistics.median(ratios):.2f} |", flush=True)


def costs(options, folder):
    """What a node takes for blocks and for a chain, with the index and without it."""
    programs = {"earlier": options.peer, "this": options.blocksmith}
    listed = list(proofs(options.arriving))
    print("\n| | best | median |\n|---|---|---|")
    rounds = []
    for number in range(options.rounds):
        turns = list(programs.items())[::-1 if number % 2 else 1]
        rounds.append({name: connected(program, folder, listed) for name, program in turns})
    compared(f"connecting {len(listed)} blocks", rounds)
    file, data = made(options, folder, 30), str(folder / "peer")
    imported(options.blocksmith, file, data, options.zeros)
    file.unlink()
    rounds = []
    with Node(options.blocksmith, data, options.zeros) as peer:
        peer.wait_for_index(options.blocks)
        for number in range(options.rounds):
            turns = list(programs.items())[::-1 if number % 2 else 1]
            rounds.append({name: caught_up(program, folder, peer.url, options) for name, program in turns})
            os.sync()
    compared(f"catching up on {options.blocks} blocks", rounds)


def made(options, folder, miners):
    """A file with a chain, one coin in each block."""
    file = folder / "chain.json"
    with open(file, "wb") as out:
        command = [options.example, "make", str(options.blocks), str(options.zeros), *([str(miners)] if miners else [])]
        subprocess.run(command, stdout=out, check=True)
    return file


def with_payments(file, miners):
    """Gives each block one or two payments between the miners beside its coin."""
    chain, parent = json.loads(file.read_text())["chain"], None
    pick, names = random.Random(14), [name_of(number) for number in range(miners)]
    with open(file, "w") as out:
        out.write('{"chain": [')
        for block in chain:
            if parent is not None:
                block["previous_hash"] = parent
                payments = [{"amount": pick.randint(1, 50), "recipient": pick.choice(names), "sender": pick.choice(names)}
                            for _ in range(pick.choice((1, 2)))]
                block["transactions"] = payments + block["transactions"]
            text = json.dumps(block, sort_keys=True)
            out.write((", " if parent else "") + text)
            parent = hashlib.sha256(text.encode()).hexdigest()
        out.write(f'], "length": {len(chain)}}}')


def main():
    parts = {"room": room, "pages": pages, "behind": behind, "costs": costs}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example")
    parser.add_argument("blocksmith")
    parser.add_argument("peer")
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--zeros", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--pages", type=int, default=30)
    parser.add_argument("--arriving", type=int, default=400)
    parser.add_argument("--only", choices=parts)
    options = parser.parse_args()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{processor()}, {threads} threads, {platform.system()} {platform.release()}")
    print(f"{options.blocks} blocks, {options.rounds} rounds\n")
    for name, part in parts.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                part(options, Path(folder))


if __name__ == "__main__":
    main()
