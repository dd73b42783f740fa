"""The knobs of a dev network: whatever they do, its nodes agree in the end, and their events say how."""

import json
import subprocess
from types import SimpleNamespace

import pytest
import requests

from processes import until
from stream import Stream

NODES = 5
START_S = 20
AGREE_S = 30
DEPTH = 50


class Network:
    """`blocksmith dev` with five nodes, which mine only when they are told to."""

    def __init__(self, start, directory):
        self.directory = directory
        self.process = start.dev_network("forge", NODES, directory)
        until(lambda: self.process.stdout or not self.process.running, START_S, "the network", self.process)
        self.said = json.loads(self.process.stdout[0])
        self.nodes = [SimpleNamespace(url=node["url"], address=node["url"].removeprefix("http://"))
                      for node in self.said["nodes"]]

    def post(self, node, path, body=None, expected=200):
        """The answer of a node, by its number from 1."""
        more = {} if body is None else {"json": body}
        answer = requests.post(f"{self.nodes[node - 1].url}/api/v1/{path}", timeout=90, **more)
        assert answer.status_code == expected, f"{path}: {answer.status_code} {answer.text}\n{self.process.output()}"
        return answer.json()

    def tip(self, node):
        """Index and hash of a node's tip."""
        status = requests.get(f"{self.nodes[node - 1].url}/api/v1/status", timeout=15).json()
        return status["index"], status["tip"]

    def agreed(self, tip, nodes=range(1, NODES + 1)):
        """Waits until these nodes have this tip."""
        until(lambda: all(self.tip(node)[1] == tip for node in nodes), AGREE_S, f"the tip {tip} on {list(nodes)}",
              self.process)


def story(stream, tip):
    """A node's events about its chain, until it has this tip."""
    told = []
    for event in stream:
        if event.kind in ("tip", "reorg"):
            told.append(event)
            if (event.data["tip"] if event.kind == "reorg" else event.data)["hash"] == tip:
                return told
    raise AssertionError("the events ended")


def check_reorg(told, fork, left, joined):
    """These events, the first a reorg, are about `left` blocks above `fork` that gave way to those with these hashes.

    A node that is sent the branch by another one may have its last blocks later.
    """
    reorg, *tips = told
    assert reorg.kind == "reorg" and all(event.kind == "tip" for event in tips), told
    assert reorg.data["fork"] == fork and reorg.data["left_count"] == left, reorg
    assert reorg.data["joined_count"] == len(reorg.data["joined"])
    hashes = [place["hash"] for place in reorg.data["joined"]] + [event.data["hash"] for event in tips]
    assert hashes == joined if isinstance(joined, list) else len(hashes) == joined, told


@pytest.fixture
def network(start, tmp_path):
    return Network(start, tmp_path / "network")


def test_both_sides_of_a_cut_mine_and_tell_one_story_once_it_heals(network):
    common = network.post(3, "dev/mine", {"blocks": 2})
    network.agreed(common["tip"]["hash"])
    streams = [Stream(node) for node in network.nodes]
    cut = network.post(1, "dev/cut", {"groups": [[1, 2], [3, 4, 5]]})
    assert cut["cuts"] == [[1, 3], [1, 4], [1, 5], [2, 3], [2, 4], [2, 5]]
    short = network.post(1, "dev/mine", {"blocks": 3, "to": network.said["accounts"][1]["address"]})
    long = network.post(4, "dev/mine", {"blocks": 5})
    # Asking finds nothing either, in whichever direction.
    for node in (1, 5):
        requests.get(f"{network.nodes[node - 1].url}/nodes/resolve", timeout=45)
    network.agreed(short["tip"]["hash"], (1, 2))
    network.agreed(long["tip"]["hash"], (3, 4, 5))
    # A gift is given on this side of the cut, and known on no other.
    gift = network.post(1, "faucet", {"recipient": network.said["accounts"][5]["address"]}, expected=201)
    known = {node: requests.get(f"{network.nodes[node - 1].url}/api/v1/transactions/{gift['id']}", timeout=15).ok
             for node in (1, 3, 4, 5)}
    assert known == {1: True, 3: False, 4: False, 5: False}
    refused = network.post(4, "faucet", {"recipient": network.said["accounts"][5]["address"]}, expected=503)
    assert "cut off" in refused["detail"]

    assert network.post(2, "dev/heal") == {"cuts": []}
    tip = long["tip"]["hash"]
    network.agreed(tip)
    for number, stream in enumerate(streams, 1):
        with stream:
            told = story(stream, tip)
        if number > 2:
            assert [event.kind for event in told] == ["tip"] * 5, told
            continue
        assert [event.kind for event in told[:3]] == ["tip"] * 3, told
        check_reorg(told[3:], common["tip"], 3, [block["hash"] for block in long["blocks"]])
        assert told[3].data["left"][0] == short["tip"]


