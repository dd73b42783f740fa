"""What was announced is there after any end, and a data directory has one owner and one chain."""

import os
import random
import re
import signal
import threading
import time

import pytest
import requests

from chain import canonical
from fakes import FakePeer, dead_peer
from families import LECTURE, each_family
from processes import mine_one, resolve, until

KILLS = int(os.environ.get("BLOCKSMITH_KILLS", "50"))
SEED = int(os.environ.get("BLOCKSMITH_SEED", "20190710"))
PAYMENT = {"sender": "alice", "recipient": "bob", "amount": 5}


class Witness:
    """Mines on a node until it dies, and remembers each block that the node has vouched for."""

    def __init__(self, blocks):
        self.blocks = blocks  # canonical text of each block that GET /chain has shown, in order
        self.mined = {}  # index -> the answer of POST /mine

    def watch(self, node, seconds):
        """Mines and looks on for so long, then kills the node at once."""
        threads = [threading.Thread(target=task, args=(node.url,), daemon=True) for task in (self._mine, self._look)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        node.kill()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive(), "a witness hangs"

    def check(self, chain):
        """Every block that was vouched for is in its place."""
        assert [canonical(block) for block in chain[:len(self.blocks)]] == self.blocks, "a block that was shown has changed"
        assert len(chain) >= max(self.mined, default=1), f"lost: {max(self.mined)} was mined, {len(chain)} are left"
        for index, answer in self.mined.items():
            kept = {key: value for key, value in chain[index - 1].items() if key != "timestamp"}
            assert kept | {"message": "New Block Forged"} == answer
        self.blocks = [canonical(block) for block in chain]
        self.mined = {}

    def _mine(self, url):
        try:
            with requests.Session() as session:
                while True:
                    last = session.get(f"{url}/last_proof", timeout=10).json()["last_proof"]
                    proof = LECTURE.rules.lowest_proof({"proof": last})
                    answer = session.post(f"{url}/mine", json={"proof": proof}, timeout=10).json()
                    if answer["message"] == "New Block Forged":
                        self.mined[answer["index"]] = answer
        except (requests.RequestException, ValueError):
            pass  # it died

    def _look(self, url):
        try:
            while True:
                chain = requests.get(f"{url}/chain", timeout=10).json()["chain"]
                self.blocks += [canonical(block) for block in chain[len(self.blocks):]]
                time.sleep(0.05)
        except (requests.RequestException, ValueError):
            pass


@pytest.mark.slow
def test_what_was_announced_outlives_kill_9(start, tmp_path):
    dice = random.Random(SEED)
    witness = Witness([])
    longest = 0
    for kill in range(KILLS):
        node = start.rust("lecture", LECTURE.zeros, data_dir=tmp_path / "data")
        chain = node.chain()
        try:
            witness.check(chain)
        except AssertionError as failure:
            raise AssertionError(f"after kill {kill} of {KILLS}, seed {SEED}: {failure}\n{node.output()}") from None
        witness.watch(node, dice.uniform(0.02, 0.4))
        longest = max(longest, *witness.mined, 0) if witness.mined else longest
    last = start.rust("lecture", LECTURE.zeros, data_dir=tmp_path / "data").chain()
    witness.check(last)
    assert LECTURE.rules.valid_chain(last)
    assert len(last) >= longest > KILLS // 2, "the witness mined too little to have shown anything"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_name_peers_and_queue_outlive_an_end(start, tmp_path, end):
    first = LECTURE.rust_node(start, data_dir=tmp_path / "data")
    name = mine_one(first, LECTURE.rules)["transactions"][-1]["recipient"]
    peers = first.register(dead_peer(), dead_peer())
    payments = [PAYMENT, PAYMENT, PAYMENT | {"amount": 1.0, "sender": "\ud800"}]
    for payment in payments:
        assert first.post("/transactions/new", payment).status_code == 201
    before = canonical(first.chain())
    getattr(first, end)()
    second = LECTURE.rust_node(start, data_dir=tmp_path / "data")
    assert canonical(second.chain()) == before
    assert set(peers) < set(second.register(dead_peer()))
    answer = mine_one(second, LECTURE.rules)
    assert answer["index"] == 3
    assert canonical(answer["transactions"]) == canonical([*payments, {"sender": "0", "recipient": name, "amount": 1}])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_ends_a_node_in_order(start, number):
    node = LECTURE.rust_node(start)
    mine_one(node, LECTURE.rules)
    node.child.send_signal(number)
    assert node.wait_exit(10) == 0, node.output()


def test_a_data_directory_in_use_is_refused_with_exit_5_and_its_name(start, tmp_path):
    directory = tmp_path / "taken"
    first = LECTURE.rust_node(start, data_dir=directory)
    second = start.rust_that_ends("lecture", LECTURE.zeros, directory)
    assert second.wait_exit(10) == 5, second.output()
    assert str(directory) in "\n".join(second.stderr), second.output()
    mine_one(first, LECTURE.rules)
    first.kill()
    assert len(LECTURE.rust_node(start, data_dir=directory).chain()) == 2


@pytest.mark.parametrize("chain, zeros, names", [
    pytest.param("course", 2, ("lecture", "course"), id="other rules"),
    pytest.param("lecture", 3, (r"\b2\b", r"\b3\b"), id="other zeros"),
])
def test_a_data_directory_of_another_chain_is_refused_and_both_are_named(start, tmp_path, chain, zeros, names):
    directory = tmp_path / "first"
    first = start.rust("lecture", 2, data_dir=directory)
    mine_one(first, LECTURE.rules)
    before = canonical(first.chain())
    first.stop()
    other = start.rust_that_ends(chain, zeros, directory)
    assert other.wait_exit(10) not in (0, 5), other.output()
    message = "\n".join(other.stderr).replace(str(directory), "")
    assert all(re.search(name, message) for name in names), other.output()
    assert canonical(start.rust("lecture", 2, data_dir=directory).chain()) == before


@each_family
def test_queued_payments_go_into_the_next_block_before_the_coin(start, family):
    node = family.rust_node(start)
    payments = [PAYMENT | {"amount": amount} for amount in (3, 1, 2)]
    for payment in payments:
        answer = node.post("/transactions/new", payment)
        assert (answer.status_code, answer.json()) == (201, {"message": "Transaction will be added to Block 2"})
    assert mine_one(node, family.rules, "carol")["transactions"][:-1] == payments
    coin = node.chain()[1]["transactions"][-1]
    assert (coin["sender"], coin["amount"]) == ("0", 1)
    assert len(mine_one(node, family.rules)["transactions"]) == 1
    answer = node.post("/transactions/new", PAYMENT)
    assert answer.json() == {"message": "Transaction will be added to Block 4"}


@each_family
@pytest.mark.parametrize("way", ["resolve", "push"])
def test_a_reorg_that_drops_a_block_puts_its_payments_back(start, family, way):
    ours, theirs = family.rust_node(start), family.python_node(start)
    twice, once = PAYMENT, PAYMENT | {"recipient": "carol"}
    for payment in (twice, once, twice):
        ours.post("/transactions/new", payment)
    mine_one(ours, family.rules)
    theirs.post("/transactions/new", twice)  # one of the two is in the branch that wins
    for _ in range(2):
        mine_one(theirs, family.rules)
    ours.register(theirs)
    if way == "resolve":
        resolve(ours, theirs.chain())
    else:
        theirs.register(ours)
        mine_one(theirs, family.rules)
    until(lambda: canonical(ours.chain()) == canonical(theirs.chain()), 10, "the longer chain", ours, theirs)
    transactions = mine_one(ours, family.rules)["transactions"]
    assert sorted(map(canonical, transactions[:-1])) == sorted(map(canonical, [once, twice])), transactions
    assert transactions[-1]["sender"] == "0"
    assert len(mine_one(ours, family.rules)["transactions"]) == 1


def test_a_reorg_outlives_kill_9_with_its_queue(start, tmp_path):
    node = LECTURE.rust_node(start, data_dir=tmp_path / "data")
    node.post("/transactions/new", PAYMENT)
    mine_one(node, LECTURE.rules)
    chain = LECTURE.rules.grown(3)
    with FakePeer.with_chain(chain) as peer:
        node.register(peer)
        resolve(node, chain)
    node.kill()
    node = LECTURE.rust_node(start, data_dir=tmp_path / "data")
    assert canonical(node.chain()) == canonical(chain)
    assert mine_one(node, LECTURE.rules)["transactions"][:-1] == [PAYMENT]
