"""Search on a long chain: what a text may mean, whatever is asked.

    find.py EXAMPLE BLOCKSMITH [--blocks N] [--zeros N] [--rounds N]

EXAMPLE is the built `verify_speed` example, BLOCKSMITH the built program; `cargo xtask bench find` builds
and passes both. A chain of the lecture is imported, one coin to another name in each block, and a node serves it;
once its index is at the tip, each round asks `GET /api/v1/search` for every text once, over one connection, and
times each question from sending it to having read the answer. A question that finds something says so, or the
figures are of no use. `GET /healthz`, asked beside them, is what a question costs that looks for nothing.
"""

import argparse
import hashlib
import http.client
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

from verify import processor

INDEX_S = 1800  # until the index has followed the whole chain


class Node:
    """A node that serves the chain, and a connection to it."""

    def __init__(self, blocksmith, data, zeros):
        command = [blocksmith, "node", "0", "--chain", "lecture", "--zeros", str(zeros), "--data-dir", data]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        words = self.process.stdout.readline().split()
        self.address = urlsplit(next(word for word in words if word.startswith("http://"))).netloc
        self.connection = http.client.HTTPConnection(self.address, timeout=60)

    def get(self, path):
        """Seconds until an answer has been read, its status, and the answer."""
        start = time.perf_counter()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        return time.perf_counter() - start, answer.status, body

    def json(self, path):
        return json.loads(self.get(path)[2])

    def end(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def name_of(number):
    """The recipient of the coin of a block, as the example has it."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


def texts(node, blocks):
    """What is asked: the text, and the kind of its first match."""
    middle = node.json(f"/api/v1/blocks/{blocks // 2}")
    coin = json.dumps(middle["block"]["transactions"][-1], sort_keys=True)
    transaction = hashlib.sha256(coin.encode()).hexdigest()
    name = name_of(blocks // 2 - 1)
    return {
        "an index": (str(blocks // 2), "block"),
        "a hash": (middle["hash"], "block"),
        "the first 12 digits of a hash": (middle["hash"][:12], "block"),
        "a transaction's id": (transaction, "transaction"),
        "the first 12 digits of an id": (transaction[:12], "transaction"),
        "a name": (name, "account"),
        "the first 12 characters of a name": (name[:12], "account"),
        "one digit, with which a sixteenth of all begins": ("7", "block"),
        "one letter, the same": ("a", "account"),
        "64 zeros": ("0" * 64, None),
        "16 zeros": ("0" * 16, None),
        "an index beyond the chain": (str(2**64 - 1), None),
        "1,000 characters": ("x" * 1000, None),
        "1,000 hex digits": ("f" * 1000, None),
        "1,000 times a character of four bytes": ("\U0001f600" * 1000, None),
        "controls": ("\x00\x1b[2J\r\n\x7f", None),
        "half a surrogate, as JSON has it": ('"\\ud800"', None),
        "signs of percent": ("%25%%00%FF", None),
        "a piece of JSON": ('{"a": [1, {"b": ', None),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("example")
    parser.add_argument("blocksmith")
    parser.add_argument("--blocks", type=int, default=1_000_000)
    parser.add_argument("--zeros", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    with tempfile.TemporaryDirectory() as folder:
        file, data = Path(folder) / "chain.json", str(Path(folder) / "data")
        with open(file, "wb") as out:
            subprocess.run([options.example, "make", str(options.blocks), str(options.zeros)], stdout=out, check=True)
        command = [options.blocksmith, "chain", "import", str(file), "--chain", "lecture", "--zeros",
                   str(options.zeros), "--data-dir", data]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        file.unlink()
        node = Node(options.blocksmith, data, options.zeros)
        try:
            deadline = time.monotonic() + INDEX_S
            while (node.json("/api/v1/search?q=x")["indexed"] or {}).get("index") != options.blocks:
                assert time.monotonic() < deadline, "the index does not follow"
                time.sleep(1)
            asked = texts(node, options.blocks)
            times = {what: [] for what in ("/healthz", *asked)}
            for _ in range(options.rounds):
                times["/healthz"].append(node.get("/healthz")[0])
                for what, (text, kind) in asked.items():
                    taken, status, body = node.get(f"/api/v1/search?q={quote(text, safe='')}")
                    assert status == 200, (what, body)
                    found = json.loads(body)["matches"]
                    assert (found[0]["kind"] if found else None) == kind, (what, found[:3])
                    times[what].append(taken)
        finally:
            node.end()

    print(f"{processor()}, {threads} threads, {platform.system()} {platform.release()}")
    print(f"{options.blocks} blocks, {options.rounds} rounds\n")
    print("| asked | best | median | worst |")
    print("|---|---|---|---|")
    every = [taken for what, of in times.items() if what != "/healthz" for taken in of]
    for what, of in [*times.items(), ("all searches", every)]:
        print(f"| {what} | {min(of) * 1e3:.2f} ms | {statistics.median(of) * 1e3:.2f} ms | {max(of) * 1e3:.2f} ms |")


if __name__ == "__main__":
    main()
