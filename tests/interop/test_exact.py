"""The same request to a Python node and to ours: the same status, the same kind of body, the same body.

The cases of a family run in order, on one pair of nodes; both chains grow by the same requests.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from chain import block_hash, canonical, lecture_genesis
from families import COURSE, LECTURE

GENESIS_HASH = block_hash(lecture_genesis())
BLOCK_ROUTES = ("/new", "/nodes/new", "/block/new")
LAST_CALL = {"lecture": "/last_proof", "course": "/last_block"}


@dataclass(frozen=True)
class Case:
    """One request, and how much of the answer is compared."""

    name: str
    method: str
    path: str
    body: Any = None  # a value; a text or bytes sent as they are; or a function (family, chain) -> value
    content_type: str = "application/json"
    compare: str = "body"  # or "message": a JSON body with a message of its own; "options"; or "status" alone

    def send(self, family, node):
        """The node's answer."""
        if self.method != "POST" or self.body is None:
            return node.request(self.method, self.path)
        body = self.body(family, node.chain()) if callable(self.body) else self.body
        text = body if isinstance(body, (str, bytes)) else canonical(body)
        return node.post_text(self.path, text, self.content_type)


def post(name, path, body, **more):
    """A case that posts."""
    return Case(name, "POST", path, body, **more)


def mine_body(family, proof):
    """What a miner of the family hands in."""
    return {"proof": proof} | ({"id": "alice"} if family is COURSE else {})


def right_proof(family, chain):
    return mine_body(family, family.rules.lowest_proof(chain[-1]))


def right_proof_as_text(family, chain):
    return mine_body(family, str(family.rules.lowest_proof(chain[-1])))


def next_block(family, chain):
    return {"block": family.rules.forge(chain, [{"sender": "0", "recipient": "bob", "amount": 1}])}


def next_block_with_a_text_for_a_proof(family, chain):
    block = family.rules.forge(chain)
    return {"block": block | {"proof": str(block["proof"])}}


def tip_again(_, chain):
    return {"block": chain[-1]}


def block_of_the_future(family, chain):
    return {"block": family.rules.forge(chain) | {"index": len(chain) + 5}}


PAYMENT = {"sender": "alice", "recipient": "bob", "amount": 5}
ODD_PAYMENTS = [
    '{"sender": 0, "recipient": null, "amount": -0}',
    '{"sender": "\\ud800", "recipient": "\\u00fc\\ud83d\\ude00\\u007f\\/", "amount": 1.0}',
    '{"amount": 1e16, "recipient": ["b", {"z": 1, "a": -0.0}], "sender": {}}',
    '{"amount": 1E2, "recipient": true, "sender": 12345678901234567890123456789}',
    '{"amount": 1, "amount": 0.00001, "recipient": "twice", "sender": "the last one wins"}',
    '\ufeff{"amount": 1, "recipient": "bom", "sender": "bom"}'.encode(),
]


