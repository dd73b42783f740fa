"""Mixed networks: Python and Rust nodes and miners of the pushing families, with one chain at the end."""

import itertools
import time

import pytest

from chain import rules
from fakes import FakePeer
from families import LECTURE, each_family, miner_lines, our_miner_lines
from processes import converge, introduce, mine_one, until

COINS = 12


@each_family
@pytest.mark.parametrize("mined_on", ["python", "blocksmith"])
def test_two_of_each_share_a_chain(start, family, mined_on):
    nodes = [family.python_node(start), family.python_node(start), family.rust_node(start), family.rust_node(start)]
    introduce(nodes)
    node = nodes[0] if mined_on == "python" else nodes[2]
    miner = family.python_miner(start, node, COINS)
    assert miner.wait_exit(40) == 0, f"{miner.output()}\n{node.output()}"
    converge(nodes, family.rules, length=COINS + 1)
    if mined_on == "python":  # nobody made a single-threaded node wait for itself
        assert not [line for each in nodes[:2] for line in each.stderr if "did not answer" in line]


@each_family
def test_miners_on_both_sides_at_once_end_with_one_chain(start, family):
    nodes = [family.python_node(start), family.python_node(start), family.rust_node(start), family.rust_node(start)]
    introduce(nodes)
    miners = [family.python_miner(start, nodes[0], COINS), family.rust_miner(start, nodes[2], COINS)]
    for miner in miners:
        assert miner.wait_exit(60) == 0, miner.output()
    # Two branches may be equally long now. Blocks that one node adds decide between them.
    for _ in range(3):
        mine_one(nodes[3], family.rules)
    converge(nodes, family.rules, length=COINS + 4, seconds=30)


def test_python_nodes_that_ask_before_they_answer_are_answered(start):
    """A careless student's node asks us for our chain while we wait for its answer."""
    naive = LECTURE.python_node(start, "--naive")
    ours = LECTURE.rust_node(start)
    for _ in range(3):
        mine_one(ours, LECTURE.rules)
    introduce([naive, ours])
    mine_one(ours, LECTURE.rules)
    converge([naive, ours], LECTURE.rules, length=5, seconds=10)
    assert not [line for line in naive.stderr if "did not answer" in line], naive.output()


@pytest.mark.parametrize("route", ["/new", "/nodes/new", "/block/new"])
def test_a_block_goes_both_ways_by_the_one_route_that_a_python_node_knows(start, route):
    theirs = LECTURE.python_node(start, "--routes", route, "--push", route)
    ours = LECTURE.rust_node(start)
    introduce([theirs, ours])
    for length, node in enumerate([ours, theirs, ours, theirs], 2):
        mine_one(node, LECTURE.rules)
        converge([theirs, ours], LECTURE.rules, length, seconds=5)


@each_family
def test_a_python_miner_mines_on_our_node(start, family):
    node = family.rust_node(start)
    miner = family.python_miner(start, node, coins=4)
    assert miner.wait_exit(30) == 0, f"{miner.output()}\n{node.output()}"
    chain = node.chain()
    assert len(chain) == 5 and family.rules.valid_chain(chain)
    assert miner.stdout == miner_lines(block["proof"] for block in chain[1:])
    recipients = {block["transactions"][-1]["recipient"] for block in chain[1:]}
    if family is LECTURE:
        assert len(recipients) == 1 and len(recipients.pop()) == 32
    else:
        assert recipients == {"alice"}


@each_family
def test_our_miner_mines_on_a_python_node(start, family):
    node = family.python_node(start)
    miner = family.rust_miner(start, node, coins=4)
    assert miner.wait_exit(30) == 0, f"{miner.output()}\n{node.output()}"
    chain = node.chain()
    assert len(chain) == 5 and family.rules.valid_chain(chain)
    assert miner.stdout[:-1] == our_miner_lines(block["proof"] for block in chain[1:]), miner.output()
    assert miner.stdout[-1].startswith("Total: 4 coins mined · 0 blocks lost · "), miner.output()
    for last, block in zip(chain, chain[1:]):
        assert block["proof"] == family.rules.lowest_proof(last)
    if family is not LECTURE:
        assert {block["transactions"][-1]["recipient"] for block in chain[1:]} == {"alice"}


@each_family
def test_our_miner_mines_on_our_node(start, family):
    node = family.rust_node(start)
    miner = family.rust_miner(start, node, coins=4)
    assert miner.wait_exit(30) == 0, f"{miner.output()}\n{node.output()}"
    assert len(node.chain()) == 5 and family.rules.valid_chain(node.chain())
    assert miner.stdout[:-1] == our_miner_lines(block["proof"] for block in node.chain()[1:]), miner.output()


