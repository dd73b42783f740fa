"""Processes under test: each is started, read, waited for with a bound, and ended by its own pid."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

from chain import block_hash, canonical

HERE = Path(__file__).parent
START_S = 20  # until a node prints its address
ANSWER_S = 15  # until a node answers an ordinary request
STOP_S = 10  # until a process that was asked to end has ended

# Nothing here leaves the machine, whatever proxies its environment names.
ENVIRONMENT = os.environ | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
                            "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


class Process:
    """A running program and all that it has printed."""

    def __init__(self, name, command):
        self.name, self.command = name, [str(part) for part in command]
        self.stdout, self.stderr = [], []
        self.child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, errors="replace", env=ENVIRONMENT)
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.child.stdout, self.stdout), (self.child.stderr, self.stderr))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    @property
    def running(self):
        """Whether it has not ended."""
        return self.child.poll() is None

    def output(self, lines=60):
        """The last lines of what it printed, for a message to a human."""
        return "\n".join([f"--- {self.name} (pid {self.child.pid}, exit {self.child.poll()}): {' '.join(self.command)}",
                          *self.stdout[-lines:], "--- its stderr", *self.stderr[-lines:]])

    def wait_exit(self, seconds):
        """Its exit code, once it ends by itself."""
        try:
            code = self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds} s\n{self.output()}") from None
        for reader in self._readers:
            reader.join(STOP_S)
        return code

    def stop(self):
        """Asks it to end, and makes it end; its exit code."""
        if self.running:
            self.child.terminate()
            try:
                self.child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
        return self.wait_exit(STOP_S)

    def kill(self):
        """kill -9: it has no time for anything."""
        self.child.send_signal(signal.SIGKILL)
        return self.wait_exit(STOP_S)


class Node(Process):
    """A process that serves HTTP at `url`, which it prints itself."""

    def __init__(self, name, command, known_urls=()):
        super().__init__(name, command)
        self.url = until(lambda: self._printed_url(known_urls), START_S, f"{name} to print its address", self)

    def _printed_url(self, known_urls):
        if not self.running:
            raise AssertionError(f"{self.name} ended before it listened\n{self.output()}")
        for line in [*self.stdout, *self.stderr]:
            for url in re.findall(r"http://127\.0\.0\.1:\d+", line):
                if url not in known_urls:
                    return url
        return None

    @property
    def address(self):
        """Host and port."""
        return self.url.removeprefix("http://")

    @property
    def port(self):
        """The port alone."""
        return int(self.url.rsplit(":")[-1])

    def get(self, path, timeout=ANSWER_S):
        """GET; the response, whatever its status."""
        return self._request("GET", path, timeout)

    def post(self, path, body, timeout=ANSWER_S):
        """POST a value as JSON; the response, whatever its status."""
        return self._request("POST", path, timeout, data=canonical(body), headers={"Content-Type": "application/json"})

    def post_text(self, path, text, content_type="application/json", timeout=ANSWER_S):
        """POST a text or bytes just as they are."""
        return self._request("POST", path, timeout, data=text, headers={"Content-Type": content_type})

    def request(self, method, path, timeout=ANSWER_S):
        """A request without a body, by any method."""
        return self._request(method, path, timeout)

    def _request(self, method, path, timeout, **more):
        try:
            return requests.request(method, self.url + path, timeout=timeout, **more)
        except requests.RequestException as error:
            raise AssertionError(f"{self.name} did not answer {method} {path}: {error!r}\n{self.output()}") from error

    def chain(self):
        """Its chain; the length beside it must be true."""
        answer = self.get("/chain").json()
        assert answer["length"] == len(answer["chain"]), f"{self.name}: a false length\n{answer}"
        return answer["chain"]

    def register(self, *nodes):
        """Makes nodes (or addresses) known to it."""
        answer = self.post("/nodes/register", {"nodes": [getattr(node, "url", node) for node in nodes]})
        assert answer.status_code == 201, f"{self.name}: {answer.status_code} {answer.text}\n{self.output()}"
        return answer.json()["total_nodes"]


def until(condition, seconds, what, *processes):
    """The first true value of `condition`, asked again and again for so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("\n".join([f"waited {seconds} s for {what}", *(each.output() for each in processes)]))
        time.sleep(0.05)
    return value


