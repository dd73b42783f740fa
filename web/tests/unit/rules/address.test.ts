import { bech32m } from "@scure/base";
import { describe, expect, it } from "vitest";
import { addressOf, readAddress, readTyped, type AddressFault } from "../../../src/rules/address";
import { isPublicKey } from "../../../src/rules/curve";
import { Random, vectorsOf } from "./support";

interface Bip350 {
  readonly valid: readonly string[];
  readonly invalid: readonly { readonly prefix_byte: string | null; readonly text: string }[];
}

interface Keys {
  readonly keys: readonly { readonly key: string; readonly address: string }[];
}

const GENERATOR = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const ALICE = "forge10xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq49wxpx";

function faultOf(text: string, read = readTyped): AddressFault | undefined {
  const found = read(text, "forge");
  return found.ok ? undefined : found.fault;
}

describe("BIP-350's vectors", () => {
  const { valid, invalid } = vectorsOf<Bip350>("bip350.json");

  it("are taken and refused by the library", () => {
    for (const text of valid) {
      expect(bech32m.decodeUnsafe(text, 90), text).toBeDefined();
      expect(readAddress(text, "forge").ok).toBe(false);
    }
    for (const { prefix_byte, text } of invalid) {
      const whole = (prefix_byte === null ? "" : String.fromCharCode(Number(prefix_byte))) + text;
      expect(bech32m.decodeUnsafe(whole, 90), whole).toBeUndefined();
      expect(readAddress(whole, "forge").ok).toBe(false);
    }
    expect([valid.length, invalid.length]).toEqual([7, 14]);
  });
});

describe("an address", () => {
  it("is read as it was written", () => {
    const { keys } = vectorsOf<Keys>("forge.json");
    for (const { key, address } of [...keys, { key: GENERATOR, address: ALICE }]) {
      expect(addressOf(key, "forge")).toBe(address);
      expect(readAddress(address, "forge")).toEqual({ ok: true, address, key });
      expect(isPublicKey(key)).toBe(true);
    }
    for (const hrp of ["z".repeat(31), "1a1", "1"]) {
      const address = addressOf(GENERATOR, hrp);
      expect(readAddress(address, hrp)).toEqual({ ok: true, address, key: GENERATOR });
    }
    expect(addressOf(GENERATOR, "z".repeat(31))).toHaveLength(90);
  });

  it("is taken from people in capitals, with its scheme, and with blanks in it", () => {
    const wants = { ok: true, address: ALICE, key: GENERATOR };
    for (const typed of [
      ALICE,
      ALICE.toUpperCase(),
      `forge:${ALICE}`,
      `FORGE:${ALICE.toUpperCase()}`,
      `Forge:${ALICE}`,
      ` ${ALICE.slice(0, 20)}\r\n\t${ALICE.slice(20)}\u00a0\u200b\ufeff`,
    ]) {
      expect(readTyped(typed, "forge"), typed).toEqual(wants);
    }
    // In a block it has one form.
    expect(faultOf(ALICE.toUpperCase(), readAddress)).toBe("upper_case");
    expect(faultOf(`forge:${ALICE}`, readAddress)).toBe("prefix");
  });

  it("is refused with what is wrong", () => {
    for (const [typed, fault] of [
      [`forge:${ALICE}?amount=1`, "query"],
      [`${ALICE}#x`, "query"],
      [ALICE.replace("x", "X"), "mixed_case"],
      [addressOf(GENERATOR, "dev"), "another_chain"],
      ["dev1qqqq", "prefix"],
      ["", "prefix"],
      [ALICE.slice(0, -1), "length"],
      [`${ALICE}q`, "length"],
      [ALICE.replace("x", "b"), "character"],
      [ALICE.replace("k", "\u212a"), "character"],
      [ALICE.replace("x", "z"), "checksum"],
    ] as const) {
      expect(faultOf(typed), typed).toBe(fault);
    }
    const words = bech32m.decode(ALICE as `${string}1${string}`, 90).words;
    const padded = bech32m.encode("forge", [...words.slice(0, -1), (words.at(-1) ?? 0) | 1], 90);
    expect(faultOf(padded)).toBe("padding");
    expect(faultOf(bech32m.encode("forge", [...words, 0], 90))).toBe("length");
    expect(readAddress(ALICE.replace("x", "b"), "forge")).toMatchObject({ at: 8, found: "b" });
    expect(readTyped(addressOf(GENERATOR, "dev"), "forge")).toMatchObject({ found: "dev" });
  });

  it("with up to four slips is noticed", () => {
    const random = new Random(350);
    const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    for (let round = 0; round < 20_000; round++) {
      const chars = [...ALICE];
      for (let slip = 0; slip <= random.below(4); slip++) {
        chars[6 + random.below(58)] = random.of([...letters]);
      }
      const typed = chars.join("");
      if (typed !== ALICE) expect(faultOf(typed), typed).toBe("checksum");
    }
  });

  it("has no key if the curve has no such point", () => {
    const off = "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34";
    const tooLarge = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc30";
    expect([off, tooLarge, "0".repeat(64)].map(isPublicKey)).toEqual([false, false, false]);
  });
});
