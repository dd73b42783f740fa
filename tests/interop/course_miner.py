"""The miner of the course of autumn 2019: it works on the whole last block and says who it is."""

import requests

from miner import mine, options


def last_block(node):
    """The last block of the node."""
    return requests.get(f"{node}/last_block", timeout=60).json()["last_block"]


if __name__ == "__main__":
    chosen = options("course")
    mine(chosen, last_block, lambda proof: {"proof": proof, "id": chosen.id})