def cases(family):
    """All calls of the family, in the order in which both nodes hear them."""
    bad_request = "body" if family is LECTURE else "message"
    posts = ("/mine", "/transactions/new", "/nodes/register", *BLOCK_ROUTES)
    gets = ("/chain", LAST_CALL[family.name], "/nodes/resolve")
    yield Case("chain of a new node", "GET", "/chain")
    yield Case("last call of a new node", "GET", LAST_CALL[family.name])
    yield Case("resolve without peers", "GET", "/nodes/resolve")
    yield Case("a query is ignored", "GET", "/chain?from=1")
    # `/` aside, which shows our page, what is not there in the course's node is not there in ours.
    for path in ("/nothing", "/chain/", "/nodes", "/Chain", "/block", "/wallet/", "/index.html", "/assets/"):
        yield Case(f"unknown path {path}", "GET", path, compare="status")
    yield post("POST to an unknown path", "/nothing", {}, compare="status")
    for path in (*gets, *posts, "/nothing"):
        yield Case(f"OPTIONS {path}", "OPTIONS", path, compare="options")
    for path in gets:
        for method in ("POST", "PUT", "DELETE"):
            yield Case(f"{method} {path}", method, path, compare="status")
    for path in posts:
        for method in ("PUT", "DELETE") + (() if path == "/mine" else ("GET",)):  # GET /mine is Lecture I's call
            yield Case(f"{method} {path}", method, path, compare="status")
        for content_type in ("text/plain", "application/x-www-form-urlencoded", ""):
            yield post(f"{path} as {content_type or 'no type'}", path, "{}", content_type=content_type, compare="status")
        for broken in ("{", "", "proof=1", '{"proof": 1,}', "{'proof': 1}", b"\xff\xfe{"):
            yield post(f"{path} with {broken!r}", path, broken, compare="status")
        yield post(f"{path} with an empty object", path, {}, compare=bad_request)
        yield post(f"{path} with another key", path, {"proofs": 1}, compare=bad_request)
    for wrong in (99, 0, -1, 10**30, "x", ""):
        yield post(f"wrong proof {wrong!r}", "/mine", lambda family, _, wrong=wrong: mine_body(family, wrong))
    if family is COURSE:
        yield post("a proof without an id", "/mine", {"proof": 1}, compare="message")
        yield post("an id without a proof", "/mine", {"id": "alice"}, compare="message")
    yield post("right proof", "/mine", right_proof)
    yield Case("chain of two", "GET", "/chain")
    yield post("right proof as a text", "/mine", right_proof_as_text)
    yield Case("the text is served as a text", "GET", LAST_CALL[family.name])
    yield Case("chain of three", "GET", "/chain")
    yield post("right proof after a text", "/mine", right_proof)
    yield post("another JSON type", "/mine", right_proof, content_type="application/json; charset=utf-8")
    yield post("a JSON relative", "/mine", right_proof, content_type="application/vnd.api+json")
    for field in PAYMENT:
        rest = {key: value for key, value in PAYMENT.items() if key != field}
        yield post(f"payment without {field}", "/transactions/new", rest, compare=bad_request)
    yield post("payment", "/transactions/new", PAYMENT)
    yield post("the same payment again", "/transactions/new", PAYMENT)
    for odd in ODD_PAYMENTS:
        yield post(f"payment {odd!r}", "/transactions/new", odd)
    yield post("the payments come before the reward", "/mine", right_proof)
    yield post("payment for a later block", "/transactions/new", PAYMENT)
    for route in BLOCK_ROUTES:
        yield post(f"{route} without a block", route, {"blocks": []}, compare=bad_request)
        yield post(f"{route} with the tip again", route, tip_again)
        yield post(f"{route} with a block of the future", route, block_of_the_future)
        yield post(f"{route} with the next block", route, next_block)
    yield post("a block with a text for a proof", "/nodes/new", next_block_with_a_text_for_a_proof)
    yield post("a peer's block leaves the queue alone", "/mine", right_proof)
    yield Case("the chain at the end", "GET", "/chain")
    yield Case("resolve at the end", "GET", "/nodes/resolve")
    yield post("register null", "/nodes/register", {"nodes": None}, compare="status")
    yield post("register http://h:1", "/nodes/register", {"nodes": ["http://h:1"]})
    yield post("register https://h:1", "/nodes/register", {"nodes": ["https://h:1"]})
    yield post("register h:1", "/nodes/register", {"nodes": ["h:1"]})
    yield post("register two", "/nodes/register", {"nodes": ["http://localhost:5001", "127.0.0.1:5002"]})
    yield post("register with a path", "/nodes/register", {"nodes": ["http://localhost:5001/chain"]})


CASES = [pytest.param(family, case, id=f"{family}: {case.name}"[:90]) for family in (LECTURE, COURSE) for case in cases(family)]


def comparable(value, key=None):
    """A body without what differs from run to run: names of nodes, moments, and hashes of blocks that hold them."""
    match value:
        case dict():
            return {inner: comparable(each, inner) for inner, each in value.items()}
        case list() if key == "total_nodes":
            return sorted(value)
        case list():
            return [comparable(each) for each in value]
        case float() if key == "timestamp":
            return "<time>"
        case str() if re.fullmatch("[0-9a-f]{32}", value):
            return "<node>"
        case str() if re.fullmatch("[0-9a-f]{64}", value) and value != GENESIS_HASH:
            return "<hash>"
        # Under the course rules the work is over what differs, and so the proofs differ.
        case int() if key == "proof" and value != 99:
            return "<proof>"
        case str() if key == "proof":
            return "<proof as a text>"
    return value


