import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as curve from "../../../src/rules/curve";
import { hashHex } from "../../../src/rules/hash";
import { climb, leafHash, rows } from "../../../src/rules/merkle";
import { idOf } from "../../../src/screens/block/id";
import { confirmationsOf, leftBlock, readAnswer } from "../../../src/screens/transaction/answer";
import {
  checkOpen,
  checkSealed,
  levelsOf,
  type Checked,
  type CheckId,
} from "../../../src/screens/transaction/proof";
import { vectorsOf } from "../rules/support";

interface Answers {
  readonly answer: string;
  readonly proof: string;
}

/** What a node of `blocksmith dev --chain forge` answered for a block of seven transactions. */
interface Recorded {
  readonly chainId: string;
  readonly addresses: string;
  readonly headers: string;
  readonly payment: Answers;
  readonly coin: Answers;
}

const recorded = JSON.parse(
  readFileSync(new URL("inclusion.json", import.meta.url), "utf8"),
) as Recorded;

function check(of: Answers, changed: Partial<Recorded & Answers & { text: string }> = {}): Checked {
  const all = { ...recorded, ...of, ...changed };
  const shown = readAnswer(of.answer);
  const block = shown.places[0]?.hash ?? "";
  const inclusion = { block, proof: all.proof, headers: all.headers };
  const text = all.text ?? shown.text;
  return checkSealed(all.chainId, all.addresses, shown.id, text, inclusion, curve);
}

const wrong = ({ checks }: Checked): CheckId[] =>
  checks.filter(({ state }) => state === "wrong").map(({ id }) => id);
/** Another hash that differs in one digit. */
const other = (hash: string): string => (hash.startsWith("0") ? "1" : "0") + hash.slice(1);

describe("the checks of a payment that a node has in a block", () => {
  it("hold, and the tree ends in the root of the header", () => {
    const { checks, levels } = check(recorded.payment);
    expect(checks.map(({ id, state }) => [id, state])).toEqual([
      ["id", "ok"],
      ["signature", "ok"],
      ["root", "ok"],
      ["hash", "ok"],
    ]);
    expect(levels).toHaveLength(4);
    expect(recorded.headers).toContain(levels[0]?.own);
    expect(levels[3]?.own).toBe(leafHash(readAnswer(recorded.payment.answer).text));
  });

  it("hold for a coin, which nobody signs, and which goes up without a sibling at first", () => {
    const { checks, levels } = check(recorded.coin);
    expect(checks.map(({ id, state }) => [id, state])).toEqual([
      ["id", "ok"],
      ["root", "ok"],
      ["hash", "ok"],
    ]);
    expect(levels.map(({ side }) => side)).toEqual(["alone", "right", "right", "alone"]);
  });

  it("name each lie", () => {
    const { payment, chainId, headers } = recorded;
    const { text, places } = readAnswer(payment.answer);
    const path = (JSON.parse(payment.proof) as { path: string[] }).path;
    expect(wrong(check(payment, { chainId: other(chainId) }))).toEqual(["id", "signature"]);
    expect(wrong(check(payment, { text: text.replace("250000000", "250000001") }))).toEqual([
      "id",
      "signature",
      "root",
    ]);
    const signature = /"signature": "(\w+)"/.exec(text)?.[1] ?? "";
    expect(wrong(check(payment, { text: text.replace(signature, other(signature)) }))).toEqual([
      "signature",
      "root",
    ]);
    for (const sibling of path) {
      const proof = payment.proof.replace(sibling, other(sibling));
      expect(wrong(check(payment, { proof }))).toEqual(["root"]);
    }
    const moved = payment.proof.replace('"position": 5', '"position": 4');
    expect(wrong(check(payment, { proof: moved }))).toEqual(["root"]);
    const short = payment.proof.replace(`"${path[0]}", `, "");
    expect(wrong(check(payment, { proof: short }))).toEqual(["root"]);
    const root = /"merkle_root": "(\w+)"/.exec(headers)?.[1] ?? "";
    expect(wrong(check(payment, { headers: headers.replace(root, other(root)) }))).toEqual([
      "root",
      "hash",
    ]);
    const nonce = headers.replace(/"proof": (\d+)/, '"proof": 1$1');
    expect(wrong(check(payment, { headers: nonce }))).toEqual(["hash"]);
    const none = '{"headers": [], "next": null}';
    expect(wrong(check(payment, { headers: none }))).toEqual(["root", "hash"]);
    const hash = places[0]?.hash ?? "";
    const answer = payment.answer.replace(hash, other(hash));
    expect(wrong(check({ ...payment, answer }))).toEqual(["hash"]);
  });

  it("leave a signature unchecked without the curve, and the block while it waits", () => {
    const { id, text } = readAnswer(recorded.payment.answer);
    const { chainId, addresses } = recorded;
    const { checks, levels } = checkSealed(chainId, addresses, id, text, null, undefined);
    expect(checks.map(({ state }) => state)).toEqual(["ok", "unknown"]);
    expect(levels).toEqual([]);
  });
});

