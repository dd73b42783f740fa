#!/usr/bin/env python3
"""Writes keystore.json: wallet files, made straight from RFC 9106 and RFC 8439 and nothing else.

Argon2id, ChaCha20 and Poly1305 are written out here, slowly, and checked on the RFCs' own vectors
before anything is written.
"""

import base64
import hashlib
import json
import pathlib
import struct
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
M64 = 2**64 - 1
M32 = 2**32 - 1


def le32(number):
    return struct.pack("<I", number)


def long_hash(length, data):
    """RFC 9106, 3.3: H' of any length."""
    data = le32(length) + data
    if length <= 64:
        return hashlib.blake2b(data, digest_size=length).digest()
    out, block = b"", hashlib.blake2b(data).digest()
    while length - len(out) > 64:
        out += block[:32]
        rest = length - len(out)
        block = hashlib.blake2b(block, digest_size=min(64, rest)).digest()
    return out + block


def mix(v, a, b, c, d):
    """RFC 9106, 3.6: GB."""
    for first, second in ((32, 24), (16, 63)):
        v[a] = (v[a] + v[b] + 2 * (v[a] & M32) * (v[b] & M32)) & M64
        v[d] ^= v[a]
        v[d] = (v[d] >> first | v[d] << (64 - first)) & M64
        v[c] = (v[c] + v[d] + 2 * (v[c] & M32) * (v[d] & M32)) & M64
        v[b] ^= v[c]
        v[b] = (v[b] >> second | v[b] << (64 - second)) & M64


def permute(block, places):
    v = [block[place] for place in places]
    for at in range(4):
        mix(v, at, 4 + at, 8 + at, 12 + at)
    for at in range(4):
        mix(v, at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4)
    for place, word in zip(places, v):
        block[place] = word


def compress(x, y):
    """RFC 9106, 3.5: G, on blocks of 128 words."""
    r = [a ^ b for a, b in zip(x, y)]
    z = r[:]
    for row in range(8):
        permute(z, range(16 * row, 16 * row + 16))
    for column in range(8):
        permute(z, [16 * row + 2 * column + half for row in range(8) for half in (0, 1)])
    return [a ^ b for a, b in zip(r, z)]


def argon2id(password, salt, memory_kib, passes, lanes, length, secret=b"", data=b""):
    """RFC 9106, 3.2."""
    first = hashlib.blake2b(
        b"".join(map(le32, (lanes, length, memory_kib, passes, 0x13, 2)))
        + b"".join(le32(len(part)) + part for part in (password, salt, secret, data))
    ).digest()
    columns = memory_kib // (4 * lanes) * 4
    segment = columns // 4
    words = lambda data: list(struct.unpack("<128Q", data))
    blocks = [[None] * columns for _ in range(lanes)]
    for lane in range(lanes):
        for column in range(2):
            blocks[lane][column] = words(long_hash(1024, first + le32(column) + le32(lane)))
    for turn in range(passes):
        for part in range(4):
            for lane in range(lanes):
                addresses, counter = None, 0
                for index in range(segment):
                    if turn == 0 and part < 2 and index % 128 == 0:
                        counter += 1
                        wish = [turn, lane, part, columns * lanes, passes, 2, counter] + [0] * 121
                        addresses = compress([0] * 128, compress([0] * 128, wish))
                    column = part * segment + index
                    if turn == 0 and column < 2:
                        continue
                    previous = blocks[lane][column - 1]
                    pseudo = addresses[index % 128] if turn == 0 and part < 2 else previous[0]
                    j1, j2 = pseudo & M32, pseudo >> 32
                    other = lane if turn == 0 and part == 0 else j2 % lanes
                    area = part * segment if turn == 0 else columns - segment
                    if other == lane:
                        area += index - 1
                    elif index == 0:
                        area -= 1
                    back = area * (j1 * j1 >> 32) >> 32
                    start = 0 if turn == 0 or part == 3 else (part + 1) * segment
                    referred = blocks[other][(start + area - 1 - back) % columns]
                    new = compress(previous, referred)
                    if turn:
                        new = [a ^ b for a, b in zip(new, blocks[lane][column])]
                    blocks[lane][column] = new
    last = blocks[0][-1]
    for lane in range(1, lanes):
        last = [a ^ b for a, b in zip(last, blocks[lane][-1])]
    return long_hash(length, struct.pack("<128Q", *last))


