"""What our node must not take, by push or by resolve: afterwards its chain is what it was."""

import pytest

from chain import block_hash, canonical, reward, rules
from fakes import FakePeer
from families import Family
from processes import mine_one, until

ROUTES = ("/new", "/nodes/new", "/block/new")
# Three zeros, so that a wrong proof is hardly ever right by luck.
LECTURE, COURSE = Family("lecture", zeros=3), Family("course", ("--id", "alice"), zeros=3)
each_family = pytest.mark.parametrize("family", [LECTURE, COURSE], ids=str)


@pytest.fixture(scope="module")
def nodes(start_for_module):
    """A node of each family with three blocks, and the chains they have to keep."""
    running = {}
    for family in (LECTURE, COURSE):
        running[family.name] = node = family.rust_node(start_for_module)
        for _ in range(3):
            mine_one(node, family.rules)
    return {name: (node, canonical(node.chain())) for name, node in running.items()}


def invalid_proof(family, last_block):
    """A proof that may not follow."""
    return next(proof for proof in range(99, 10**6) if not family.rules.valid_proof(last_block, proof))


BAD_BLOCKS = {
    "bad proof": lambda family, chain: family.rules.forge(chain, proof=invalid_proof(family, chain[-1])),
    "bad previous_hash": lambda family, chain: family.rules.forge(chain) | {"previous_hash": "0" * 64},
    "previous_hash of null": lambda family, chain: family.rules.forge(chain) | {"previous_hash": None},
    "previous_hash of the block before": lambda family, chain: family.rules.forge(chain)
    | {"previous_hash": chain[-1]["previous_hash"]},
    "index too high": lambda family, chain: family.rules.forge(chain) | {"index": len(chain) + 2},
    "index of the tip": lambda family, chain: family.rules.forge(chain) | {"index": len(chain)},
    "index 0": lambda family, chain: family.rules.forge(chain) | {"index": 0},
    "index -1": lambda family, chain: family.rules.forge(chain) | {"index": -1},
    "index as a float": lambda family, chain: family.rules.forge(chain) | {"index": float(len(chain) + 1)},
    "index as a text": lambda family, chain: family.rules.forge(chain) | {"index": str(len(chain) + 1)},
    "the tip again": lambda family, chain: chain[-1],
    "a second genesis": lambda family, chain: chain[0],
    "no proof": lambda family, chain: {"index": len(chain) + 1, "previous_hash": block_hash(chain[-1])},
    "an empty block": lambda family, chain: {},
}


@each_family
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", BAD_BLOCKS)
def test_a_pushed_block_with_a_fault_is_refused(nodes, family, route, fault):
    node, before = nodes[family.name]
    answer = node.post(route, {"block": BAD_BLOCKS[fault](family, node.chain())})
    assert refused(answer), f"{answer.status_code} {answer.text}"
    assert canonical(node.chain()) == before


def refused(answer):
    """Either the lecture's word for it, or a clear 4xx where Python would have failed."""
    return (answer.status_code, answer.text) == (200, "Block Rejected") or 400 <= answer.status_code < 500


def edited(family, edit):
    """A chain of eight blocks, edited in the middle."""
    chain = family.rules.grown(7)
    edit(chain)
    assert not family.rules.valid_chain(chain)
    return chain


def pay_somebody_else(chain):
    chain[3]["transactions"][0]["recipient"] = "mallory"


def add_a_coin(chain):
    chain[3]["transactions"].append(reward("mallory"))


def change_a_proof(chain):
    chain[3]["proof"] += 1


def leave_a_block_out(chain):
    del chain[3]


def change_an_index(chain):
    chain[3]["index"] += 1


def foreign_genesis(family):
    """A chain that is valid but for its first block."""
    genesis = {"index": 1, "timestamp": 1562782943.373497, "transactions": [], "proof": 99, "previous_hash": 1}
    return family.rules.grown(7, chain=[genesis])