describe("the id of a transaction that stands in a block", () => {
  it("is the one by which the node finds it", () => {
    for (const { answer } of [recorded.payment, recorded.coin]) {
      const { id, text } = readAnswer(answer);
      expect(idOf(text, recorded.chainId)).toBe(id);
      expect(idOf(text, null)).toBe(hashHex(text));
    }
    expect(idOf("{", null)).toBeNull();
  });
});

describe("the check of an open transaction", () => {
  it("is of its canonical text, with its numbers as they were written", () => {
    const text = '{"amount": 1.0, "recipient": "bob", "sender": "alice"}';
    expect(wrong(checkOpen(hashHex(text), text))).toEqual([]);
    expect(wrong(checkOpen(hashHex(text.replace("1.0", "1")), text))).toEqual(["id"]);
    expect(wrong(checkOpen(hashHex(text), "{"))).toEqual(["id"]);
  });
});

describe("the rows of the tree (tests/vectors/merkle.json)", () => {
  const { leaves, paths } = vectorsOf<{
    readonly leaves: readonly string[];
    readonly paths: readonly { position: number; leaves: number; path: readonly string[] }[];
  }>("merkle.json");
  const all = leaves.map((leaf) => new Uint8Array(Buffer.from(leaf, "hex")));

  it("have the hashes of the whole tree, each on its side", () => {
    for (const { position, leaves: count, path } of paths) {
      const list = all.slice(0, count);
      const leaf = list[position];
      if (leaf === undefined) throw new Error("no such leaf");
      const tree = rows(list);
      const levels = levelsOf(leafHash(leaf), climb(leaf, position, count, path) ?? []);
      expect(levels).toHaveLength(tree.length);
      for (const [at, { own, sibling, side }] of levels.entries()) {
        const height = tree.length - 1 - at;
        const place = Math.floor(position / 2 ** height);
        expect(own).toBe(tree[height]?.[place]);
        expect(sibling).toBe(tree[height]?.[place ^ 1] ?? null);
        expect(side).toBe(sibling === null ? "alone" : place % 2 === 1 ? "right" : "left");
      }
    }
    expect(paths.length).toBeGreaterThan(30);
  });
});

describe("where a transaction is", () => {
  const mined = readAnswer(recorded.payment.answer);
  const [place] = mined.places;
  if (place === undefined) throw new Error("it is in no block");

  it("is confirmed by its own block and those on top, and never by fewer than the node said", () => {
    expect(confirmationsOf({ ...place, block: 10, confirmations: 3 }, 12)).toBe(3);
    expect(confirmationsOf({ ...place, block: 10, confirmations: 3 }, 15)).toBe(6);
    expect(confirmationsOf({ ...place, block: 10, confirmations: 3 }, 11)).toBe(3);
  });

  it("was another block, if that one left the chain", () => {
    const waits = { ...mined, status: "queued" as const, places: [] };
    const moved = { ...mined, places: [{ ...place, hash: other(place.hash) }] };
    expect(leftBlock(mined, waits)).toEqual(place);
    expect(leftBlock(mined, moved)).toEqual(place);
    expect(leftBlock(waits, mined)).toBeNull();
    expect(leftBlock(mined, mined)).toBeNull();
    expect(leftBlock(null, mined)).toBeNull();
    // More confirmations are no other place.
    expect(leftBlock(mined, { ...mined, places: [{ ...place, confirmations: 9 }] })).toBeNull();
    expect(leftBlock(mined, { ...waits, id: other(mined.id) })).toBeNull();
  });

  it("is read with what waits", () => {
    const answer =
      '{"id": "ab", "status": "held", "places": [], "waits": {"place": null, "block": null, "why": "nonce", "nonce": 3}, "transaction": {"amount": 1.0}}';
    const { status, places, waits, entry } = readAnswer(answer);
    expect([status, places, waits?.why, waits?.nonce]).toEqual(["held", [], "nonce", 3]);
    expect(entry.amount).toBe("1.0");
  });
});
