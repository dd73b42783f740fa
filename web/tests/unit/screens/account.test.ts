import { describe, expect, it } from "vitest";
import { members, partyOf } from "../../../src/api/text";
import { readAccount } from "../../../src/screens/account/answer";
import {
  newer,
  readPage,
  rolesOf,
  tipConcerns,
  transactionConcerns,
  walked,
  type Trail,
} from "../../../src/screens/account/history";
import { entryOf } from "../../../src/screens/block/entry";

const HASH = "ab".repeat(32);
const place = (block: number, position: number): string =>
  `"block": ${block}, "hash": "${HASH}", "position": ${position}, "confirmations": 1, "id": "${HASH}"`;

describe("a page of an account's history", () => {
  it("has the roles that the node says, in one order, and amounts as they were written", () => {
    const page = readPage(
      `{"transactions": [
        {${place(7, 1)}, "timestamp": 12.5, "roles": ["uncounted", "sent"], "transaction": {"amount": 2.50, "recipient": "bob", "sender": "alice"}},
        {${place(7, 0)}, "timestamp": null, "roles": ["received", "sent"], "transaction": {"amount": 10000000000000000000000000, "recipient": "alice", "sender": "alice"}},
        {${place(6, 0)}, "roles": ["received", "mined"], "transaction": {"amount": 1, "recipient": "alice", "sender": "0"}}
      ], "next": "6-0", "indexed": {"index": 7, "hash": "${HASH}"}}`,
      "alice",
    );
    expect(page.rows.map(({ roles }) => roles)).toEqual([
      ["sent", "uncounted"],
      ["sent", "received"],
      ["mined"],
    ]);
    expect(page.rows.map(({ entry }) => entry.amount)).toEqual([
      "2.50",
      "10000000000000000000000000",
      "1",
    ]);
    expect(page.rows.map(({ time }) => time)).toEqual([12.5, null, null]);
    // Equal transactions have one id, and each its own row.
    expect(new Set(page.rows.map(({ key }) => key)).size).toBe(3);
    expect(page.next).toBe("6-0");
    expect(readPage('{"transactions": [], "next": null}', "alice")).toEqual({
      rows: [],
      next: null,
    });
  });

  it("has roles that follow from the payment where it is signed", () => {
    const of = (sender: string, recipient: string, isFirst = false) =>
      rolesOf(
        entryOf(`{"amount": 1, "recipient": "${recipient}", "sender": "${sender}"}`),
        "forge1a",
        isFirst,
      );
    expect(of("forge1a", "forge1b")).toEqual(["sent"]);
    expect(of("forge1b", "forge1a")).toEqual(["received"]);
    expect(of("forge1a", "forge1a")).toEqual(["sent", "received"]);
    expect(of("0", "forge1a")).toEqual(["mined"]);
    expect(of("0", "forge1a", true)).toEqual(["allotted"]);
  });
});

describe("the pages that a visitor goes through", () => {
  it("lead back the way they came, and to the newest from a page that was opened by its address", () => {
    let trail: Trail = walked([], null);
    expect(newer(trail)).toBeNull();
    for (const before of ["90-0", "80-0", "70-0"]) trail = walked(trail, before);
    expect(newer(trail)).toBe("80-0");
    trail = walked(trail, "80-0");
    expect(newer(trail)).toBe("90-0");
    trail = walked(trail, "90-0");
    expect(newer(trail)).toBeNull();
    // Forth again, by the browser's buttons too.
    trail = walked(trail, "80-0");
    expect(newer(trail)).toBe("90-0");
    expect(walked(trail, null)).toEqual([]);
    expect(newer(walked([], "70-0"))).toBeNull();
  });
});

describe("an account", () => {
  it("has sums of any length, below zero too", () => {
    const account = readAccount(
      members(
        `{"party": "alice", "balance": -20000000000000000000000011, "sent": 20000000000000000000000016, "received": 5, "mined": 0, "uncounted": 4, "transactions": 12, "blocks": 0, "last_block": null, "outgoing": [], "incoming": [{"id": "${HASH}", "waits": {"place": 1, "block": 3}, "transaction": {"amount": 1e2}}], "indexed": {"index": 2, "hash": "${HASH}"}}`,
      ),
    );
    expect(account.balance).toBe("-20000000000000000000000011");
    expect(account.open?.sent).toBe("20000000000000000000000016");
    expect(account.open?.lastBlock).toBeNull();
    expect(account.signed).toBeNull();
    expect(account.indexed).toBe(2);
    expect(account.incoming).toEqual([
      { id: HASH, waits: { place: 1, block: 3 }, text: '{"amount": 1e2}' },
    ]);
  });

  it("has nonces where payments are signed", () => {
    const account = readAccount(
      members(
        '{"party": "forge1a", "balance": 1000375000000, "nonce": 3, "next_nonce": 5, "transactions": 4, "uncounted": 0, "outgoing": [], "incoming": []}',
      ),
    );
    expect(account.signed).toEqual({ nonce: "3", nextNonce: "5" });
    expect([account.open, account.indexed]).toEqual([null, null]);
  });
});

describe("what concerns an account", () => {
  const tip = (miner: string | null, transactions: number) => ({
    index: 9,
    hash: HASH,
    previous_hash: HASH,
    work: HASH,
    miner,
    transactions,
  });

  it("is a block that it mined, that can have its payments, or that can have what waits", () => {
    expect(tipConcerns(tip("bob", 1), "alice", false)).toBe(false);
    expect(tipConcerns(tip("alice", 1), "alice", false)).toBe(true);
    expect(tipConcerns(tip("bob", 2), "alice", false)).toBe(true);
    expect(tipConcerns(tip("bob", 1), "alice", true)).toBe(true);
    // No miner is named where the name is long, and all coins of open chains come from "0".
    expect(tipConcerns(tip(null, 1), "alice", false)).toBe(true);
    expect(tipConcerns(tip("bob", 1), "0", false)).toBe(true);
  });

  it("is a transaction from it or to it, by the name that nodes give it", () => {
    const event = (sender: string, recipient: string): string =>
      `{"change": "entered", "id": null, "transaction": {"amount": 1, "recipient": ${recipient}, "sender": ${sender}}}`;
    expect(transactionConcerns(event('"alice"', '"bob"'), "alice")).toBe(true);
    expect(transactionConcerns(event('"alice"', '"bob"'), "bob")).toBe(true);
    expect(transactionConcerns(event('"alice"', '"bob"'), "carol")).toBe(false);
    expect(transactionConcerns(event("0", '"bob"'), "0")).toBe(true);
    expect(transactionConcerns(event('""', '"bob"'), "")).toBe(true);
    expect(transactionConcerns('{"change": "entered", "transaction": 5}', "")).toBe(false);
  });

  it("has a name that an address can say", () => {
    expect(partyOf('"bob"')).toBe("bob");
    expect(partyOf("12345")).toBe("12345");
    expect(partyOf('"\\ud83d\\ude00"')).toBe("\u{1f600}");
    // Half of a pair has no form in an address: nodes name the party by its text.
    expect(partyOf('"\\ud800lone"')).toBe('"\\ud800lone"');
  });
});
