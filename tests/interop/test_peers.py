"""The Python peers among themselves: they are what the notes describe, before anybody else meets them."""

import json

import pytest

from chain import block_hash, lecture_genesis, reward, rules
from families import each_family, miner_lines
from processes import converge, introduce, mine_one


def test_the_blocks_that_the_notes_print_hash_to_what_they_print():
    genesis = lecture_genesis()
    assert block_hash(genesis) == "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea"
    second = {"index": 2, "timestamp": 1562874886.654986, "proof": 241341, "previous_hash": block_hash(genesis),
              "transactions": [reward("00341426854640f596f4ba49a64f7c5a")]}
    assert block_hash(second) == "6d6a9fe26bc09b9fd0f597121e983fa2348d7aaea5917700b14a736ca0d49827"


@pytest.mark.parametrize("zeros, proofs", [(4, [74581, 28441]), (5, [241341])])
def test_the_proofs_that_the_notes_print_are_the_lowest(zeros, proofs):
    chain = rules("lecture", zeros).grown(len(proofs))
    assert [block["proof"] for block in chain[1:]] == proofs


@each_family
@pytest.mark.parametrize("mode", ["single-threaded", "threaded"])
def test_two_nodes_and_a_miner_share_a_chain(start, family, mode):
    nodes = [family.python_node(start, *(["--threaded"] if mode == "threaded" else [])) for _ in range(2)]
    introduce(nodes)
    miner = family.python_miner(start, nodes[0], coins=5)
    assert miner.wait_exit(30) == 0, miner.output()
    chain = converge(nodes, family.rules, length=6)
    assert miner.stdout == miner_lines(block["proof"] for block in chain[1:])


@each_family
def test_a_node_that_comes_late_rejects_the_next_block_and_then_catches_up(start, family):
    early, late = family.python_node(start), family.python_node(start)
    for _ in range(5):
        mine_one(early, family.rules)
    introduce([early, late])
    mine_one(early, family.rules)
    converge([early, late], family.rules, length=7)


def test_a_single_threaded_node_answers_nobody_while_it_broadcasts(start):
    """The trap: two such nodes that resolve before they answer wait for each other."""
    ahead = start.python("lecture_node.py", "--zeros", 2)
    behind = start.python("lecture_node.py", "--zeros", 2, "--naive", "--timeout", 1)  # the first to give up
    work = rules("lecture", 2)
    mine_one(ahead, work)
    introduce([ahead, behind])
    mine_one(ahead, work)
    assert len(behind.chain()) == 1
    assert any("did not answer GET /chain" in line for line in behind.stderr), behind.output()


def test_a_dvf_node_takes_the_longest_chain_whatever_its_genesis(start):
    alice, bob = (start.python("dvf_node.py", "--zeros", 2) for _ in range(2))
    assert alice.chain() != bob.chain()
    for _ in range(3):
        assert alice.get("/mine").json()["message"] == "New Block Forged"
    introduce([alice, bob])
    assert alice.get("/nodes/resolve").json()["message"] == "Our chain is authoritative"
    answer = bob.get("/nodes/resolve").json()
    assert (answer["message"], answer["new_chain"]) == ("Our chain was replaced", alice.chain())
    converge([alice, bob], rules("dvf", 2), length=4)


def test_a_proof_may_be_a_text_and_stays_one(start):
    node = start.python("lecture_node.py", "--zeros", 2)
    proof = str(rules("lecture", 2).lowest_proof(node.chain()[-1]))
    assert node.post("/mine", {"proof": proof}).json()["proof"] == proof
    assert node.get("/last_proof").json() == {"last_proof": proof}
    assert json.loads(node.get("/chain").text)["chain"][1]["proof"] == proof