def outline(answer, compare):
    """What two answers must have in common."""
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if compare == "status":
        return answer.status_code, answer.status_code == 405 and sorted(allowed(answer))
    if compare == "options":
        known = answer.status_code == 200
        return answer.status_code, known and (sorted(allowed(answer)), "OPTIONS" in answer.headers["Allow"], kind, answer.text)
    if kind != "application/json":
        return answer.status_code, kind.split("/")[0], answer.text
    if compare == "message":
        return answer.status_code, kind, list(answer.json()), bool(answer.json()["message"])
    return answer.status_code, kind, canonical(comparable(answer.json()))


def allowed(answer):
    """The methods that a 405 names; OPTIONS and HEAD come with Flask, and GET /mine with us."""
    return {method.strip() for method in answer.headers.get("Allow", "").split(",")} - {"OPTIONS", "HEAD", "GET"}


@pytest.fixture(scope="module")
def pairs(start_for_module):
    """For each family a Python node and one of ours, both new."""
    return {family.name: (family.python_node(start_for_module, "--routes", *BLOCK_ROUTES),
                          family.rust_node(start_for_module)) for family in (LECTURE, COURSE)}


@pytest.mark.parametrize("family, case", CASES)
def test_our_node_answers_as_a_python_node_does(pairs, family, case):
    theirs, ours = pairs[family.name]
    expected, answer = case.send(family, theirs), case.send(family, ours)
    assert outline(answer, case.compare) == outline(expected, case.compare), (
        f"\nPython: {expected.status_code} {expected.headers.get('Content-Type')} {expected.text[:2000]}"
        f"\nours:   {answer.status_code} {answer.headers.get('Content-Type')} {answer.text[:2000]}")


POSTS = ("/mine", "/transactions/new", "/nodes/register", *BLOCK_ROUTES)


@pytest.mark.parametrize("family", [LECTURE, COURSE], ids=str)
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", ["null", "[]", '["proof"]', "17", "1.5", '"proof"', "true"])
def test_a_body_that_is_no_object_is_a_400_with_a_text(pairs, family, path, body):
    """Python fails with a 500 on most of these; we say what is wrong."""
    _, ours = pairs[family.name]
    before = canonical(ours.chain())
    answer = ours.post_text(path, body)
    assert answer.status_code == 400 and len(answer.text.strip()) > 3, f"{answer.status_code} {answer.text}"
    assert "<html" not in answer.text.lower()
    if family is COURSE:
        assert answer.json()["message"]
    assert canonical(ours.chain()) == before


def test_get_mine_lets_our_node_search(start):
    node = LECTURE.rust_node(start)
    answer = node.get("/mine")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
    block = node.chain()[1]
    assert answer.json() == {"message": "New Block Forged"} | {key: block[key] for key in block if key != "timestamp"}
    assert block["proof"] == LECTURE.rules.lowest_proof(lecture_genesis())


def test_a_late_proof_is_refused_in_the_lectures_words(start):
    node = LECTURE.rust_node(start)
    body = right_proof(LECTURE, node.chain())
    assert node.post("/mine", body).json()["message"] == "New Block Forged"
    if LECTURE.rules.valid_proof(node.chain()[-1], body["proof"]):
        pytest.skip("this proof happens to follow itself")
    answer = node.post("/mine", body)
    assert (answer.status_code, answer.json()) == (200, {"message": "Proof is invalid or already submitted."})


def test_the_same_coins_come_from_the_four_zeros_of_the_notes(start):
    """74581 as Postman sends it, a text, and 28441 after it: the proofs that the notes print."""
    theirs, ours = start.python("lecture_node.py"), start.rust("lecture", 4)
    for node in (theirs, ours):
        assert node.post("/mine", {"proof": "74581"}).json()["proof"] == "74581"
        assert node.get("/last_proof").json() == {"last_proof": "74581"}
        assert node.post("/mine", {"proof": 28441}).json()["index"] == 3
    ours.register(theirs)
    assert ours.post("/mine", {"proof": 1}).json() == {"message": "Proof is invalid or already submitted."}
