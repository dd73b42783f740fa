"""Bad input: a clear answer or a cut, and afterwards the node lives and its chain is what it was."""

import json
import os
import random
import re
import socket
import threading
import time

import pytest

from chain import canonical
from families import COURSE, LECTURE
from processes import mine_one

ROUTES = ("/new", "/nodes/new", "/block/new")
POSTS = ("/mine", "/transactions/new", "/nodes/register", *ROUTES)
SEED = int(os.environ.get("BLOCKSMITH_SEED", "20190710"))
PATIENCE_S = 45  # a request that does not end must have been ended by then
SERVED_S = 1  # while it goes on, others are served within this


@pytest.fixture(scope="module")
def node(start_for_module):
    """One node of ours that has to bear all of it."""
    node = LECTURE.rust_node(start_for_module)
    for _ in range(3):
        mine_one(node, LECTURE.rules)
    return node


@pytest.fixture(autouse=True)
def unmoved(node):
    """After each test the node lives and its chain is what it was."""
    before = node.chain()
    yield
    assert node.running, node.output()
    after = node.chain()
    assert canonical(after) == canonical(before), f"the chain changed\n{node.output()}"


def refused(answer):
    """A 4xx, or the lecture's own two words."""
    return 400 <= answer.status_code < 500 or answer.text == "Block Rejected" or "Proof is invalid" in answer.text


def connect(node, timeout=10):
    """A bare connection to a node."""
    return socket.create_connection(("127.0.0.1", node.port), timeout)


def exchange(node, data, timeout=10):
    """Sends bytes as far as the node takes them; what it answers until it is done, closes or falls silent."""
    with connect(node, timeout) as connection:
        sender = threading.Thread(target=send, args=(connection, data), daemon=True)
        sender.start()
        answer = b""
        try:
            while not complete(answer) and (part := connection.recv(65536)):
                answer += part
        except OSError:
            pass
    sender.join(timeout)
    return answer


def complete(answer):
    """Whether a bare answer has come to the end of the body that it declares."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(separator and length) and len(body) >= int(length[1])


def send(connection, data):
    try:
        connection.sendall(data)
    except OSError:  # it has heard enough
        pass


def head(path, *lines):
    """The head of a POST."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
                        "Connection: close", *lines, "", ""]).encode()


def status(answer):
    """The status of a bare answer; None if there is none."""
    words = answer.split(maxsplit=2)
    return int(words[1]) if answer.startswith(b"HTTP/1.") else None


@pytest.mark.parametrize("path", POSTS)
def test_a_body_of_over_16_megabytes_is_refused(node, path):
    body = b'{"block": "' + b"a" * 17_000_000 + b'"}'
    assert status(exchange(node, head(path, f"Content-Length: {len(body)}") + body)) in range(400, 500)


def test_a_chunked_body_of_over_16_megabytes_is_refused(node):
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert status(exchange(node, head("/nodes/new", "Transfer-Encoding: chunked") + chunk * 20 + b"0\r\n\r\n")) in range(400, 500)


def test_a_declared_body_of_a_petabyte_is_refused_at_once(node):
    started = time.monotonic()
    assert status(exchange(node, head("/nodes/new", f"Content-Length: {10**15}"))) in range(400, 500)
    assert time.monotonic() - started < 5


DEEP = {
    "lists": "[" * 100_000 + "]" * 100_000,
    "lists that do not end": "[" * 100_000,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("deep", DEEP)
def test_deep_nesting_is_a_400(node, path, deep):
    assert node.post_text(path, DEEP[deep]).status_code == 400
    for key in ("block", "proof", "nodes", "sender"):
        assert node.post_text(path, f'{{"{key}": {DEEP[deep]}}}').status_code == 400


def next_block(node):
    return LECTURE.rules.forge(node.chain(), [{"sender": "0", "recipient": "bob", "amount": 1}])


UNSPEAKABLE = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" * 4301, "01", "1.", ".5", "+1", "0x1", "'a'", "True",
               '"\\x"', '"\t"', "nan", "undefined", ""]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("field", ["index", "timestamp", "proof", "previous_hash", "transactions", "note"])
