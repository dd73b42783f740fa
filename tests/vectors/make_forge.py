"""Writes forge.json: transactions of a forge chain, with the hashes and signatures that Python makes of them.

    python3 make_forge.py > forge.json

Only the standard library is used, and nothing of Blocksmith: JSON and SHA-256 are Python's, the curve is the reference
of BIP-340 in a few lines, and addresses are BIP-350's reference. It checks itself against bip340.csv first. A secret
key that is printed here is for tests alone.
"""

import csv
import json
import pathlib
from hashlib import sha256

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


# BIP-340


def tagged_hash(tag, message):
    tag = sha256(tag.encode()).digest()
    return sha256(tag + tag + message).digest()


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and a[1] != b[1]:
        return None
    if a == b:
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P) % P
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(point, factor):
    result = None
    while factor:
        if factor & 1:
            result = add(result, point)
        point = add(point, point)
        factor >>= 1
    return result


def lift_x(x):
    if x >= P:
        return None
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        return None
    return x, y if y % 2 == 0 else P - y


def number(data):
    return int.from_bytes(data, "big")


def to_bytes(value):
    return value.to_bytes(32, "big")


def public_key(secret):
    return to_bytes(times(G, secret)[0])


def sign(secret, message, aux=bytes(32)):
    point = times(G, secret)
    d = secret if point[1] % 2 == 0 else N - secret
    masked = to_bytes(d ^ number(tagged_hash("BIP0340/aux", aux)))
    k = number(tagged_hash("BIP0340/nonce", masked + to_bytes(point[0]) + message)) % N
    r = times(G, k)
    k = k if r[1] % 2 == 0 else N - k
    e = number(tagged_hash("BIP0340/challenge", to_bytes(r[0]) + to_bytes(point[0]) + message)) % N
    signature = to_bytes(r[0]) + to_bytes((k + e * d) % N)
    assert verify(to_bytes(point[0]), message, signature)
    return signature


def verify(key, message, signature):
    point = lift_x(number(key))
    r, s = number(signature[:32]), number(signature[32:])
    if point is None or r >= P or s >= N:
        return False
    e = number(tagged_hash("BIP0340/challenge", signature[:32] + key + message)) % N
    found = add(times(G, s), times(point, N - e))
    return found is not None and found[1] % 2 == 0 and found[0] == r


