#!/usr/bin/env python3
"""Writes lecture.json and rules.json: what a Python node makes of chains, proofs and targets.

lecture.json holds what the course's notes print, checked here before it is written. rules.json holds
chains that this script mines under each rule set, digests of odd proofs, and the work of targets in
Python's own integers.
"""

import hashlib
import json
import pathlib
import random

HERE = pathlib.Path(__file__).resolve().parent
SEED = 20190711
LIMIT = 2**256


def canonical(value):
    return json.dumps(value, sort_keys=True)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def block_hash(block):
    return sha256(canonical(block))


def tagged_hash(tag, message):
    tag = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(tag + tag + message.encode()).hexdigest()


# What is hashed before and after a proof, by the name of the puzzle.
PUZZLES = {
    "last_proof": lambda last: (f"{last['proof']}", ""),
    "last_block": lambda last: (canonical(last), ""),
    "last_proof_and_hash": lambda last: (f"{last['proof']}", block_hash(last)),
}


def digest(puzzle, last, proof):
    prefix, suffix = PUZZLES[puzzle](last)
    return sha256(f"{prefix}{proof}{suffix}")


def search(puzzle, last, zeros):
    prefix, suffix = PUZZLES[puzzle](last)
    start, end, wanted = hashlib.sha256(prefix.encode()), suffix.encode(), "0" * zeros
    proof = 0
    while True:
        hasher = start.copy()
        hasher.update(str(proof).encode() + end)
        if hasher.hexdigest().startswith(wanted):
            return proof
        proof += 1


def target(zeros):
    return f"{LIMIT - 1 >> 4 * zeros:064x}"


def chain_id(puzzle, zeros, genesis):
    rules = {"difficulty": {"fixed": target(zeros)}, "genesis": genesis, "puzzle": puzzle}
    return tagged_hash("blocksmith/chain", canonical(rules))


LECTURE_1 = [
    {"index": 1, "previous_hash": 1, "proof": 99, "timestamp": 1562782943.373497, "transactions": []},
    {
        "index": 2,
        "previous_hash": "c89e42365daa6bd6e08c31abf143568c9411079082d3dfdf2f7e9b0bdc4bbacb",
        "proof": 74581,
        "timestamp": 1562782953.784697,
        "transactions": [{"amount": 1, "recipient": "9188a5b6107c40d3987d247a36023503", "sender": 0}],
    },
    {
        "index": 3,
        "previous_hash": "c13fbbb5e6983425f3aee2d34b24d856e50616e797c058cf7a4cac6c39eef9b8",
        "proof": 28441,
        "timestamp": 1562783121.297569,
        "transactions": [
            {"amount": 1000000, "recipient": "bonder", "sender": "brian"},
            {"amount": 1, "recipient": "9188a5b6107c40d3987d247a36023503", "sender": 0},
        ],
    },
]

LECTURE_2 = [
    {"index": 1, "previous_hash": None, "proof": 99, "timestamp": 0, "transactions": []},
    {
        "index": 2,
        "previous_hash": "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea",
        "proof": 241341,
        "timestamp": 1562874886.654986,
        "transactions": [{"amount": 1, "recipient": "00341426854640f596f4ba49a64f7c5a", "sender": "0"}],
    },
    {
        "index": 3,
        "previous_hash": "6d6a9fe26bc09b9fd0f597121e983fa2348d7aaea5917700b14a736ca0d49827",
        "proof": 526815,
        "timestamp": 1562874887.786051,
        "transactions": [{"amount": 1, "recipient": "00341426854640f596f4ba49a64f7c5a", "sender": "0"}],
    },
]

# The first proofs found when counting up from 0.
WALKS = [
    {"zeros": 4, "proofs": [99, 74581, 28441]},
    {"zeros": 5, "proofs": [99, 241341, 526815]},
    {"zeros": 6, "proofs": [99, 9250889]},
]

DVF_SHAPE = {"index": 1, "previous_hash": "1", "proof": 100}


