"""Accounts, histories and the leaderboard of an open chain are those of a recount, whatever the chain did meanwhile."""

import os
import random
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest
import requests

from accounts import Recount, account_of, check_account, check_all
from chain import block_hash, canonical, reward
from fakes import FakePeer
from families import LECTURE, Family
from processes import mine_one, resolve, until

ARCHIVE = Path(__file__).parents[1] / "vectors" / "data-format-3.tar.gz"
SEED = int(os.environ.get("BLOCKSMITH_SEED", "20190710"))
ROUNDS = 12
KILLS = 20
LONG_CHAIN = 100_000
NAMES = ["ann", "Ann", "ann ", "", "0", 0, "1", 1, 1.0, None, True, [], {"a": [1, 2.5]}, "\ud800", "\ud83d", "..", "transactions",
         "a/b\n\0", "\x1b[2J\u202e", "é", "e\u0301", "x" * 64, "x" * 70 + "1", "x" * 70 + "2", "x" * 63 + "é", "y" * 20_000]
AMOUNTS = [1, 2, 3, 0, -7, 2**127 - 1, -2**127, 2**127, 2**200, 2.5, 1.0, "3", True, None, [1], {"of": 1}]


def transactions(dice):
    """What a block may have: payments, coins out of their place, and things that are neither."""
    def payment():
        fields = {"sender": dice.choice(NAMES), "recipient": dice.choice(NAMES), "amount": dice.choice(AMOUNTS)}
        if dice.random() < 0.1:
            del fields[dice.choice(list(fields))]
        return fields
    odd = [lambda: 5, lambda: "payment", lambda: ["sender"], lambda: reward("early")]
    listed = [payment() if dice.random() < 0.9 else dice.choice(odd)() for _ in range(dice.randrange(5))]
    return listed + ([reward(dice.choice(NAMES))] if dice.random() < 0.8 else [])


def wait_for_index(node, tip):
    """Waits until the leaderboard includes this block."""
    until(lambda: node.get("/api/v1/leaderboard?limit=1").json().get("indexed", {}).get("hash") == tip, 30, "the index", node)


def test_answers_follow_every_reorg_and_say_which_block_they_are_as_of(start):
    """Whoever asks during a reorg gets what one of the two chains has, and is told which."""
    dice = random.Random(SEED)
    node = LECTURE.rust_node(start)
    chain, known, said, over = [LECTURE.rules.new_genesis()], {}, [], threading.Event()

    def ask():
        own = random.Random(SEED)
        while not over.is_set():
            party = str(own.choice(["ann", "", "0", "x" * 70 + "1", "y" * 20_000]))
            answer = requests.get(f"{node.url}/api/v1/accounts", params={"party": party}, timeout=15)
            said.append((answer.status_code, answer.text if answer.status_code != 200 else answer.json()))

    asker = threading.Thread(target=ask)
    answers = {"/chain": {"chain": chain, "length": 1}}
    with FakePeer(answers) as peer:
        node.register(peer)
        asker.start()
        try:
            for number in range(ROUNDS):
                undone = dice.randrange(min(len(chain), 8))
                chain = chain[:len(chain) - undone]
                for _ in range(undone + 1 + dice.randrange(3)):
                    chain.append(LECTURE.rules.forge(chain, transactions(dice)))
                known |= {block_hash(block): chain[:block["index"]] for block in chain}
                answers["/chain"] = {"chain": chain, "length": len(chain)}
                resolve(node, chain)
                if number % 3 == 0:
                    wait_for_index(node, block_hash(chain[-1]))
                    check_all(node, chain, ["nobody"])
        finally:
            over.set()
            asker.join(20)
    wait_for_index(node, block_hash(chain[-1]))
    check_all(node, chain, ["nobody"])
    recounts = {}
    for status, answer in said:
        if status != 200:  # a reorg was under way for two seconds
            assert (status, "follow" in answer) == (503, True), answer
            continue
        indexed = answer["indexed"]
        prefix = known[indexed["hash"]]
        assert len(prefix) == indexed["index"]
        check_account(recounts.setdefault(indexed["hash"], Recount(prefix)), answer)
    assert len(recounts) > 1, "nobody asked while the chain changed"