def test_a_block_with_what_json_cannot_say_is_refused(node, route, field):
    for text in UNSPEAKABLE:
        block = canonical(next_block(node) | {field: "HERE"}).replace('"HERE"', text)
        answer = node.post_text(route, f'{{"block": {block}}}')
        assert refused(answer), f"{text[:20]}: {answer.status_code} {answer.text}"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e400", "1" * 4301])
def test_a_payment_with_what_json_cannot_say_is_a_400(node, amount):
    assert node.post_text("/transactions/new", f'{{"sender": "a", "recipient": "b", "amount": {amount}}}').status_code == 400
    assert refused(node.post_text("/mine", f'{{"proof": {amount}}}'))


OTHER_TYPES = [None, [], {}, True, False, 1.5, -1, 10**400, "x", "", [[]], {"a": 1}, -(10**30), 2**64, 2**63]


@pytest.mark.parametrize("field", ["index", "proof", "previous_hash"])
@pytest.mark.parametrize("value", OTHER_TYPES, ids=lambda value: str(value)[:12])
def test_a_block_with_a_wrong_value_where_rules_look_is_refused(node, field, value):
    answer = node.post("/nodes/new", {"block": next_block(node) | {field: value}})
    assert refused(answer), f"{answer.status_code} {answer.text}"


@pytest.mark.parametrize("field", ["timestamp", "transactions", "note"])
@pytest.mark.parametrize("value", OTHER_TYPES, ids=lambda value: str(value)[:12])
def test_a_block_with_any_value_where_rules_do_not_look_is_taken_whole_or_not_at_all(any_node, field, value):
    chain = any_node.chain()
    block = LECTURE.rules.forge(chain) | {field: value}
    answer = any_node.post("/nodes/new", {"block": block})
    if answer.text == "Block Accepted":
        chain.append(block)
    else:
        assert refused(answer), f"{answer.status_code} {answer.text}"
    assert canonical(any_node.chain()) == canonical(chain)
    assert LECTURE.rules.valid_chain(any_node.chain())


@pytest.fixture(scope="module")
def any_node(start_for_module):
    """Another node, for blocks that may be accepted."""
    return LECTURE.rust_node(start_for_module)


