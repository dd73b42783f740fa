"""What API.md says of ids, seals and paths: its code against vectors, and against a node."""

import json
import re
from pathlib import Path

import pytest

from processes import until

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "forge.json").read_text(encoding="utf-8"))
BOB = VECTORS["keys"][1]["address"]
MINED_S = 60  # until a dev network has mined a payment


@pytest.fixture(scope="module")
def page():
    """The names that the page's code defines."""
    text = (ROOT / "API.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(code, names)  # pylint: disable=exec-used
    return names


@pytest.mark.parametrize("payment", VECTORS["payments"], ids=lambda payment: payment["name"])
def test_ids_of_payments(page, payment):
    """An id is what the vectors say, and another chain's is another one."""
    value = json.loads(payment["text"])
    assert page["payment_id"](value, VECTORS["chain_id"]).hex() == payment["id"]
    assert page["payment_id"](value, "00" * 32).hex() != payment["id"]


def test_ids_of_blocks(page):
    """A seal and a proof make the ids of the vectors' blocks."""
    chain = VECTORS["chain"]
    for block, expected in (("genesis", "genesis_id"), ("block", "id")):
        assert page["block_id"](json.loads(chain[block])).hex() == chain[expected]
    assert page["has_work"](json.loads(chain["block"]))
    assert not page["has_work"](json.loads(chain["block"]) | {"proof": 0})


def test_a_payment_is_proved_to_be_in_the_chain_of_headers(page, start):
    """From the faucet to a root that a header with enough work states."""
    node = start.dev("forge")
    answer = node.post("/api/v1/faucet", {"recipient": BOB})
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert paid["amount"] % 100_000_000 == 0, "whole coins, in units"

    def mined():
        status = node.get(f"/api/v1/transactions/{paid['id']}").json()
        return status if status["status"] == "confirmed" else None

    status = until(mined, MINED_S, "the payment to be mined", node)
    chain_id = node.get("/api/v1/status").json()["chain_id"]
    assert page["payment_id"](status["transaction"], chain_id).hex() == paid["id"]

    proof = node.get(f"/api/v1/transactions/{paid['id']}/proof").json()
    headers, asked = [], 1
    while asked is not None:
        answer = node.get(f"/api/v1/headers?from={asked}&limit=7").json()
        headers, asked = headers + answer["headers"], answer["next"]
    for before, entry in zip(headers, headers[1:]):
        header = entry["header"]
        assert page["block_id"](header).hex() == entry["hash"]
        assert page["has_work"](header)
        assert header["previous_hash"] == before["hash"]
    stated = headers[proof["block"] - 1]["header"]["merkle_root"]

    def root(transaction=status["transaction"], position=proof["position"], path=tuple(proof["path"])):
        return page["root_of"](transaction, position, proof["leaves"], path)

    assert root() == stated
    assert root(transaction=status["transaction"] | {"amount": 1}) != stated
    assert root(position=proof["position"] + 1) != stated
    assert root(path=(*proof["path"], "00" * 32)) != stated
    account = node.get(f"/api/v1/accounts/{BOB}").json()
    assert (account["balance"], account["nonce"], account["transactions"]) == (paid["amount"], 0, 1)