def check_bip340():
    with open(pathlib.Path(__file__).with_name("bip340.csv"), newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            key, message, signature = (bytes.fromhex(row[name]) for name in ("public key", "message", "signature"))
            assert verify(key, message, signature) == (row["verification result"] == "TRUE"), row
            if row["secret key"]:
                secret, aux = (bytes.fromhex(row[name]) for name in ("secret key", "aux_rand"))
                assert public_key(number(secret)) == key, row
                assert sign(number(secret), message, aux) == signature, row


# BIP-350

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


# What 24 zero bits cost: sixteen million tries on average.
BLOCK_PROOF = 4699544


def polymod(values):
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum


def address(hrp, key):
    padded = number(key) << 4
    data = [padded >> 5 * place & 31 for place in range(51, -1, -1)]
    expanded = [ord(char) >> 5 for char in hrp] + [0] + [ord(char) & 31 for char in hrp]
    checksum = polymod(expanded + data + [0] * 6) ^ 0x2BC830A3
    return hrp + "1" + "".join(ALPHABET[value] for value in data + [checksum >> 5 * (5 - i) & 31 for i in range(6)])


# The rules of forge


def canonical(value):
    return json.dumps(value, sort_keys=True)


def transaction_id(chain_id, unsigned):
    return tagged_hash("blocksmith/transaction", chain_id + canonical(unsigned).encode())


def payment(name, chain_id, secret, unsigned):
    signing_hash = transaction_id(chain_id, unsigned)
    signature = sign(secret, signing_hash)
    return {
        "name": name,
        "unsigned": canonical(unsigned),
        "id": signing_hash.hex(),
        "text": canonical({**unsigned, "signature": signature.hex()}),
    }


def coin(name, chain_id, value):
    return {"name": name, "id": transaction_id(chain_id, value).hex(), "text": canonical(value)}


def merkle_root(texts):
    """RFC 9162, 2.1.1."""
    if not texts:
        return sha256(b"").digest()
    if len(texts) == 1:
        return sha256(b"\x00" + texts[0].encode()).digest()
    half = 1 << (len(texts) - 1).bit_length() - 1
    return sha256(b"\x01" + merkle_root(texts[:half]) + merkle_root(texts[half:])).digest()


def seal(block):
    return sha256(canonical({k: block[k] for k in block if k not in ("proof", "transactions")}).encode()).hexdigest()


def block_id(block):
    return sha256(f"{seal(block)}{block['proof']}".encode()).hexdigest()


def chain(hrp, miner):
    """The chain `forge`, and a block on its genesis block."""
    genesis = {
        "index": 1,
        "merkle_root": merkle_root([]).hex(),
        "previous_hash": "0" * 64,
        "proof": 0,
        "target": "000000" + "f" * 58,
        "timestamp": 1767225600,
        "transactions": [],
    }
    rules = {
        "difficulty": {
            "asert": {"easiest": "0000" + "f" * 60, "half_life_s": 450, "longest_gap_s": 900, "spacing_s": 15}
        },
        "genesis": genesis,
        "max_block_bytes": 1_000_000,
        "puzzle": "seal",
        "spending": {
            "signed": {"addresses": hrp, "first_subsidy": 2_000_000_000, "halving_blocks": 2_100_000}
        },
    }
    coin = {"amount": 2_000_000_000, "nonce": 2, "recipient": miner, "sender": "0"}
    block = {
        "index": 2,
        "merkle_root": merkle_root([canonical(coin)]).hex(),
        "previous_hash": block_id(genesis),
        # The lowest.
        "proof": BLOCK_PROOF,
        "target": genesis["target"],
        "timestamp": 1767225615,
        "transactions": [coin],
    }
    assert block_id(block) <= block["target"], f"another proof is needed for {seal(block)}"
    return {
        "chain_id": tagged_hash("blocksmith/chain", canonical(rules).encode()).hex(),
        "genesis": canonical(genesis),
        "genesis_id": block_id(genesis),
        "block": canonical(block),
        "merkle_root": block["merkle_root"],
        "seal": seal(block),
        "id": block_id(block),
    }


def main():
    check_bip340()
    hrp = "forge"
    # Not that of any preset: its genesis block may change while these vectors stay.
    chain_id = sha256(b"a chain for vectors").digest()
    alice, bob = 0xA11CE, 0xB0B
    alice_key, bob_key = public_key(alice), public_key(bob)
    to_bob = {
        "amount": 150_000_000,
        "fee": 1000,
        "nonce": 0,
        "recipient": address(hrp, bob_key),
        "sender": address(hrp, alice_key),
    }
    largest = {**to_bob, "amount": 2**53 - 2, "fee": 1, "nonce": 2**53 - 1}
    memo = {**to_bob, "amount": 1, "fee": 0, "nonce": 1, "memo": "f\u00fcr dich \U0001f381 \"\\\n\x7f/"}
    long_memo = {**to_bob, "nonce": 2, "memo": "\u00fc" * 42 + "zz"}
    assert len(canonical(long_memo["memo"])) == 256
    herself = {**to_bob, "nonce": 3, "recipient": to_bob["sender"], "memo": ""}
    mined = {"amount": 2_000_001_000, "nonce": 2, "recipient": address(hrp, bob_key), "sender": "0"}
    vectors = {
        "source": "make_forge.py: BIP-340, BIP-350 and json.dumps(sort_keys=True) in Python",
        "hrp": hrp,
        "chain_id": chain_id.hex(),
        "keys": [
            {"name": name, "secret": to_bytes(secret).hex(), "key": key.hex(), "address": address(hrp, key)}
            for name, secret, key in (("alice", alice, alice_key), ("bob", bob, bob_key))
        ],
        "payments": [
            payment("Alice pays Bob", chain_id, alice, to_bob),
            payment("with a memo in every kind of character", chain_id, alice, memo),
            payment("with the longest memo", chain_id, alice, long_memo),
            payment("Alice pays herself, with an empty memo", chain_id, alice, herself),
            payment("the largest numbers", chain_id, alice, largest),
        ],
        "coins": [
            coin("of block 2, with a fee", chain_id, mined),
            coin("of nothing", chain_id, {**mined, "amount": 0, "nonce": 2**53 - 1}),
        ],
        "chain": chain(hrp, address(hrp, bob_key)),
    }
    print("{")
    fields = []
    for name, value in vectors.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join(json.dumps(element) for element in value) + "\n]"
        else:
            text = json.dumps(value)
        fields.append(f"{json.dumps(name)}: {text}")
    print(",\n".join(fields))
    print("}")


if __name__ == "__main__":
    main()