def test_fifty_blocks_leave_and_every_node_and_a_replay_agree(network):
    network.post(1, "dev/mine", {"blocks": 3})
    before = network.post(2, "dev/mine", {"blocks": DEPTH})
    network.agreed(before["tip"]["hash"])
    gift = network.post(1, "faucet", {"recipient": network.said["accounts"][5]["address"]}, expected=201)["id"]
    mined = network.post(1, "dev/mine", {"blocks": 1})
    network.agreed(mined["tip"]["hash"])
    streams = [Stream(node) for node in network.nodes]
    undone = network.post(2, "dev/reorg", {"depth": DEPTH})
    assert (undone["left_count"], undone["joined_count"]) == (DEPTH, DEPTH + 1)
    assert undone["fork"]["index"] == mined["tip"]["index"] - DEPTH
    tip = undone["tip"]["hash"]
    network.agreed(tip)
    for stream in streams:
        with stream:
            told = story(stream, tip)
        check_reorg(told, undone["fork"], DEPTH, DEPTH + 1)
        assert told[0].data["waiting"] == 1
    for node in network.nodes:
        assert requests.get(f"{node.url}/api/v1/transactions/{gift}", timeout=15).json()["status"] == "queued"
    after = network.post(5, "dev/mine", {"blocks": 2})
    network.agreed(after["tip"]["hash"])
    assert requests.get(f"{network.nodes[0].url}/api/v1/transactions/{gift}", timeout=15).json()["status"] == "confirmed"
    assert network.process.stop() == 0 and len(network.process.stdout) == 1, network.process.output()
    program = network.process.command[0]
    for node in range(1, NODES + 1):
        replay = subprocess.run(
            [program, "chain", "verify", "--replay", "--chain", "forge-dev", "--data-dir",
             network.directory / f"node-{node}"], capture_output=True, text=True, timeout=60)
        assert replay.returncode == 0, replay


def test_miners_are_switched_and_have_a_speed(network):
    miners = [{"node": node, "on": False, "tries_per_second": None} for node in range(1, NODES + 1)]
    assert requests.get(f"{network.nodes[2].url}/api/v1/dev/miners", timeout=15).json() == {"miners": miners}
    _, tip = network.tip(1)
    said = network.post(4, "dev/miners", {"miners": [{"node": 2, "on": True, "tries_per_second": 5_000_000}]})
    assert said["miners"][1] == {"node": 2, "on": True, "tries_per_second": 5_000_000}
    until(lambda: network.tip(1)[1] != tip, AGREE_S, "a block of node 2's miner", network.process)
    network.post(4, "dev/miners", {"miners": [{"node": 2, "on": False}, {"node": 3, "on": True}]})
    length, _ = network.tip(1)
    until(lambda: network.tip(1)[0] > length + 1, AGREE_S, "a block of node 3's miner", network.process)
    for body in ({"miners": [{"node": 6, "on": True}]}, {"miners": [{"node": 1, "on": True, "tries_per_second": 0}]},
                 {"miners": [{"node": 1, "on": True}] * 2}, {"miners": [{"node": 1}]}):
        network.post(1, "dev/miners", body, expected=422)
