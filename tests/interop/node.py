"""What every Python node of the course has in common: its chain, its queue, its peers, its options.

It is one process with one thread. While it calls a peer it answers nobody: that is how the
course's nodes are, and what the nodes that meet them have to live with.
"""

import argparse
import sys
import uuid

import requests

from chain import reward, rules


class Node:
    """A chain, the transactions that wait for the next block, and the addresses of peers."""

    def __init__(self, options):
        self.rules = rules(options.chain, options.zeros)
        self.chain = [self.rules.new_genesis()]
        self.queue = []
        self.peers = set()
        self.id = uuid.uuid4().hex
        self.options = options
        self.register(options.peer)

    @property
    def last_block(self):
        """The tip of the chain."""
        return self.chain[-1]

    def register(self, addresses):
        """Remembers peers; of `http://host:port/` only host and port count."""
        self.peers.update(address.split("://")[-1].split("/")[0] for address in addresses)

    def add_transaction(self, sender, recipient, amount):
        """Queues a transaction; the index of the block that will hold it."""
        self.queue.append({"sender": sender, "recipient": recipient, "amount": amount})
        return self.last_block["index"] + 1

    def forge(self, proof, recipient):
        """Ends the chain with a new block: the queue, and then the coin."""
        block = self.rules.forge(self.chain, [*self.queue, reward(recipient)], proof)
        self.queue = []
        self.chain.append(block)
        return block

    def accept(self, block):
        """Takes a peer's block when it follows our last one."""
        if not self.rules.valid_next(self.last_block, block):
            return False
        self.chain.append(block)
        return True

    def broadcast(self, block):
        """Tells each peer in turn of a new block, and waits for each answer."""
        for peer in self.peers:
            self._call("POST", peer, self.options.push, json={"block": block})

    def resolve(self):
        """Asks each peer for its chain and takes the longest valid one, if it is longer than ours."""
        ours = self.chain
        for peer in self.peers:
            answer = self._call("GET", peer, "/chain")
            try:
                chain = answer.json()["chain"]
                if len(chain) > len(self.chain) and self.rules.valid_chain(chain):
                    self.chain = chain
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                print(f"{peer} has no chain for us: {error}", file=sys.stderr)
        return self.chain is not ours

    def _call(self, method, peer, path, **more):
        try:
            return requests.request(method, f"http://{peer}{path}", timeout=self.options.timeout, **more)
        except requests.RequestException as error:
            print(f"{peer} did not answer {method} {path}: {type(error).__name__}", file=sys.stderr)
            return None


def forged(block):
    """What a node tells whoever mined `block`: the message, and the block without its timestamp."""
    return {"message": "New Block Forged"} | {key: value for key, value in block.items() if key != "timestamp"}


def options(chain, push=None, routes=()):
    """The command line that every node understands: `NODE.py [PORT] [--zeros N] …`."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(chain=chain)
    parser.add_argument("port", nargs="?", type=int, default=5000, help="0: any free one")
    parser.add_argument("--zeros", type=int, help="leading zero hex digits of a proof's hash")
    parser.add_argument("--threaded", action="store_true", help="answer while calling a peer")
    parser.add_argument("--peer", action="append", default=[], help="a node to know from the start")
    parser.add_argument("--timeout", type=float, default=3, help="seconds for a peer's answer (the notes wait for ever)")
    if push:
        parser.add_argument("--push", default=push, help="where peers take new blocks")
        parser.add_argument("--routes", nargs="+", default=list(routes), help="where this node takes new blocks")
        parser.add_argument("--naive", action="store_true", help="on a block that does not fit, ask peers first and answer then")
    return parser.parse_args()


def run(app, chosen):
    """Serves on loopback; Flask prints the address."""
    app.run(host="127.0.0.1", port=chosen.port, threaded=chosen.threaded)