BAD_CHAINS = {
    "an edited recipient": lambda family: edited(family, pay_somebody_else),
    "an added coin": lambda family: edited(family, add_a_coin),
    "an edited proof": lambda family: edited(family, change_a_proof),
    "a block left out": lambda family: edited(family, leave_a_block_out),
    "an edited index": lambda family: edited(family, change_an_index),
    "a foreign genesis": foreign_genesis,
    "a genesis with 0.0 for 0": lambda family: family.rules.grown(7, [family.rules.new_genesis() | {"timestamp": 0.0}]),
    "fewer zeros": lambda family: next(chain for chain in iter(lambda: rules(family.name, 1).grown(7), None)
                                       if not family.rules.valid_chain(chain)),
    "no genesis": lambda family: family.rules.grown(7)[1:],
}


@each_family
@pytest.mark.parametrize("fault", BAD_CHAINS)
def test_a_longer_chain_with_a_fault_is_refused(nodes, family, fault):
    node, before = nodes[family.name]
    with FakePeer.with_chain(BAD_CHAINS[fault](family)) as peer:
        node.register(peer)
        answer = node.get("/nodes/resolve").json()
        assert "/chain" in peer.gets, "the peer was not even asked"
    assert answer["message"] == "Our chain is authoritative"
    assert canonical(answer["chain"]) == canonical(node.chain()) == before


def test_a_rewritten_history_needs_new_work_under_the_course_rules(nodes):
    """The lecture's proofs would still be valid here; work over the last block is not."""
    node, before = nodes["course"]
    old = COURSE.rules.grown(7)
    chain = old[:3]
    for block in old[3:]:
        chain.append(COURSE.rules.forge(chain, [reward("mallory")], block["proof"]))
    assert not COURSE.rules.valid_chain(chain)
    with FakePeer.with_chain(chain) as peer:
        node.register(peer)
        assert node.get("/nodes/resolve").json()["message"] == "Our chain is authoritative"
    assert canonical(node.chain()) == before


@each_family
def test_a_peer_that_lies_about_its_length_gains_nothing(nodes, family):
    node, before = nodes[family.name]
    with FakePeer.with_chain(family.rules.grown(1), length=999) as peer:
        node.register(peer)
        assert node.get("/nodes/resolve").json()["message"] == "Our chain is authoritative"
    assert canonical(node.chain()) == before


def endless(handler):
    """A chain document that never ends, as fast as the other side reads it."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    handler.wfile.write(b'{"chain": [')
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        pass


NONSENSE = {
    "a page": b"<!doctype html><h1>It works!</h1>",
    "nothing": b"",
    "null": None,
    "a list": [],
    "a chain of null": {"chain": None, "length": 9},
    "an empty chain": {"chain": [], "length": 9},
    "a chain of numbers": {"chain": [1, 2, 3, 4, 5, 6, 7, 8, 9], "length": 9},
    "a chain of lists": {"chain": [[]] * 9, "length": 9},
    "half a document": b'{"chain": [{"index": 1, ',
    "deep nesting": b'{"chain": ' + b"[" * 100_000,
    "a document without end": endless,
}


@pytest.mark.parametrize("answer", NONSENSE)
def test_a_peer_that_talks_nonsense_gains_nothing(start, answer):
    node = LECTURE.rust_node(start)
    mine_one(node, LECTURE.rules)
    before = canonical(node.chain())
    body = NONSENSE[answer]
    with FakePeer({"/chain": body if callable(body) else lambda _: body if body is not None else b"null"}) as peer:
        node.register(peer)
        assert node.get("/nodes/resolve", timeout=45).json()["message"] == "Our chain is authoritative"
    assert canonical(node.chain()) == before


@each_family
def test_a_refused_block_does_not_keep_the_next_good_one_out(start, family):
    node = family.rust_node(start)
    chain = family.rules.grown(2)
    for fault in BAD_BLOCKS.values():
        node.post("/nodes/new", {"block": fault(family, chain[:1])})
    for block in chain[1:]:
        assert node.post("/nodes/new", {"block": block}).text == "Block Accepted", node.output()
    until(lambda: canonical(node.chain()) == canonical(chain), 5, "both blocks", node)
