"""The three chains of the course: what is hashed, what is valid, and one node's memory of it.

The rule sets differ in three facts (`Rules`); everything else here is the same for all of them.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Callable


def canonical(value):
    """The one text of a JSON value that everybody hashes."""
    return json.dumps(value, sort_keys=True)


def block_hash(block):
    """SHA-256 of the block's canonical text, in hex."""
    return hashlib.sha256(canonical(block).encode()).hexdigest()


def lecture_genesis():
    """The first block of `lecture` and `course`: the same on every node."""
    return {"index": 1, "timestamp": 0, "transactions": [], "proof": 99, "previous_hash": None}


def dvf_genesis():
    """The first block of a `dvf` node: stamped with the moment when the node started."""
    return {"index": 1, "timestamp": time.time(), "transactions": [], "proof": 100, "previous_hash": "1"}


def is_dvf_genesis(block):
    """Whether a block has the shape of a `dvf` genesis, whatever its timestamp."""
    return (block["index"], block["proof"], block["previous_hash"]) == (1, 100, "1")


@dataclass(frozen=True)
class Rules:
    """What tells the rule sets apart."""

    name: str
    zeros: int  # leading zero hex digits that a proof's hash needs
    new_genesis: Callable[[], dict]
    is_genesis: Callable[[dict], bool]
    around: Callable[[dict], tuple[str, str]]  # last block -> the texts before and after the proof

    def valid_proof(self, last_block, proof):
        """Whether `proof` may follow `last_block`."""
        before, after = self.around(last_block)
        return self._is_work(f"{before}{proof}{after}")

    def lowest_proof(self, last_block):
        """The first valid proof, counted up from 0."""
        before, after = self.around(last_block)
        proof = 0
        while not self._is_work(f"{before}{proof}{after}"):
            proof += 1
        return proof

    def valid_next(self, last_block, block):
        """Whether `block` may follow `last_block`: its index, its link and its proof."""
        return (
            block["index"] == last_block["index"] + 1
            and block["previous_hash"] == block_hash(last_block)
            and self.valid_proof(last_block, block["proof"])
        )

    def valid_chain(self, chain):
        """Whether every block of `chain` may be where it is."""
        return self.is_genesis(chain[0]) and all(map(self.valid_next, chain, chain[1:]))

    def forge(self, chain, transactions=(), proof=None):
        """A new block for the end of `chain`; it finds the proof unless it is given one."""
        return {
            "index": len(chain) + 1,
            "timestamp": time.time(),
            "transactions": list(transactions),
            "proof": self.lowest_proof(chain[-1]) if proof is None else proof,
            "previous_hash": block_hash(chain[-1]),
        }

    def grown(self, blocks, chain=None, recipient="somebody"):
        """A valid chain that has `blocks` blocks more than `chain` (or than a genesis)."""
        chain = list(chain or [self.new_genesis()])
        for _ in range(blocks):
            chain.append(self.forge(chain, [reward(recipient)]))
        return chain

    def _is_work(self, text):
        return hashlib.sha256(text.encode()).hexdigest().startswith("0" * self.zeros)


def rules(name, zeros=None):
    """The rule set of that name, with its own number of zeros or with `zeros`."""
    fixed = {"new_genesis": lecture_genesis, "is_genesis": lambda block: canonical(block) == canonical(lecture_genesis())}
    preset = {
        "lecture": Rules("lecture", 4, **fixed, around=lambda last: (str(last["proof"]), "")),
        "course": Rules("course", 6, **fixed, around=lambda last: (canonical(last), "")),
        "dvf": Rules("dvf", 4, dvf_genesis, is_dvf_genesis, lambda last: (str(last["proof"]), block_hash(last))),
    }[name]
    return preset if zeros is None else Rules(name, zeros, preset.new_genesis, preset.is_genesis, preset.around)


def reward(recipient):
    """The coin of a block, from nobody ("0") to who found the proof."""
    return {"sender": "0", "recipient": recipient, "amount": 1}
