"""Dead and slow peers delay nobody."""

import time

import pytest

from chain import canonical
from fakes import FakePeer, SlowPeer, dead_peer
from families import LECTURE
from processes import mine_one, resolve, until

ANSWERED_S = 1
DELIVERED_S = 3


@pytest.mark.parametrize("slow, dead", [(1, 0), (0, 1), (5, 5)])
def test_a_block_reaches_the_living_in_time(start, slow, dead):
    live, node = LECTURE.python_node(start), LECTURE.rust_node(start)
    peers = [SlowPeer() for _ in range(slow)]
    try:
        node.register(*(peer.__enter__() for peer in peers), *(dead_peer() for _ in range(dead)), live)
        for _ in range(5):
            proof = LECTURE.rules.lowest_proof(node.chain()[-1])
            started = time.monotonic()
            assert node.post("/mine", {"proof": proof}).json()["message"] == "New Block Forged"
            assert time.monotonic() - started < ANSWERED_S
            mined = canonical(node.chain())
            until(lambda: canonical(live.chain()) == mined, DELIVERED_S, "the live peer to have the block", node, live)
    finally:
        for peer in peers:
            peer.__exit__()


def test_a_slow_peer_does_not_keep_a_longer_chain_from_us(start):
    chain = LECTURE.rules.grown(4)
    node = LECTURE.rust_node(start)
    with SlowPeer() as slow, FakePeer.with_chain(chain) as ahead:
        node.register(slow, dead_peer(), ahead)
        started = time.monotonic()
        resolve(node, chain)
        assert time.monotonic() - started < 40


def test_others_are_served_while_we_wait_for_a_slow_peer(start):
    node = LECTURE.rust_node(start)
    with SlowPeer() as slow:
        node.register(slow)
        assert node.post("/nodes/new", {"block": LECTURE.rules.grown(5)[-1]}, timeout=2).text == "Block Rejected"
        started = time.monotonic()
        mine_one(node, LECTURE.rules)
        assert time.monotonic() - started < ANSWERED_S
        assert len(node.chain()) == 2


def test_a_peer_that_comes_back_hears_of_blocks_again(start):
    """Back-off is no farewell: a peer that was away is told, or asked, before long."""
    node, away = LECTURE.rust_node(start), LECTURE.python_node(start)
    node.register(away)
    away.stop()
    for _ in range(3):
        mine_one(node, LECTURE.rules)
    back = start.python("lecture_node.py", "--zeros", LECTURE.zeros, port=away.port)
    back.register(node)

    def told():
        mine_one(node, LECTURE.rules)
        time.sleep(1)
        return canonical(back.chain()) == canonical(node.chain())

    until(told, 30, "the peer to hear of a new block", node, back)
