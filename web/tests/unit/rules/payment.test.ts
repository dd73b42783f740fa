import { describe, expect, it } from "vitest";
import { hasSigned } from "../../../src/rules/curve";
import { canonical, parse, withFields, type Json } from "../../../src/rules/json";
import {
  draftFault,
  MAX_INTEGER,
  readEntry,
  signedText,
  subsidy,
  transactionId,
  unsignedText,
  type BadEntry,
} from "../../../src/rules/payment";
import { json, vectors, vectorsOf } from "./support";

interface Forge {
  readonly hrp: string;
  readonly chain_id: string;
  readonly payments: readonly { name: string; unsigned: string; id: string; text: string }[];
  readonly coins: readonly { name: string; id: string; text: string }[];
}

const FORGE = vectorsOf<Forge>("forge.json");
const { hrp, chain_id: chainId, payments, coins } = FORGE;

function first(): Json {
  return parse(payments[0]?.text ?? "");
}

function faultOf(value: Json): BadEntry["fault"] | undefined {
  const entry = readEntry(value, hrp);
  return entry.kind === "bad" ? entry.fault : undefined;
}

describe("payments (tests/vectors/forge.json)", () => {
  it("have their texts, ids and signatures", () => {
    for (const { name, unsigned, id, text } of payments) {
      const entry = readEntry(parse(text), hrp);
      if (entry.kind !== "payment") throw new Error(`${name}: ${JSON.stringify(entry)}`);
      expect(entry.unsigned, name).toBe(unsigned);
      expect(unsignedText(entry)).toBe(unsigned);
      expect(signedText(unsigned, entry.signature)).toBe(text);
      expect(canonical(parse(unsigned))).toBe(unsigned);
      expect(transactionId(chainId, unsigned)).toBe(id);
      expect(hasSigned(entry.senderKey, id, entry.signature)).toBe(true);
      // It is signed for one chain.
      const elsewhere = transactionId("00".repeat(32), unsigned);
      expect(hasSigned(entry.senderKey, elsewhere, entry.signature)).toBe(false);
    }
    expect(payments).toHaveLength(5);
  });

  it("that are coins have their ids", () => {
    for (const { id, text } of coins) {
      const coin = readEntry(parse(text), hrp);
      expect(coin.kind).toBe("coin");
      expect(coin.kind === "coin" && transactionId(chainId, coin.text)).toBe(id);
    }
    expect(coins).toHaveLength(2);
  });

  it("are refused with a field more, less, or not in its form", () => {
    const with_ = (name: string, value: string) => withFields(first(), { [name]: parse(value) });
    for (const name of ["amount", "fee", "nonce", "recipient", "sender", "signature"]) {
      expect(faultOf(withFields(first(), { [name]: undefined })), name).toBe("missing");
    }
    expect(faultOf(json([]))).toBe("not_an_object");
    expect(faultOf(with_("note", "1"))).toBe("unknown");
    for (const name of ["amount", "fee", "nonce"]) {
      for (const wrong of ["-1", "1.0", '"1"', "9007199254740992", "null", "1e3", "-0.0"]) {
        expect(faultOf(with_(name, wrong)), `${name} ${wrong}`).toBe("number");
      }
    }
    expect(faultOf(with_("amount", "0"))).toBe("number");
    expect(faultOf(with_("fee", "0"))).toBeUndefined();
    expect(faultOf(with_("amount", String(MAX_INTEGER)))).toBe("sum");
    expect(faultOf(with_("sender", "1"))).toBe("address");
    expect(faultOf(with_("recipient", '"forge1"'))).toBe("address");
    expect(faultOf(with_("memo", "1"))).toBe("memo");
    expect(faultOf(with_("memo", '"\\ud800"'))).toBe("memo");
    expect(faultOf(with_("memo", `"${"x".repeat(254)}"`))).toBeUndefined();
    expect(faultOf(with_("memo", `"${"x".repeat(255)}"`))).toBe("memo_too_long");
    expect(faultOf(with_("memo", `"${"ü".repeat(43)}"`))).toBe("memo_too_long");
    for (const wrong of ['"00"', "1", `"${"A".repeat(128)}"`, `"${"0".repeat(129)}"`]) {
      expect(faultOf(with_("signature", wrong)), wrong).toBe("signature");
    }
    // A coin has neither fee nor signature.
    expect(faultOf(with_("sender", '"0"'))).toBe("unknown");
  });

  it("are checked as drafts", () => {
    const draft = { sender: "a", recipient: "b", amount: 1n, fee: 0n, nonce: 0n };
    expect(draftFault(draft)).toBeUndefined();
    expect(draftFault({ ...draft, amount: 0n })?.field).toBe("amount");
    expect(draftFault({ ...draft, fee: -1n })?.field).toBe("fee");
    expect(draftFault({ ...draft, fee: MAX_INTEGER })?.fault).toBe("sum");
    expect(draftFault({ ...draft, memo: "\ud800" })?.fault).toBe("memo");
  });
});

it("BIP-340's vectors are signatures or not", () => {
  const rows = vectors("bip340.csv")
    .split(/\r?\n/)
    .filter((line) => /^\d/.test(line));
  for (const row of rows) {
    const [, , key, , message, signature, result] = row
      .split(",")
      .map((part) => part.toLowerCase());
    const found = hasSigned(key ?? "", message ?? "", signature ?? "");
    expect(found, row).toBe(result === "true");
  }
  expect(rows).toHaveLength(19);
  expect(hasSigned("", "", "")).toBe(false);
  expect(hasSigned("zz", "", "")).toBe(false);
});

it("the subsidy is halved, and ends", () => {
  const emission = { first: 2_000_000_000n, halving: 2_100_000n };
  for (const [index, expected] of [
    [1n, 0n],
    [2n, 2_000_000_000n],
    [2_100_001n, 2_000_000_000n],
    [2_100_002n, 1_000_000_000n],
    [2n + 30n * 2_100_000n, 1n],
    [2n + 31n * 2_100_000n, 0n],
    [2n ** 53n, 0n],
  ] as const) {
    expect(subsidy(emission, index)).toBe(expected);
  }
});
