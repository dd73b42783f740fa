"""The loop of the course's miners: ask, search from 0, submit, count coins."""

import argparse

import requests

from chain import rules


def options(chain):
    """The command line of a miner: `MINER.py [URL] [--zeros N] [--coins N] [--id NAME]`."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(chain=chain)
    parser.add_argument("node", nargs="?", default="http://localhost:5000")
    parser.add_argument("--zeros", type=int, help="leading zero hex digits of a proof's hash")
    parser.add_argument("--coins", type=int, help="stop after so many (default: never)")
    parser.add_argument("--id", default="student", help="who gets the coins, where a miner may say so")
    return parser.parse_args()


def mine(chosen, last_block, submission):
    """Mines until it has its coins.

    `last_block(node)` fetches as much of the last block as the work needs; `submission(proof)` is
    the body that hands a proof in.
    """
    work = rules(chosen.chain, chosen.zeros)
    coins = 0
    while coins != chosen.coins:
        last = last_block(chosen.node)
        print("Starting search for new proof", flush=True)
        proof = work.lowest_proof(last)
        print(f"Found new proof: {proof}", flush=True)
        message = requests.post(f"{chosen.node}/mine", json=submission(proof), timeout=60).json()["message"]
        if message == "New Block Forged":
            coins += 1
            print(f"Coins mined: {coins}", flush=True)
        else:
            print(message, flush=True)