def test_our_miner_sees_in_a_python_chain_how_many_zeros_it_wants(start):
    node = start.python("lecture_node.py", "--zeros", 3)
    for _ in range(6):
        mine_one(node, rules("lecture", 3))
    shown = min(digits for digits in range(3, 9)  # with luck the chain shows more than three
                if not rules("lecture", digits + 1).valid_chain(node.chain()))
    proof = rules("lecture", shown).lowest_proof(node.chain()[-1])
    miner = start.rust_miner(node, "--coins", 1)
    assert miner.wait_exit(30) == 0, miner.output()
    assert miner.stdout[:-1] == our_miner_lines([proof], first=8), miner.output()


def test_our_miner_tries_one_zero_more_after_a_refusal(start):
    """Only a genesis, so the preset's four zeros; the server wants five."""
    node = start.python("lecture_node.py", "--zeros", 5)
    miner = start.rust_miner(node, "--coins", 1)
    assert miner.wait_exit(60) == 0, miner.output()
    assert miner.stdout[:-1] == our_miner_lines([241341]), miner.output()
    refused = "proof 74581 was refused (Proof is invalid or already submitted.): searching for 5 zeros from now on"
    assert refused in miner.stderr, miner.output()


def test_our_miner_outlives_a_server_that_speaks_no_json_for_a_while(start):
    node = LECTURE.python_node(start)
    asked = itertools.count(1)

    def last_proof(_):
        return b"<h1>Internal Server Error</h1>" if next(asked) in (3, 4, 5) else node.get("/last_proof").json()

    with FakePeer({"/last_proof": last_proof, "/chain": lambda _: node.get("/chain").json(),
                   "/mine": lambda _: node.post("/mine", front.posts[-1][1]).json()}) as front:
        miner = start.rust_miner(front, "--zeros", 2, "--coins", 6)
        assert miner.wait_exit(60) == 0, miner.output()
    assert next(asked) > 6
    assert len(node.chain()) == 7


def test_our_miner_outlives_a_server_that_is_away_for_a_while(start):
    node = LECTURE.python_node(start)
    miner = start.rust_miner(node, "--zeros", 2)
    until(lambda: any(line.endswith("Coins mined: 2") for line in miner.stdout), 20, "two coins", miner, node)
    node.stop()
    coins = len(miner.stdout)
    time.sleep(1)
    assert miner.running, miner.output()
    back = start.python("lecture_node.py", "--zeros", 2, port=node.port)
    until(lambda: len(back.chain()) > 1 and len(miner.stdout) > coins, 40, "a coin from the new server", miner, back)


def bodies(peer):
    """All bodies that a fake peer got where blocks come in."""
    return [body for path, body in peer.posts if path in ("/new", "/nodes/new", "/block/new")]


def test_a_block_reaches_a_peer_once_from_each_of_us(start):
    ours = [LECTURE.rust_node(start) for _ in range(3)]
    routes = ("/new", "/nodes/new", "/block/new")
    genesis = {"chain": [LECTURE.rules.new_genesis()], "length": 1}
    with FakePeer({"/chain": genesis} | {route: b"Block Accepted" for route in routes}) as peer:
        introduce(ours)
        for node in ours:
            node.register(peer)
        for length in range(2, 5):
            mine_one(ours[0], LECTURE.rules)
            chain = converge(ours, LECTURE.rules, length=length)
            # A peer that is being told of one block hears next of the newest alone.
            until(lambda block=chain[-1]: bodies(peer).count({"block": block}), 20,
                  "the peer to hear of the block", *ours)
        time.sleep(1)  # whatever else is on its way
        assert all(bodies(peer).count({"block": block}) <= len(ours) for block in chain[1:]), peer.posts


def test_a_node_does_not_register_itself(start):
    node = LECTURE.rust_node(start)
    answer = node.post("/nodes/register", {"nodes": [f"http://localhost:{node.port}"]})
    assert answer.status_code == 400 and "this node itself" in answer.text, answer.text
    answer = node.post("/nodes/register", {"nodes": [f"http://127.0.0.1:{node.port}", "http://127.0.0.1:9"]}).json()
    assert answer["total_nodes"] == ["127.0.0.1:9"] and "this_node" in answer, answer
    until(lambda: node.register("127.0.0.1:9") == ["127.0.0.1:9"], 5, "the node to leave itself out", node)