def introduce(nodes):
    """Registers everybody with everybody."""
    for node in nodes:
        node.register(*(other for other in nodes if other is not node))


def converge(nodes, rules, length, seconds=20):
    """Waits until all nodes show one valid chain of at least `length` blocks; that chain.

    The same chain means the same texts, hence the same hashes.
    """
    def one_chain():
        chains = [node.chain() for node in nodes]
        return chains if len({canonical(chain) for chain in chains}) == 1 and len(chains[0]) >= length else None

    def lengths():
        return ", ".join(f"{node.name} {len(node.chain())}" for node in nodes)

    try:
        chains = until(one_chain, seconds, f"one chain of at least {length} blocks on {len(nodes)} nodes", *nodes)
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n--- lengths: {lengths()}") from None
    assert len({tuple(map(block_hash, chain)) for chain in chains}) == 1
    assert rules.valid_chain(chains[0])
    return chains[0]


def mine_one(node, rules, recipient="somebody"):
    """Finds the next proof for a node, hands it in, and returns the answer as a value."""
    proof = rules.lowest_proof(node.chain()[-1])
    answer = node.post("/mine", {"proof": proof} | ({"id": recipient} if rules.name == "course" else {}))
    assert answer.status_code == 200 and answer.json()["message"] == "New Block Forged", (
        f"{node.name} refused the proof {proof}: {answer.status_code} {answer.text}\n{node.output()}")
    return answer.json()


def resolve(node, chain):
    """Lets a node resolve; it must end with `chain`, whether it takes it now or has it already."""
    answer = node.get("/nodes/resolve", timeout=45).json()
    assert canonical(answer.get("new_chain") or answer.get("chain")) == canonical(chain), f"{answer}\n{node.output()}"
    assert canonical(node.chain()) == canonical(chain)


class Starter:
    """Starts processes and ends them all, in the reverse order."""

    def __init__(self, program, new_directory):
        self._program, self._new_directory = program, new_directory
        self.processes = []

    def python(self, script, *arguments, port=0):
        """One of the Python nodes of this directory, on a free port unless it is given one."""
        return self._add(Node(f"{script} #{len(self.processes)}", [sys.executable, HERE / script, port, *arguments]))

    def python_miner(self, script, node, *arguments):
        """One of the Python miners, at work for `node`."""
        return self._add(Process(script, [sys.executable, HERE / script, node.url, *arguments]))

    def rust(self, chain="lecture", zeros=2, data_dir=None, peers=(), more=()):
        """`blocksmith node` on a free port, in a directory of its own unless it is given one."""
        urls = [peer.url for peer in peers]
        command = self.node_command(chain, zeros, data_dir or self._new_directory(), urls, more)
        return self._add(Node(f"blocksmith {chain} #{len(self.processes)}", command, known_urls=urls))

    def dev(self, chain, nodes=1):
        """`blocksmith dev` on free ports, in memory; the first of its nodes."""
        return self._add(Node(f"blocksmith dev {chain}", [self._program(), "dev", "--chain", chain, "--nodes", nodes, "--port", 0]))

    def dev_network(self, chain, nodes, data_dir):
        """`blocksmith dev`, which mines only when it is told to, and says in one JSON object what there is."""
        command = [self._program(), "dev", "--chain", chain, "--nodes", nodes, "--port", 0, "--data-dir", data_dir,
                   "--no-mining", "--json"]
        return self._add(Process(f"blocksmith dev {chain}", command))

    def rust_that_ends(self, chain, zeros, data_dir):
        """`blocksmith node` that is expected to refuse to start."""
        return self._add(Process(f"blocksmith {chain}", self.node_command(chain, zeros, data_dir)))

    def rust_miner(self, url, *arguments):
        """`blocksmith mine`, at work for the node at `url`."""
        return self._add(Process("blocksmith mine", [self._program(), "mine", getattr(url, "url", url), *arguments]))

    def node_command(self, chain, zeros, data_dir, peers=(), more=()):
        """The command line of `blocksmith node`."""
        return [self._program(), "node", "--port", 0, "--chain", chain, "--data-dir", data_dir,
                *(() if zeros is None else ("--zeros", zeros)), *(part for url in peers for part in ("--peer", url)), *more]

    def stop_all(self):
        """Ends whatever still runs."""
        for process in reversed(self.processes):
            process.stop()

    def _add(self, process):
        self.processes.append(process)
        return process