def chacha20_block(key, counter, nonce):
    """RFC 8439, 2.3."""
    state = list(struct.unpack("<4I8II3I", b"expand 32-byte k" + key + le32(counter) + nonce))
    v = state[:]

    def quarter(a, b, c, d):
        for x, y, z, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            v[x] = (v[x] + v[y]) & M32
            v[z] ^= v[x]
            v[z] = (v[z] << by | v[z] >> (32 - by)) & M32

    for _ in range(10):
        for at in range(4):
            quarter(at, 4 + at, 8 + at, 12 + at)
        for at in range(4):
            quarter(at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4)
    return struct.pack("<16I", *((a + b) & M32 for a, b in zip(v, state)))


def encrypt(key, nonce, text, data):
    """RFC 8439, 2.8: the ciphertext, and its tag behind it."""
    out = b""
    for at in range(0, len(text), 64):
        stream = chacha20_block(key, 1 + at // 64, nonce)
        out += bytes(a ^ b for a, b in zip(text[at : at + 64], stream))
    pad = lambda part: part + bytes(-len(part) % 16)
    message = pad(data) + pad(out) + struct.pack("<QQ", len(data), len(out))
    one_time = chacha20_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    tag = (total + int.from_bytes(one_time[16:32], "little")) % 2**128
    return out + tag.to_bytes(16, "little")


def check_rfcs():
    # RFC 9106, 5.3.
    found = argon2id(b"\1" * 32, b"\2" * 16, 32, 3, 4, 32, secret=b"\3" * 8, data=b"\4" * 12)
    assert found.hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    # RFC 8439, 2.8.2.
    text = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    found = encrypt(
        bytes(range(0x80, 0xA0)),
        bytes.fromhex("070000004041424344454647"),
        text,
        bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
    )
    assert found[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
    assert found.hex().startswith("d31a8d34648e60db7b86afbc53ef7ec2")


def nfkd(text):
    return unicodedata.normalize("NFKD", text).encode()


def base64_of(data):
    return base64.b64encode(data).decode()


def canonical(value):
    return json.dumps(value, sort_keys=True)


def case(password, entropy, passphrase, labels, memory_kib, passes, lanes, salt, nonce):
    inside = {
        "entropy": base64_of(entropy),
        "labels": labels,
        "passphrase": base64_of(nfkd(passphrase)),
    }
    inside = json.dumps(inside, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    file = {
        "cipher": "chacha20poly1305",
        "format": "blocksmith-wallet",
        "kdf": "argon2id",
        "lanes": lanes,
        "memory_kib": memory_kib,
        "nonce": base64_of(nonce),
        "passes": passes,
        "salt": base64_of(salt),
        "version": 1,
    }
    key = argon2id(nfkd(password), salt, memory_kib, passes, lanes, 32)
    file["ciphertext"] = base64_of(encrypt(key, nonce, inside, canonical(file).encode()))
    file["checksum"] = hashlib.sha256(canonical(file).encode()).hexdigest()
    return {
        "password": password,
        "entropy": entropy.hex(),
        "passphrase": passphrase,
        "labels": labels,
        "memory_kib": memory_kib,
        "passes": passes,
        "lanes": lanes,
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "file": canonical(file) + "\n",
    }


def main():
    check_rfcs()
    cases = [
        case("open sesame", bytes(range(16)), "", [""], 8, 1, 1, bytes(range(16)), bytes(12)),
        # An accent and a ligature that NFKD takes apart, and labels that JSON escapes.
        case(
            "caf\u00e9 \ufb01",
            bytes(range(32)),
            "na\u00efve",
            ["", "rent", 'a "quote" \\ zo\u00eb \U0001f528'],
            67,
            3,
            2,
            b"sixteen of salt.",
            b"twelve bytes",
        ),
    ]
    text = json.dumps({"source": "make_keystore.py, from RFC 9106 and RFC 8439", "cases": cases}, indent=1)
    (HERE / "keystore.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
