"""Who comes late gets the chain; who hears of a longer valid one takes it."""

import threading

import pytest

from chain import canonical, reward
from fakes import FakePeer
from families import LECTURE, each_family
from processes import converge, mine_one, resolve, until

BLOCKS = 60


def mine_blocks(node, family, blocks):
    """Mines on a node without asking it for its chain each time."""
    chain = node.chain()
    for _ in range(blocks):
        proof = family.rules.lowest_proof(chain[-1])
        node.post("/mine", {"proof": proof, "id": "somebody"})
        chain = [node.get("/last_block").json()["last_block"]] if family is not LECTURE else [{"proof": proof}]


@each_family
def test_our_late_node_catches_up_from_a_python_node(start, family):
    early = family.python_node(start)
    mine_blocks(early, family, BLOCKS)
    late = family.rust_node(start, peers=[early])
    converge([early, late], family.rules, length=BLOCKS + 1)


@each_family
def test_our_late_node_catches_up_from_our_own_kind(start, family):
    early = family.rust_node(start)
    mine_blocks(early, family, BLOCKS)
    late = family.rust_node(start, peers=[early])
    converge([early, late], family.rules, length=BLOCKS + 1)


@each_family
def test_our_late_node_catches_up_when_a_python_node_pushes_a_block_from_the_future(start, family):
    """The Python node waits for our answer while it pushes: we answer, and only then call it."""
    early, late = family.python_node(start), family.rust_node(start)
    mine_blocks(early, family, BLOCKS)
    late.register(early)
    early.register(late)
    mine_one(early, family.rules)
    converge([early, late], family.rules, length=BLOCKS + 2)
    assert not [line for line in early.stderr if "did not answer" in line], early.output()


@each_family
def test_a_late_python_node_resolves_from_ours(start, family):
    early = family.rust_node(start)
    mine_blocks(early, family, BLOCKS)
    late = family.python_node(start)
    late.register(early)
    answer = late.get("/nodes/resolve").json()
    assert answer["message"] == "Our chain was replaced"
    converge([early, late], family.rules, length=BLOCKS + 1)


@each_family
def test_a_late_python_node_rejects_our_push_and_then_resolves(start, family):
    early = family.rust_node(start)
    mine_blocks(early, family, BLOCKS)
    late = family.python_node(start)
    late.register(early)
    early.register(late)
    mine_one(early, family.rules)
    converge([early, late], family.rules, length=BLOCKS + 2)


@each_family
def test_our_node_resolves_to_the_longer_chain_and_keeps_an_equal_one(start, family):
    ours, theirs = family.rust_node(start), family.rules.grown(1)
    mine_one(ours, family.rules)
    before = ours.chain()
    with FakePeer({"/chain": lambda _: {"chain": theirs, "length": len(theirs)}}) as peer:
        ours.register(peer)
        answer = ours.get("/nodes/resolve")
        assert answer.status_code == 200
        assert answer.json() == {"message": "Our chain is authoritative", "chain": before}
        theirs = family.rules.grown(1, theirs)
        answer = ours.get("/nodes/resolve")
        assert answer.status_code == 200
        assert answer.json() == {"message": "Our chain was replaced", "new_chain": theirs}
    assert canonical(ours.chain()) == canonical(theirs)


@each_family
def test_we_answer_a_block_from_the_future_before_we_ask_for_chains(start, family):
    node = family.rust_node(start)
    chain = family.rules.grown(5)
    answered = threading.Event()

    def show(_):
        answered.wait(20)
        return {"chain": chain, "length": len(chain)}

    with FakePeer({"/chain": show}) as peer:
        node.register(peer)
        assert node.post("/nodes/new", {"block": chain[-1]}, timeout=3).text == "Block Rejected"
        answered.set()
        until(lambda: canonical(node.chain()) == canonical(chain), 10, "the peer's chain", node)


@pytest.mark.parametrize("document", [
    pytest.param(lambda chain: {"currentChain": chain, "length": len(chain)}, id="the key of Lecture I"),
    pytest.param(lambda chain: {"chain": chain, "length": 0}, id="a length that is too small"),
])
def test_a_longer_valid_chain_is_taken_however_it_is_labelled(start, document):
    node = LECTURE.rust_node(start)
    chain = LECTURE.rules.grown(4)
    with FakePeer({"/chain": document(chain)}) as peer:
        node.register(peer)
        resolve(node, chain)


def test_unknown_keys_survive_the_way_through_our_node(start):
    node, reader = LECTURE.rust_node(start), LECTURE.python_node(start)
    chain = LECTURE.rules.grown(1)
    block = LECTURE.rules.forge(chain, [reward("bob") | {"memo": "\ud800 ü \U0001f600", "fee": -0.0}])
    block |= {"note": {"z": [1, 1.0, 1e16, 1e-5, 10**400], "a": None}}
    for each in (chain[1], block):
        assert node.post("/nodes/new", {"block": each}).text == "Block Accepted"
    assert canonical(node.chain()) == canonical([*chain, block])
    mine_one(node, LECTURE.rules)
    reader.register(node)
    reader.get("/nodes/resolve")
    converge([node, reader], LECTURE.rules, length=4)