def lecture():
    for printed in (LECTURE_1, LECTURE_2):
        for last, block in zip(printed, printed[1:]):
            assert block["previous_hash"] == block_hash(last), block
            assert digest("last_proof", last, block["proof"]).startswith("0000"), block
    for walk in WALKS:
        for last, proof in zip(walk["proofs"], walk["proofs"][1:]):
            assert search("last_proof", {"proof": last}, walk["zeros"]) == proof, walk
    genesis = LECTURE_2[0]
    ids = [("lecture", "last_proof", zeros, genesis) for zeros in (4, 2, 5, 6)]
    ids += [("course", "last_block", 6, genesis), ("dvf", "last_proof_and_hash", 4, {"any": DVF_SHAPE})]
    shape = {"index": 1, "previous_hash": 1, "proof": 99}
    ids += [("lecture-1", "last_proof", 4, {"any": shape})]
    return {
        "lecture_1": {"currentChain": LECTURE_1, "length": len(LECTURE_1)},
        "lecture_2": {"chain": LECTURE_2, "length": len(LECTURE_2)},
        "hashes_1": [block_hash(block) for block in LECTURE_1],
        "hashes_2": [block_hash(block) for block in LECTURE_2],
        "walks": WALKS,
        "chain_ids": [
            {"name": name, "zeros": zeros, "id": chain_id(puzzle, zeros, genesis)}
            for name, puzzle, zeros, genesis in ids
        ],
    }


def mined(name, puzzle, zeros, genesis, length):
    chain = [genesis]
    while len(chain) < length:
        last = chain[-1]
        block = {
            "index": last["index"] + 1,
            "timestamp": 1562874886.654986 + len(chain),
            "transactions": [
                {"sender": "alice", "recipient": "bob", "amount": 1.5, "memo": "für dich \U0001f381"},
                {"sender": "0", "recipient": "carol", "amount": 1},
            ],
            "proof": search(puzzle, last, zeros),
            "previous_hash": block_hash(last),
        }
        chain.append(block)
    return {"name": name, "zeros": zeros, "chain": chain, "hashes": [block_hash(b) for b in chain]}


PROOFS = [0, -1, 99, 2**64, -(2**200), 10**1000, "", "007", "74581", "é", "\U0001f381", "\x00\x7f\n\"\\", "9" * 300]


def digests():
    cases = []
    for puzzle in PUZZLES:
        for last in PROOFS:
            parent = {"index": 7, "previous_hash": "x", "proof": last, "timestamp": 0, "note": "ü"}
            for proof in PROOFS:
                found = digest(puzzle, parent, proof)
                cases.append({"puzzle": puzzle, "last": last, "proof": proof, "digest": found})
    return cases


def work(number):
    """What a proof below a target stands for; 2^256 itself does not fit into 256 bits."""
    return f"{min(LIMIT // (number + 1), LIMIT - 1):064x}"


def targets():
    rng = random.Random(SEED)
    numbers = [LIMIT - 1 >> 4 * zeros for zeros in range(65)]
    numbers += [1, 2, 3, LIMIT - 2, LIMIT // 2, LIMIT // 2 - 1, LIMIT // 2 + 1, LIMIT // 3]
    numbers += [rng.getrandbits(rng.randint(1, 256)) for _ in range(300)]
    cases = []
    for number in numbers:
        zeros = [z for z in range(65) if LIMIT - 1 >> 4 * z == number]
        cases.append({"target": f"{number:064x}", "work": work(number), "zeros": zeros[0] if zeros else None})
    return cases


def rules():
    genesis = LECTURE_2[0]
    own = {"index": 1, "timestamp": 1505000000.25, "transactions": [], "proof": 100, "previous_hash": "1"}
    return {
        "chains": [
            mined("lecture", "last_proof", 4, genesis, 4),
            mined("course", "last_block", 4, genesis, 4),
            mined("course", "last_block", 6, genesis, 2),
            mined("dvf", "last_proof_and_hash", 4, own, 4),
        ],
        "digests": digests(),
        "targets": targets(),
    }


def write(name, value):
    # One case a line keeps changes readable.
    lines = []
    for key, part in value.items():
        if isinstance(part, list):
            text = "[\n" + ",\n".join(json.dumps(case) for case in part) + "\n]"
        else:
            text = json.dumps(part)
        lines.append(f"{json.dumps(key)}: {text}")
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write("lecture.json", lecture())
    write("rules.json", rules())
