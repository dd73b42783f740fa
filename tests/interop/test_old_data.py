"""Data directories that an earlier program wrote: they open, serve what they held, and go on."""

import tarfile
from pathlib import Path

import pytest

from chain import rules
from processes import mine_one

ARCHIVE = Path(__file__).parents[1] / "vectors" / "data-format-3.tar.gz"
HELD = {
    "lecture": {
        "index": 7, "tip": "a86de07bb56c1fa8d4a89637b35ee90b2fe9290195473c1753d7f567e52bf773", "queued": 1, "node": "e7570e2edd394aac828da80a36a7d15a",
        "chain_id": "8fd581451eafa9561055b8d2d362cd2ccbb45b6bfa3c579bdadeaa09620e3d4e",
    },
    "forge-dev": {
        "index": 3, "tip": "0000ad268a0c0e5208f97360b778681332c46d3e83b354b009ce4e6f4ba61c68", "queued": 1, "node": "fd8081523195430091cccb1963d8fa26",
        "chain_id": "e89a7c7651433cfe01bb0eea2aec6f31b59ef4d411bbaed2d43a530a44c29255",
    },
}
PAID = "forge1t4zuhqd2wewknjjjuwrffy0v7r50ma4x84jwvk6jzdj8aeyh8tjssgq7k0"


@pytest.fixture(name="data")
def _data(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def held(node, name):
    """What the status says of what the directory holds."""
    status = node.get("/api/v1/status").json()
    assert {key: status[key] for key in HELD[name]} == HELD[name]


def test_an_open_chain_goes_on(start, data):
    """Blocks, the queue, the peer that was named and the node's id."""
    node = start.rust("lecture", zeros=1, data_dir=data / "lecture")
    held(node, "lecture")
    chain = node.chain()
    assert len(chain) == 7 and [len(block["transactions"]) for block in chain[:3]] == [0, 2, 1]
    [waits] = node.get("/api/v1/transactions?queued").json()["transactions"]
    assert waits["sender"] == "waits"
    assert [peer["address"] for peer in node.get("/api/v1/peers").json()["peers"]] == ["localhost:9"]
    block = mine_one(node, rules("lecture", 1))
    assert waits in block["transactions"]


def test_a_sealed_chain_goes_on(start, data):
    """Accounts, the mempool, and where transactions are."""
    node = start.rust("forge-dev", zeros=None, data_dir=data / "forge")
    held(node, "forge-dev")
    account = node.get(f"/api/v1/accounts/{PAID}").json()
    # Two coins of 20, and what the faucet gave once.
    assert (account["balance"], account["transactions"]) == (5_000_000_000, 3)
    page = node.get(f"/api/v1/accounts/{PAID}/transactions").json()["transactions"]
    assert [entry["block"] for entry in page] == [3, 2, 2]
    [waits] = node.get("/api/v1/transactions?queued").json()["transactions"]
    assert waits["recipient"] == PAID
