#!/usr/bin/env python3
"""Writes merkle.json: the reference roots of Certificate Transparency, checked here, and all paths to them."""

import hashlib
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = "Leaves and roots (of the first 0 to 8 leaves): Certificate Transparency's reference tests, for RFC 6962"
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def sha256(data):
    return hashlib.sha256(data).digest()


def split(leaves):
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return leaves[:k], leaves[k:]


def root(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0])
    left, right = split(leaves)
    return sha256(b"\1" + root(left) + root(right))


def path(position, leaves):
    if len(leaves) == 1:
        return []
    left, right = split(leaves)
    if position < len(left):
        return path(position, left) + [root(right).hex()]
    return path(position - len(left), right) + [root(left).hex()]


if __name__ == "__main__":
    leaves = [bytes.fromhex(leaf) for leaf in LEAVES]
    assert [root(leaves[:count]).hex() for count in range(9)] == ROOTS
    cases = [
        {"position": position, "leaves": count, "path": path(position, leaves[:count])}
        for count in range(1, 9)
        for position in range(count)
    ]
    lines = [f'"source": {json.dumps(SOURCE)}', f'"leaves": {json.dumps(LEAVES)}']
    lines.append('"roots": [\n' + ",\n".join(map(json.dumps, ROOTS)) + "\n]")
    lines.append('"paths": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]")
    (HERE / "merkle.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
