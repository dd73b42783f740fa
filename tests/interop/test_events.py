"""Events: what was told is there after any end, and a client that reads nothing costs nobody anything."""

import os
import random
import re
import selectors
import socket
import statistics
import threading
import time
from pathlib import Path

import pytest
import requests

from chain import block_hash, canonical, reward
from families import LECTURE
from processes import mine_one, until
from stream import SILENCE_S, Stream

KILLS = int(os.environ.get("BLOCKSMITH_EVENT_KILLS", "10"))
STALL_S = int(os.environ.get("BLOCKSMITH_STALL_S", "15"))  # for how long one reads nothing
SEED = int(os.environ.get("BLOCKSMITH_SEED", "20190710"))
RULES = LECTURE.rules

READERS = 50
MOST_BYTES = 1 << 20  # that one who reads nothing may cost
RATE = 30  # payments in a second, each of which makes two events
KEPT_BYTES = 8 << 20  # of events, which a node keeps for those who come back
NAME = "bob" * 500  # events that soon fill what is on the way to one who does not read
SAMPLE_S = 0.25  # between two looks at the node's memory
# What memory can grow by in that time for one who does not read, eight times over. The store's own memory grows in
# steps of some MiB, which count for no more.
STEP_BYTES = int(8 * 2 * RATE * SAMPLE_S * (len(NAME) + 500))


class Load:
    """Pays, mines and undoes blocks until the node is gone; whatever it made, by its hash."""

    def __init__(self, node):
        self.chain = node.chain()
        self.blocks, self.payments = {}, []
        self._url = node.url
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def join(self):
        """Waits until it has noticed that the node is gone."""
        self._thread.join(20)
        assert not self._thread.is_alive(), "the load hangs"

    def _work(self):
        try:
            with requests.Session() as self._session:
                while True:
                    payment = {"sender": "alice", "recipient": "bob", "amount": random.random()}
                    self.payments.append(payment)
                    self._post("/transactions/new", payment)
                    self._add([payment])
                    # Two blocks without the payment take its place.
                    self.chain.pop()
                    self._add([])
                    self._add([])
        except requests.RequestException:
            pass  # it died

    def _add(self, payments):
        block = RULES.forge(self.chain, [*payments, reward(str(random.random()))])
        self.chain.append(block)
        self.blocks[block_hash(block)] = block
        self._post("/api/v1/blocks", block)

    def _post(self, path, value):
        answer = self._session.post(self._url + path, data=canonical(value), headers={"Content-Type": "application/json"}, timeout=10)
        assert answer.ok, answer.text


@pytest.mark.slow
def test_no_block_of_which_was_told_is_lost_by_kill_9(start, tmp_path):
    """The node dies as soon as a client has read of it."""
    dice = random.Random(SEED)
    told = 0
    for kill in range(KILLS):
        node = start.rust("lecture", LECTURE.zeros, data_dir=tmp_path / "data")
        last, wanted = dice.randrange(1, 12), dice.choice(["tip", "reorg"])
        with Stream(node) as stream:
            load = Load(node)
            events = []
            while len(events) < last or events[-1].kind != wanted:
                events.append(next(stream))
            node.kill()
        load.join()
        node = start.rust("lecture", LECTURE.zeros, data_dir=tmp_path / "data")
        where = f"kill {kill} of {KILLS}, seed {SEED}, after {events[-1]}\n{node.output()}"
        waiting = node.get("/api/v1/transactions?queued").json()["transactions"]
        there = list(map(canonical, [*waiting, *(each for block in node.chain() for each in block["transactions"])]))
        for event in events:
            places = event.data["joined"] + event.data["left"] if event.kind == "reorg" else [event.data]
            if event.kind == "transaction":
                assert canonical(event.data["transaction"]) in there, f"a transaction is lost: {where}"
                continue
            for place in places:
                verdict = node.post("/api/v1/blocks", load.blocks[place["hash"]]).json()
                assert verdict.get("verdict") == "known", f"block {place} is lost, {verdict}: {where}"
                told += 1
        node.stop()
    assert told > KILLS, "too little was told to have shown anything"


class Follower:
    """A client whose events wait in its socket until they are read; none may be left out, and none come twice."""

    def __init__(self, node, last=None, window=None):
        self.first = self.last = last
        self.ended = False
        self._text = b""
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(SILENCE_S)
        self.socket.connect(("127.0.0.1", node.port))
        header = f"Last-Event-ID: {last}\r\n" if last else ""
        # To a client of HTTP/1.0 an answer comes without chunks.
        self.socket.sendall(f"GET /api/v1/events HTTP/1.0\r\nHost: {node.address}\r\n{header}\r\n".encode())

    def read(self):
        """Reads what is there."""
        piece = self.socket.recv(1 << 18)
        self.ended = not piece
        *frames, self._text = (self._text + piece).split(b"\n\n")
        for frame in frames:
            if event := re.search(rb"^id: (\S+)\nevent: (\w+)\ndata: {", frame, re.M):
                self._take(event[1].decode(), event[2])
            elif self.last is None and (position := re.search(rb"^id: (\S+)$", frame, re.M)):
                self.first = self.last = position[1].decode()

    def _take(self, event_id, kind):
        instance, number = self.last.rsplit("-", 1)
        assert event_id == f"{instance}-{int(number) + 1}", f"after {self.last} came {kind} {event_id}"
        self.last = event_id


