"""What `/openapi.json` says of `/api/v1` is so, whatever is asked; and a client can be made from it."""

import hashlib
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest
from schemathesis import openapi

from chain import block_hash, canonical, reward
from fakes import dead_peer
from families import LECTURE
from processes import ENVIRONMENT, until
from stream import Stream

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "forge.json").read_text(encoding="utf-8"))
BOB = VECTORS["keys"][1]["address"]
RULES = LECTURE.rules
MINED_S = 60  # until a dev network has mined a block

CASES = int(os.environ.get("BLOCKSMITH_API_CASES", "2000"))  # of both nodes together
SEED = int(os.environ.get("BLOCKSMITH_SEED", "20190710"))
RUN_S = 60 + CASES // 10  # until all cases were tried, on a busy machine

# What an answer is held against. Not that a request within the schema is taken: whether a payment is
# signed, or a proof proves anything, no schema can say.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "unsupported_method", "allow_header_conformance", "negative_data_rejection"]


def schemathesis(node, directory, examples):
    """Tries each call of a node in that many ways, and whatever the document suggests; the report."""
    report = directory / "report.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{node.url}/openapi.json", "--no-color", "--seed", SEED,
               "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", examples,
               # It never ends, which a case has to; test_events.py is about it.
               "--exclude-path", "/api/v1/events",
               "--generation-database", "none", "--request-timeout", 30, "--warnings", "off", "--continue-on-failure",
               "--report", "json", "--report-json-path", report]
    hooks = {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": os.path.dirname(__file__)}
    run = subprocess.run([str(part) for part in command], cwd=directory, env=ENVIRONMENT | hooks, text=True,
                         capture_output=True, timeout=RUN_S, check=False)
    assert run.returncode == 0, f"{run.stdout[-20000:]}\n{run.stderr[-5000:]}\n{node.output()}"
    return json.loads(report.read_text(encoding="utf-8"))


def test_no_answer_is_off_the_document(start, tmp_path):
    nodes = [start.rust("lecture", 2), start.dev("forge")]
    tried = 0
    for node in nodes:
        directory = tmp_path / str(node.port)
        directory.mkdir()
        # Of 20 calls, 3 take nothing and can be asked in one way only.
        report = schemathesis(node, directory, CASES // len(nodes) // 17)
        assert report["operations"]["tested"] == report["operations"]["total"] - 1, "all but the events"
        tried += report["test_cases"]["generated"]
        print(f"{node.name}: {report['test_cases']}, seed {SEED}")
        assert node.get("/healthz").status_code == 200
    assert tried >= CASES, "too few to have shown anything"


class Asker:
    """Asks a node, holds each answer against its document, and remembers which calls were answered with success."""

    def __init__(self, node):
        self.node = node
        self.document = node.get("/openapi.json").json()
        self.schema = openapi.from_dict(self.document)
        self.answered = set()

    def __call__(self, method, call, query="", body=None, **names):
        path = call.format(**names) + query
        answer = self.node.get(path) if method == "GET" else (
            self.node.request(method, path) if body is None else self.node.post(path, body))
        self.schema[call][method].validate_response(answer)
        if answer.ok:
            self.answered.add((method, call))
        return answer

    def kind_is(self, name, value):
        """Whether a value is of a type that the document names."""
        schema = {"$ref": f"#/components/schemas/{name}", "components": self.document["components"]}
        jsonschema_rs.validator_for(schema).validate(value)


def test_each_call_that_succeeds_answers_as_the_document_says(start):
    """What made-up requests hardly ever reach: payments, proofs, accounts, work and events."""
    node = start.dev("forge")
    ask = Asker(node)
    with Stream(node) as stream:
        paid = ask("POST", "/api/v1/faucet", body={"recipient": BOB}).json()
        one = {"id": paid["id"]}
        payment = ask("GET", "/api/v1/transactions/{id}", **one).json()["transaction"]
        ask("POST", "/api/v1/transactions", body=payment)
        ask("GET", "/api/v1/transactions", query="?queued")
        assert ask("GET", "/api/v1/transactions/{id}/proof", **one).status_code in (200, 404)

        def mined():
            return ask("GET", "/api/v1/transactions/{id}", **one).json()["status"] == "confirmed"

        def solved():
            """Finds a proof before the network's own miner finds one."""
            work = ask("GET", "/api/v1/work", query=f"?recipient={BOB}").json()
            ask.kind_is("Work", work)
            for proof in range(2_000_000):
                digest = hashlib.sha256(f"{work['prefix']}{proof}{work['suffix']}".encode()).hexdigest()
                if digest <= work["target"]:
                    break
            return ask("POST", "/api/v1/work", body={"id": work["id"], "proof": proof}).status_code == 200

        until(solved, MINED_S, "work to be done", node)
        until(mined, MINED_S, "the payment to be mined", node)
        ask("GET", "/api/v1/transactions/{id}/proof", **one)
        ask("POST", "/api/v1/transactions", body=[payment])
        ask("POST", "/api/v1/transactions", body=payment)
        for call in ("status", "supply", "fees", "history", "headers", "blocks", "branches"):
            ask("GET", f"/api/v1/{call}")
        block = ask("GET", "/api/v1/blocks/{id}", id=2).json()["block"]
        assert ask("POST", "/api/v1/blocks", body=block).json()["verdict"] == "known"
        ask("GET", "/api/v1/accounts/{party}", party=BOB)
        ask("GET", "/api/v1/accounts/{party}/transactions", party=BOB)
        ask("GET", "/api/v1/accounts", query=f"?party={BOB}")
        ask("GET", "/api/v1/accounts/transactions", query=f"?party={BOB}")
        ask("GET", "/api/v1/leaderboard")
        for table in ("blocks", "history", f"accounts/transactions?party={BOB}"):
            for sent in ("csv", "ndjson"):
                path, _, query = table.partition("?")
                assert ask("GET", f"/api/v1/{path}", query=f"?{query}&format={sent}").ok
        kinds = [ask("GET", "/api/v1/search", query=f"?q={text}").json()["matches"][0]["kind"]
                 for text in (2, paid["id"][:12], BOB[:20])]
        assert kinds == ["block", "transaction", "account"]
        ask("POST", "/api/v1/peers", body={"nodes": [dead_peer()]})
        [peer] = ask("GET", "/api/v1/peers").json()["peers"]
        until(lambda: ask("GET", "/api/v1/peers").json()["peers"][0]["state"] == "fails", 20, "the peer to fail", node)
        ask("DELETE", "/api/v1/peers/{address}", address=peer["address"])

        told = {(event.kind, event.data.get("change")) for event in events(ask, stream)}
        assert told == {("tip", None), ("transaction", "entered"), ("transaction", "confirmed"), ("peer", "added"),
                        ("peer", "fails"), ("peer", "forgotten")}
    knobs = Asker(start.dev("forge", nodes=2))
    for call, body in (("mine", {"blocks": 2}), ("reorg", {"depth": 1}), ("miners", {"miners": [{"node": 2, "on": False}]}),
                       ("cut", {"groups": [[1], [2]]}), ("heal", None)):
        assert knobs("POST", f"/api/v1/dev/{call}", body=body).status_code == 200
    knobs("GET", "/api/v1/dev/miners")
    calls = {(method.upper(), path) for path, item in ask.document["paths"].items() for method in item}
    assert calls - ask.answered - knobs.answered == {("GET", "/api/v1/events")}


def events(ask, stream):
    """The events up to that of a peer that is forgotten, each of which is as the document says."""
    while True:
        event = next(stream)
        ask.kind_is(f"{event.kind.capitalize()}Event", event.data)
        yield event
        if event.data.get("change") == "forgotten":
            return


def test_a_reorg_and_a_peer_that_comes_and_goes_are_told_as_the_document_says(start):
    node, peer = LECTURE.rust_node(start), LECTURE.python_node(start)
    ask = Asker(node)

    def resolved(state):
        node.get("/nodes/resolve")
        return node.get("/api/v1/peers").json()["peers"][0]["state"] == state

    with Stream(node) as stream:
        payment = {"sender": "alice", "recipient": "bob", "amount": 5}
        node.post("/transactions/new", payment)
        genesis = node.chain()
        left = RULES.grown(1, [*genesis, RULES.forge(genesis, [payment, reward("ann")])], "ann")
        joined = RULES.grown(3, genesis, "eve")
        for block in [*left[1:], *joined[1:]]:
            ask("POST", "/api/v1/blocks", body=block)
        assert canonical(node.chain()) == canonical(joined)
        node.register(peer)
        until(lambda: resolved("answers"), 20, "the peer to answer", node, peer)
        peer.stop()
        until(lambda: resolved("fails"), 20, "the peer to fail", node)
        ask("DELETE", "/api/v1/peers/{address}", address=peer.address)
        told = list(events(ask, stream))

    [branch] = ask("GET", "/api/v1/branches").json()["branches"]
    assert (branch["tip"]["hash"], branch["length"], branch["lost"]) == (block_hash(left[2]), 2, "less_work")
    assert branch["fork"]["hash"] == block_hash(genesis[0]) and branch["miner"] == "ann"
    [reorg] = [event.data for event in told if event.kind == "reorg"]
    assert reorg["left_work"] == branch["work"]
    assert [place["hash"] for place in reorg["left"]] == [block_hash(left[2]), block_hash(left[1])]
    assert [place["hash"] for place in reorg["joined"]] == [block_hash(block) for block in joined[1:]]
    assert (reorg["left_count"], reorg["joined_count"], reorg["waiting"]) == (2, 3, 1)
    assert reorg["tip"]["hash"] == block_hash(joined[-1]) and reorg["fork"]["hash"] == block_hash(genesis[0])
    changes = [(event.kind, event.data["change"]) for event in told if "change" in event.data]
    assert changes[:2] == [("transaction", "entered"), ("transaction", "confirmed")]
    assert [change for kind, change in changes if kind == "peer"] == ["added", "answers", "fails", "forgotten"]


@pytest.fixture(scope="module")
def client(start_for_module, tmp_path_factory):
    """What openapi-python-client makes of a node's document, and the node: nothing here is written by hand."""
    node = start_for_module.dev("forge")
    directory = tmp_path_factory.mktemp("client")
    (directory / "openapi.json").write_text(node.get("/openapi.json").text, encoding="utf-8")
    # Nobody reads it, so that it need not be formatted.
    (directory / "config.yaml").write_text("post_hooks: []\n", encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none",
               "--output-path", "generated_client", "--config", "config.yaml", "--fail-on-warning"]
    made = subprocess.run(command, cwd=directory, env=ENVIRONMENT, text=True, capture_output=True, timeout=120, check=False)
    assert made.returncode == 0, f"{made.stdout}\n{made.stderr}"
    sys.path.insert(0, str(directory))
    yield node, importlib.import_module("generated_client").Client(base_url=node.url)
    sys.path.remove(str(directory))


def call(name, tag):
    """A call of the generated client."""
    return importlib.import_module(f"generated_client.api.{tag}.{name}").sync


def test_a_generated_client_reads_the_status_blocks_and_an_account(client):
    node, client = client
    paid = call("faucet", "transactions")(client=client, body=model("FaucetRequest")(recipient=BOB))
    assert paid.amount == node.get("/api/v1/transactions?queued").json()["transactions"][0]["amount"]
    status = until(lambda: (status := call("status", "chain")(client=client)).index >= 2 and status, MINED_S, "a block", node)
    assert (status.name, status.signed, status.addresses, status.dev) == ("forge-dev", True, "forge", True)
    assert status.rules.to_dict() == node.get("/api/v1/status").json()["rules"]

    page = call("blocks", "chain")(client=client, from_=1, limit=2)
    blocks = node.get("/api/v1/blocks?from=1&limit=2").json()["blocks"]
    assert [(entry.index, entry.hash_, entry.block.to_dict()) for entry in page.blocks] == [
        (entry["index"], entry["hash"], entry["block"]) for entry in blocks]
    one = call("block", "chain")("2", client=client)
    assert one.to_dict() == blocks[1] | {"best": True}

    def has_coins():
        return call("account", "transactions")(BOB, client=client).balance == paid.amount

    until(has_coins, MINED_S, "the payment to be mined", node)
    account = call("account", "transactions")(BOB, client=client)
    assert (account.party, account.nonce, account.transactions) == (BOB, 0, 1)
    history = call("account_transactions", "transactions")(BOB, client=client)
    assert [entry.id for entry in history.transactions] == [paid.id]


def test_a_generated_client_reads_why_a_call_has_no_other_answer(client):
    _, client = client
    problem = call("block", "chain")("99999999", client=client)
    assert isinstance(problem, model("Problem"))
    assert (problem.status, problem.title) == (404, "Not Found")
    problem = call("account", "transactions")("nobody", client=client)
    assert (problem.status, problem.type_) == (422, "about:blank")


def model(name):
    """A type of the generated client."""
    return getattr(importlib.import_module("generated_client.models"), name)
