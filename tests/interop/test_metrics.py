"""The figures at `/metrics`, as Prometheus's own checker sees them."""

import os
import subprocess

import pytest

from families import LECTURE
from fakes import dead_peer
from processes import mine_one, until

PROMTOOL = os.environ.get("PROMTOOL", "promtool")


def check(node):
    """What promtool has to say of a node's figures, which is nothing if it is content."""
    answer = node.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=answer.text, text=True, capture_output=True, timeout=60, check=False)
    return checked.returncode, checked.stdout + checked.stderr


def test_promtool_is_content_with_a_node_on_which_something_happened(start):
    node = LECTURE.rust_node(start)
    assert check(node) == (0, ""), "of a node that has just started"
    node.post("/transactions/new", {"sender": "alice", "recipient": "bob", "amount": 5})
    mine_one(node, LECTURE.rules)
    chain = node.chain()
    good = LECTURE.rules.forge(chain[:1])
    assert node.post("/api/v1/blocks", good).json()["verdict"] == "side_branch"
    side = [chain[0], good]
    assert node.post("/api/v1/blocks", LECTURE.rules.forge(side)).json()["verdict"] == "accepted", "a reorg"
    assert node.post("/api/v1/blocks", good | {"index": 7}).status_code == 422
    node.register(dead_peer())
    # Whatever stands in a path or a method, the figures stay figures.
    for method, path in (("GET", '/a"b\\{n}'), ("PROPFIND", "/é%0a"), ("DELETE", "/api/v1/peers/h:1"), ("GET", "/api/v1/blocks/9")):
        node.request(method, path)
    text = node.get("/metrics").text
    for line in ('blocksmith_blocks_total{verdict="accepted"} 3', 'blocksmith_blocks_total{verdict="invalid"} 1',
                 "blocksmith_reorgs_total 1", "blocksmith_tip_index 3", "blocksmith_mempool_transactions 1"):
        assert line in text.splitlines(), f"{line} is not in\n{text}"
    assert check(node) == (0, "")


def test_promtool_is_content_with_a_node_that_keeps_accounts_and_searches(start):
    node = start.dev("forge")
    paid = node.post("/api/v1/faucet", {"recipient": "nobody"})
    assert paid.status_code == 422
    until(lambda: node.get("/api/v1/status").json()["index"] >= 2, 60, "a block", node)
    assert check(node) == (0, "")


@pytest.mark.parametrize("text", ["blocksmith_blocks_total 1\n", "# HELP a b\n# TYPE a counter\na 1\n", "a{ 1\n"])
def test_promtool_is_not_content_with_everything(text):
    """A check that finds nothing wrong anywhere would show nothing."""
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True, capture_output=True, timeout=60, check=False)
    assert checked.returncode != 0