@pytest.mark.parametrize("block", [*OTHER_TYPES, [1, 2], "block"], ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("route", ROUTES)
def test_a_block_that_is_no_block_is_refused(node, route, block):
    answer = node.post(route, {"block": block})
    assert refused(answer), f"{answer.status_code} {answer.text}"


@pytest.mark.parametrize("proof", [None, [], {}, True, 1.5, 1e300, [74581], {"proof": 1}], ids=str)
def test_a_proof_that_is_no_number_and_no_text_is_refused(node, proof):
    answer = node.post("/mine", {"proof": proof})
    assert refused(answer), f"{answer.status_code} {answer.text}"


@pytest.mark.parametrize("nodes", [7, True, {}, [7], [None], [[]], [""], ["http://"], ["a b"], ["h:99999"], ["\ud800:1"],
                                   ["x" * 100_000]], ids=lambda value: str(value)[:20])
def test_a_list_of_nodes_that_is_none_is_refused(node, nodes):
    answer = node.post("/nodes/register", {"nodes": nodes})
    assert 400 <= answer.status_code < 500, f"{answer.status_code} {answer.text[:200]}"


def test_an_endless_list_of_nodes_is_bounded(start):
    node = LECTURE.rust_node(start)
    started = time.monotonic()
    answer = node.post("/nodes/register", {"nodes": [f"127.9.{n // 250}.{n % 250}:1" for n in range(20_000)]}, timeout=10)
    assert answer.status_code in (201, *range(400, 500))
    assert len(answer.text) < 1_000_000
    assert time.monotonic() - started < 5
    mine_one(node, LECTURE.rules)


@pytest.mark.parametrize("kind", range(3), ids=["bare bytes", "bytes for a body", "mutated JSON"])
def test_random_bytes_are_answered_or_cut(node, kind):
    dice = random.Random(SEED + kind)
    for _ in range(40):
        noise = dice.randbytes(dice.randrange(1, 3000))
        if kind == 0:
            answer = exchange(node, noise + b"\r\n\r\n", timeout=0.2)
            assert status(answer) is None or status(answer) in range(400, 500), f"seed {SEED}: {answer[:200]}"
        elif kind == 1:
            assert node.post_text(dice.choice(POSTS), noise).status_code == 400, f"seed {SEED}"
        else:
            text = bytearray(canonical({"block": next_block(node) | {"proof": -1, "index": 77}, "proof": -1, "nodes": 0}).encode())
            for _ in range(dice.randrange(1, 9)):
                text[dice.randrange(len(text))] = dice.choice(b'{}[]",:\\0123456789eE.-+ \xff\x00tfn')
            answer = node.post_text(dice.choice(ROUTES), bytes(text))
            assert answer.status_code < 500 and answer.text != "Block Accepted", f"seed {SEED}: {bytes(text)!r} {answer.text}"


GARBAGE = {
    "no HTTP": b"hello\r\n\r\n",
    "a version of the future": b"GET /chain HTTP/9.9\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "a head of a megabyte": b"GET /chain HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "ten thousand headers": b"GET /chain HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    "a path of a megabyte": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    "a negative length": b"POST /new HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /new HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a broken chunk": b"POST /new HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a NUL in a header": b"GET /chain HTTP/1.1\r\nHost: h\x00\r\n\r\n",
    "a body in two bites, cut off": head("/new", "Content-Length: 100") + b'{"block": ',
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_http_garbage_is_a_4xx_or_a_cut(node, garbage):
    answer = exchange(node, GARBAGE[garbage], timeout=2)
    assert status(answer) is None or status(answer) in (*range(400, 500), 505), answer[:300]


def trickle(connection, stop):
    """One byte of a body every half second, as a chunk."""
    while not stop.wait(0.5):
        send(connection, b"1\r\n \r\n")


ENDLESS = {
    "a body that is never sent": (head("/nodes/new", "Content-Length: 1000") + b'{"bl', None),
    "a body in drops": (head("/nodes/new", "Transfer-Encoding: chunked"), trickle),
    "a head that does not end": (b"POST /nodes/new HTTP/1.1\r\nHost: localhost\r\n", None),
}


@pytest.mark.slow
def test_a_body_without_end_is_cut_and_meanwhile_others_are_served(node):
    stop = threading.Event()
    connections = {name: [connect(node, PATIENCE_S) for _ in range(20)] for name in ENDLESS}
    try:
        for name, (start, more) in ENDLESS.items():
            for connection in connections[name]:
                connection.sendall(start)
                if more:
                    threading.Thread(target=more, args=(connection, stop), daemon=True).start()
        waiting = {(name, connection) for name in ENDLESS for connection in connections[name]}
        deadline = time.monotonic() + PATIENCE_S
        while waiting and time.monotonic() < deadline:
            asked = time.monotonic()
            assert node.get("/chain", timeout=5).status_code == 200
            assert time.monotonic() - asked < SERVED_S, "others had to wait"
            waiting = {(name, connection) for name, connection in waiting if not ended(connection)}
            time.sleep(0.2)
        assert not waiting, f"still open after {PATIENCE_S} s: {sorted({name for name, _ in waiting})}\n{node.output()}"
    finally:
        stop.set()
        for each in connections.values():
            for connection in each:
                connection.close()


def ended(connection):
    """Whether the node has answered on a connection, or closed it."""
    connection.settimeout(0.001)
    try:
        answer = connection.recv(4096)
        assert not answer or status(answer) in range(400, 500), answer
        return True
    except TimeoutError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(10)


def test_course_nodes_say_in_json_what_is_wrong(start):
    node = COURSE.rust_node(start)
    for path in POSTS:
        for body in ({}, {"proof": 1}, {"id": "a"}):
            answer = node.post(path, body)
            assert answer.status_code == 400 and json.loads(answer.text)["message"], f"{path} {body}: {answer.text}"