class Readers(threading.Thread):
    """Many that read all that comes."""

    def __init__(self, followers):
        super().__init__(daemon=True)
        self.followers, self.failure = followers, None
        self._over = threading.Event()
        self.start()

    def run(self):
        """Reads until it is told to stop."""
        with selectors.DefaultSelector() as selector:
            for follower in self.followers:
                selector.register(follower.socket, selectors.EVENT_READ, follower)
            try:
                while not self._over.is_set():
                    for key, _ in selector.select(0.1):
                        key.data.read()
                        assert not key.data.ended, "one that reads was cut off"
            except (AssertionError, OSError) as failure:
                self.failure = failure

    def stop(self):
        """Ends it; nothing may have been left out."""
        self._over.set()
        self.join(10)
        assert self.failure is None, self.failure


class Steady(threading.Thread):
    """Payments at one rate, which a block takes in twice a second."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.rate, self.took_s, self.failure = None, [], None
        self._node, self._over = node, threading.Event()
        self.start()

    def run(self):
        """Works until it is told to stop."""
        mined = due = time.monotonic()
        try:
            with requests.Session() as session:
                while not self._over.is_set():
                    began = time.monotonic()
                    payment = {"sender": "alice", "recipient": NAME, "amount": random.random()}
                    assert session.post(f"{self._node.url}/transactions/new", json=payment, timeout=10).status_code == 201
                    self.took_s.append(time.monotonic() - began)
                    if time.monotonic() > mined + 0.5:
                        mine_one(self._node, RULES)
                        mined = time.monotonic()
                    due = max(due + 1 / self.rate, time.monotonic() - 1) if self.rate else time.monotonic()
                    time.sleep(max(0, due - time.monotonic()))
        except (AssertionError, requests.RequestException) as failure:
            self.failure = failure

    def stop(self):
        """Ends it; every call has to have been answered."""
        self._over.set()
        self.join(20)
        assert self.failure is None, self.failure


def resident_bytes(node):
    """The memory of a node's process."""
    status = Path(f"/proc/{node.child.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)[1]) << 10


def unsent_bytes(node, follower):
    """What the system keeps for a client of a node until it reads; 0 if they are no longer connected."""
    ends = tuple(f"0100007F:{port:04X}" for port in (node.port, follower.socket.getsockname()[1]))
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    return sum(int(row[4].split(":")[0], 16) for row in rows if (row[1], row[2]) == ends)


def growth(sizes):
    """By how much sizes grew that were taken one after another, where a step counts for no more than STEP_BYTES."""
    return sum(max(-STEP_BYTES, min(STEP_BYTES, after - before)) for before, after in zip(sizes, sizes[1:]))


def test_what_is_kept_for_one_who_does_not_read_is_seen_and_a_step_of_the_store_is_not():
    samples = range(int(STALL_S / SAMPLE_S))
    kept = int(2 * RATE * SAMPLE_S * (len(NAME) + 250))
    assert growth([at * kept for at in samples]) > MOST_BYTES
    assert growth([at * kept + (3 << 20) * (at > 9) for at in samples]) > MOST_BYTES
    assert growth([(3 << 20) * (at > 9) for at in samples]) < MOST_BYTES / 2


def measured(node, load, follower=None):
    """For the time of a stall: by how much the node's memory grew, what was unsent at most, and how long a call took."""
    load.took_s = []
    sizes, unsent = [], 0
    for _ in range(int(STALL_S / SAMPLE_S)):
        sizes.append(resident_bytes(node))
        unsent = max(unsent, unsent_bytes(node, follower) if follower else 0)
        time.sleep(SAMPLE_S)
    assert load.failure is None, load.failure
    return growth(sizes), unsent, statistics.median(load.took_s)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux says what a process holds")
def test_one_who_reads_nothing_costs_those_who_read_nothing(start):
    node = LECTURE.rust_node(start)
    load = Steady(node)

    def latest():
        return node.get("/api/v1/status").json()["events"]

    # Until as many events are kept as ever will be, the node's memory grows with them.
    until(lambda: int(latest().rsplit("-")[-1]) * (len(NAME) + 250) > KEPT_BYTES, 120, "events to be kept", node)
    load.rate = RATE
    readers = Readers([Follower(node) for _ in range(READERS)])
    time.sleep(2)
    grew, _, usual_s = measured(node, load)
    stalled = Follower(node, window=4096)
    grew_more, unsent, took_s = measured(node, load, stalled)
    load.stop()
    end = latest()
    until(lambda: readers.failure or all(one.last == end for one in readers.followers), 10, "everybody to have all events", node)
    readers.stop()

    # It may have been cut off, as it took nothing for so long.
    until(lambda: stalled.read() or stalled.ended or stalled.last == end, SILENCE_S, "the stalled one to read what came", node)
    first, missed = stalled.first, int(end.rsplit("-")[-1]) - int(stalled.last.rsplit("-")[-1])
    if stalled.ended:
        stalled = Follower(node, last=stalled.last)
        until(lambda: stalled.read() or stalled.last == end, SILENCE_S, "the stalled one to have the rest", node)
    cost = max(0, grew_more - grew) + unsent
    said = (f"{STALL_S} s: memory grew by {grew / 1024:.0f} KiB without it, {grew_more / 1024:.0f} KiB with it; unsent "
            f"{unsent / 1024:.0f} KiB; a payment took {usual_s * 1000:.1f} ms, {took_s * 1000:.1f} ms; events from {first} on, "
            f"{missed} of them after it was cut off")
    print(said)
    assert int(stalled.last.rsplit("-")[-1]) - int(first.rsplit("-")[-1]) > STALL_S * RATE, "too few events"
    assert cost < MOST_BYTES, said
    assert took_s < 2 * usual_s + 0.05, said