def test_amounts_that_are_no_integers_or_too_large_are_uncounted_and_one_that_is_infinite_is_refused(start):
    node = LECTURE.rust_node(start)
    for amount in ("1e400", "-1e400", "NaN", "Infinity"):
        answer = node.post_text("/transactions/new", f'{{"sender": "ann", "recipient": "bob", "amount": {amount}}}')
        assert answer.status_code == 400, answer.text
    for amount in AMOUNTS:
        assert node.post("/transactions/new", {"sender": "ann", "recipient": "bob", "amount": amount}).status_code == 201
    mine_one(node, LECTURE.rules)
    chain = node.chain()
    wait_for_index(node, block_hash(chain[-1]))
    check_all(node, chain)
    ann = account_of(node, "ann")
    assert (ann["sent"], ann["uncounted"], ann["transactions"]) == (-2, 9, 16)


def earlier_store(directory, name, start):
    """A data directory of the last release's format, its chain, and how long it is: the archive's, or one that the earlier
    program, $BLOCKSMITH_EARLIER, makes of a chain of 100,000 blocks."""
    data = directory / "lecture"
    if name == "archive":
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(directory, filter="data")
        twin = directory / "twin"
        with tarfile.open(ARCHIVE) as archive:
            archive.extractall(twin, filter="data")
        node = start.rust("lecture", zeros=1, data_dir=twin / "lecture")
        chain = node.chain()
        node.stop()
        return data, chain
    if not (earlier := os.environ.get("BLOCKSMITH_EARLIER")):
        pytest.skip("BLOCKSMITH_EARLIER names no program of the last release")
    dice, family = random.Random(SEED), Family("lecture", zeros=1)
    chain = [family.rules.new_genesis()]
    students = [f"student {number}" for number in range(300)]
    for _ in range(LONG_CHAIN - 1):
        paid = [{"sender": dice.choice(students + NAMES), "recipient": dice.choice(students + NAMES),
                 "amount": dice.choice(AMOUNTS) if dice.random() < 0.1 else dice.randrange(1, 100)}
                for _ in range(dice.randrange(4))]
        chain.append(family.rules.forge(chain, [*paid, reward(dice.choice(students))]))
    file = directory / "chain.json"
    file.write_text(canonical({"chain": chain, "length": len(chain)}))
    subprocess.run([earlier, "chain", "import", file, "--chain", "lecture", "--zeros", "1", "--data-dir", data], check=True,
                   stdout=subprocess.DEVNULL)
    return data, chain


@pytest.mark.slow
@pytest.mark.parametrize("name", ["archive", "long"])
def test_a_store_of_the_last_release_is_indexed_whatever_kills_the_node(start, tmp_path, name):
    """Some ends come while the store gets its checksums, others while the index catches up; it goes on where it was."""
    data, chain = earlier_store(tmp_path, name, start)
    longest = 1.5 if name == "long" else 0.2
    dice, reached, seen = random.Random(SEED), 0, []
    command = start.node_command("lecture", 1, data)
    for kill in range(KILLS):
        if kill < KILLS // 2:
            child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(dice.uniform(0, longest))
            child.kill()
            child.wait(20)
            continue
        node = start.rust("lecture", zeros=1, data_dir=data)
        deadline, first = time.monotonic() + dice.uniform(0, longest), None
        while first is None or time.monotonic() < deadline:
            indexed = node.get("/api/v1/leaderboard?limit=1").json()["indexed"]["index"]
            if first is None:
                assert indexed >= reached, f"kill {kill}, seed {SEED}: the index was at {reached}, and is at {indexed}"
                first = indexed
            # The last blocks of a chain are written again after a crash.
            reached = max(reached, indexed) if indexed + 1_000 < len(chain) else reached
        node.kill()
        seen.append((first, indexed))
    print(f"the index at each start, and at its end: {seen}")
    node = start.rust("lecture", zeros=1, data_dir=data)
    wait_for_index(node, block_hash(chain[-1]))
    assert canonical(node.chain()) == canonical(chain)
    check_all(node, chain, ["nobody"])
    assert not [line for line in node.stderr if "damage" in line or "built again" in line], node.output()
