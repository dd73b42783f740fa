import { sha256 } from "@noble/hashes/sha2.js";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { addressOf } from "../../../src/rules/address";
import { openHash, readBlock, type SealedBlock } from "../../../src/rules/block";
import { chainIdOf } from "../../../src/rules/chain-id";
import { readStatus } from "../../../src/rules/chain-rules";
import * as curve from "../../../src/rules/curve";
import { bytesToHex, utf8ToBytes } from "../../../src/rules/hash";
import { firstState, stateAfter, targetAfter } from "../../../src/rules/difficulty";
import { meets, targetOf, targetOfZeros, targetText } from "../../../src/rules/job";
import {
  canonical,
  elements,
  field,
  parse,
  text,
  withFields,
  type Json,
} from "../../../src/rules/json";
import { rootOf } from "../../../src/rules/merkle";
import { subsidy } from "../../../src/rules/payment";
import {
  earlierId,
  parentId,
  verify,
  wanted,
  type Check,
  type CheckId,
  type Evidence,
} from "../../../src/rules/verify";
import { forgeChain, Key, type Answers } from "./forge";
import { get, json, program, Random, vectors } from "./support";

/** An x coordinate that no point of the curve has, from BIP-340's vectors. */
const OFF_CURVE = "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34";

/** What a reader asks for to check the block with this index, which it asked for by index. */
function evidenceOf({ status, blocks }: Answers, index: number): Evidence {
  const rules = readStatus(status)?.rules;
  if (rules === undefined) throw new Error(status);
  const { parent, earlier, genesis } = wanted(rules, BigInt(index));
  const at = (index: bigint | undefined) =>
    index === undefined ? undefined : blocks.get(Number(index));
  return {
    status,
    block: blocks.get(index) ?? "",
    parent: at(parent),
    earlier: at(earlier),
    genesis: at(genesis),
    child: blocks.get(index + 1),
    asked: { index: BigInt(index) },
  };
}

function inState(checks: readonly Check[], state: Check["state"]): readonly CheckId[] {
  return checks.filter((check) => check.state === state).map(({ id }) => id);
}

function wrongs(evidence: Evidence): readonly CheckId[] {
  return inState(verify(evidence, curve), "wrong");
}

/** The answer with another value for its block. */
function withBlock(answer: string, change: (block: Json) => Json): string {
  const whole = parse(answer);
  return canonical(withFields(whole, { block: change(get(whole, "block")) }));
}

/** All values that differ from this one in one place; `salt` chooses how. */
function* changed(value: Json, random: Random): Generator<{ where: string; value: Json }> {
  switch (value.kind) {
    case "null":
      yield { where: "", value: json(0) };
      break;
    case "bool":
      yield { where: "", value: json(!value.value) };
      break;
    case "int":
      for (const by of [1n, -1n, BigInt(1 + random.below(1_000_000))]) {
        yield { where: "", value: parse(String(BigInt(value.text) + by)) };
      }
      yield { where: "", value: parse(`${value.text}.0`) };
      break;
    case "float":
      yield { where: "", value: json(Number(value.text) + 1) };
      break;
    case "string": {
      const at = random.below(value.value.length + 1);
      const digit = random.of([..."0123456789abcdef"].filter((digit) => digit !== value.value[at]));
      yield {
        where: "",
        value: json(value.value.slice(0, at) + digit + value.value.slice(at + 1)),
      };
      yield { where: "", value: json(`${value.value} `) };
      break;
    }
    case "array":
      for (const [at, inner] of value.elements.entries()) {
        for (const { where, value: other } of changed(inner, random)) {
          yield { where: `[${at}]${where}`, value: list(value.elements.with(at, other)) };
        }
        yield { where: `[${at}] missing`, value: list(value.elements.toSpliced(at, 1)) };
        yield { where: `[${at}] twice`, value: list(value.elements.toSpliced(at, 0, inner)) };
        const last = value.elements.at(-1);
        if (last !== undefined && canonical(last) !== canonical(inner)) {
          const moved = value.elements.with(at, last).with(-1, inner);
          yield { where: `[${at}] moved`, value: list(moved) };
        }
      }
      break;
    case "object":
      for (const [name, inner] of value.members) {
        for (const { where, value: other } of changed(inner, random)) {
          yield { where: `.${name}${where}`, value: withFields(value, { [name]: other }) };
        }
        yield { where: `.${name} missing`, value: withFields(value, { [name]: undefined }) };
      }
      yield { where: " one field more", value: withFields(value, { extra: json(1) }) };
      break;
  }
}

function list(elements: readonly Json[]): Json {
  return { kind: "array", elements };
}

describe.skipIf(program() === undefined)(
  "blocks of a forge node (cargo build, or set BLOCKSMITH)",
  () => {
    let answers: Answers;
    beforeAll(async () => {
      answers = await forgeChain(program() ?? "");
    }, 60_000);

    const answer = (index: number) => answers.blocks.get(index) ?? "";
    const sealed = (raw: string): SealedBlock => {
      const block = readBlock("sealed", get(parse(raw), "block"));
      if (block.family !== "sealed") throw new Error(raw);
      return block;
    };

    it("pass every check, each computed from what it shows", () => {
      for (const index of answers.blocks.keys()) {
        const checks = verify(evidenceOf(answers, index), curve);
        expect(inState(checks, "wrong"), String(index)).toEqual([]);
        // Nobody has made the block after the last one.
        expect(inState(checks, "unknown")).toEqual(index === 9 ? ["next"] : []);
        for (const { id, expected, found, fault } of checks) {
          if (id !== "proof" && expected !== undefined) expect(found).toBe(expected);
          expect(fault).toBeUndefined();
        }
      }
      const payments = sealed(answer(5)).transactions;
      expect(payments).toHaveLength(4);
    });

    it("have the targets that follow from their parents, to the last digit where a second shows", () => {
      const first = sealed(answer(1));
      const rules = readStatus(answers.status)?.rules;
      if (rules?.family !== "sealed") throw new Error("a sealed chain");
      let state = firstState(first.target, first.timestamp);
      for (let index = 2; index <= 9; index++) {
        const evidence = evidenceOf(answers, index);
        const by = { ...evidence, state };
        expect(verify(by, curve).find(({ id }) => id === "target")?.state).toBe("ok");
        const exact = verify(evidence).find(({ id }) => id === "target");
        expect(exact?.expected).toBe(
          targetText(targetAfter(rules.difficulty, first.target, state)),
        );
        state = stateAfter(rules.difficulty, first.target, state, sealed(answer(index)).timestamp);
      }
    });

    it("turn red for each lie in one place of the answer", () => {
      const random = new Random(15);
      let lies = 0;
      for (const index of [1, 2, 5, 9]) {
        const evidence = evidenceOf(answers, index);
        for (const { where, value } of changed(parse(answer(index)), random)) {
          // A field of the answer that a later node may add is no lie about the block, and which chain is
          // the best one is the node's word.
          if (where === " one field more" || where.startsWith(".best")) continue;
          const found = wrongs({ ...evidence, block: canonical(value) });
          expect(found, `block ${index}${where}: ${canonical(value).slice(0, 300)}`).not.toEqual(
            [],
          );
          lies++;
        }
      }
      expect(lies).toBeGreaterThan(300);
    });

    it("turn red at the check that the lie is about", () => {
      const evidence = evidenceOf(answers, 5);
      const set = (fields: Record<string, Json>) => ({
        ...evidence,
        block: withBlock(answer(5), (block) => withFields(block, fields)),
      });
      const block = sealed(answer(5));
      const pays = (at: number, fields: Record<string, Json | undefined>) =>
        set({
          transactions: list(
            block.transactions.map((value, place) =>
              place === at ? withFields(value, fields) : value,
            ),
          ),
        });
      const stated = { ...evidence, block: answer(5).replace(/"hash": "../, '"hash": "ff') };
      const bob = new Key(0xb0b).address;
      for (const [name, lie, ...expected] of [
        ["hash", stated, "hash"],
        [
          "index of the answer",
          { ...evidence, block: answer(5).replace('"index": 5', '"index": 6') },
          "index",
        ],
        ["index", set({ index: json(6) }), "hash", "index", "proof", "coin", "next"],
        [
          "previous hash",
          set({ previous_hash: json("0".repeat(64)) }),
          "hash",
          "previous",
          "proof",
          "next",
        ],
        ["proof", set({ proof: json(1) }), "hash", "proof", "next"],
        ["target", set({ target: json("f".repeat(64)) }), "hash", "target", "next"],
        ["time", set({ timestamp: json(1) }), "hash", "proof", "time", "next"],
        [
          "Merkle root",
          set({ merkle_root: json("0".repeat(64)) }),
          "hash",
          "proof",
          "merkle",
          "next",
        ],
        ["amount", pays(0, { amount: json(7) }), "merkle", "signatures"],
        [
          "recipient",
          pays(0, { recipient: get(block.transactions[0] ?? json(0), "sender") }),
          "merkle",
          "signatures",
        ],
        ["sender", pays(0, { sender: json(bob) }), "merkle", "signatures"],
        ["fee", pays(0, { fee: json(7) }), "merkle", "coin", "signatures"],
        ["nonce", pays(2, { nonce: json(7) }), "merkle", "transactions", "signatures"],
        ["memo", pays(0, { memo: json("for me") }), "merkle", "signatures"],
        ["no memo", pays(0, { memo: undefined }), "merkle", "signatures"],
        ["signature", pays(0, { signature: json("0".repeat(128)) }), "merkle", "signatures"],
        ["the coin's amount", pays(3, { amount: json(1) }), "merkle", "coin"],
        ["the coin's recipient", pays(3, { recipient: json(new Key(7).address) }), "merkle"],
        ["the coin's nonce", pays(3, { nonce: json(1) }), "merkle", "coin"],
        [
          "a payment more",
          set({ transactions: list([...block.transactions.slice(0, 1), ...block.transactions]) }),
          "merkle",
          "transactions",
          "coin",
        ],
        [
          "a payment less",
          set({ transactions: list(block.transactions.slice(1)) }),
          "merkle",
          "coin",
        ],
        [
          "no coin",
          set({ transactions: list(block.transactions.slice(0, -1)) }),
          "merkle",
          "transactions",
        ],
        ["a field more", set({ note: json(1) }), "form"],
        ["another block", { ...evidence, block: answer(6) }, "index", "previous", "target", "next"],
        ["another parent", { ...evidence, parent: answer(3) }, "index", "previous", "target"],
        ["another first block", { ...evidence, genesis: answer(2) }, "chain"],
        ["another chain", { ...evidence, chainId: "0".repeat(64) }, "chain", "signatures"],
        ["no JSON", { ...evidence, block: "{" }, "form"],
        ["no parent", { ...evidence, parent: "{}" }, "previous"],
        ["another hash asked", { ...evidence, asked: { hash: "0".repeat(64) } }, "hash"],
        ["another child", { ...evidence, child: answer(7) }, "next"],
        ["a clock that is behind", { ...evidence, now: block.timestamp - 46n }, "time"],
        ["no status", { ...evidence, status: "{}" }, "chain"],
      ] as readonly [string, Evidence, ...CheckId[]][]) {
        const found = wrongs(lie);
        // A lie about one thing leaves the other checks as they are.
        expect(found, name).toEqual(expected);
      }
    });

    it("turn red for lies about the blocks that the target follows from", () => {
      const evidence = evidenceOf(answers, 8);
      expect(wrongs(evidence)).toEqual([]);
      for (const name of ["timestamp", "target", "previous_hash", "proof", "index"]) {
        const lie = (raw: string | undefined) =>
          withBlock(raw ?? "", (block) => {
            const value = get(block, name);
            return withFields(block, {
              [name]: value.kind === "string" ? json("0".repeat(64)) : json(1),
            });
          });
        expect(wrongs({ ...evidence, earlier: lie(evidence.earlier) }), name).toEqual(["target"]);
        expect(wrongs({ ...evidence, parent: lie(evidence.parent) }), name).toContain("previous");
      }
    });

    it("turn red even if the liar does the work again", { timeout: 60_000 }, () => {
      const evidence: Evidence = { ...evidenceOf(answers, 5), child: undefined };
      const block = get(parse(answer(5)), "block");
      const [parent, own] = [sealed(answer(4)), sealed(answer(5))];
      const entries = elements(get(block, "transactions"));
      const lie = (fields: Record<string, Json>): Evidence => ({
        ...evidence,
        block: remade(withFields(block, fields)),
      });
      const edit = (at: number, fields: Record<string, Json>) =>
        lie({
          transactions: list(
            entries.map((entry, place) => (place === at ? withFields(entry, fields) : entry)),
          ),
        });
      expect(wrongs(lie({}))).toEqual([]);
      for (const [name, remadeLie, expected] of [
        ["index", lie({ index: json(6) }), "index"],
        ["previous hash", lie({ previous_hash: json("12".repeat(32)) }), "previous"],
        ["time", lie({ timestamp: parse(String(parent.timestamp - 1n)) }), "time"],
        ["target", lie({ target: json(targetText(targetOfZeros(3))) }), "target"],
        ["target by one", lie({ target: json(targetText(own.target - 1n)) }), "target"],
        ["amount", edit(0, { amount: json(7) }), "signatures"],
        ["sender", edit(0, { sender: json(new Key(0xb0b).address) }), "signatures"],
        [
          "signature",
          edit(1, { signature: get(entries[0] ?? json(0), "signature") }),
          "signatures",
        ],
        ["fee", edit(0, { fee: json(0) }), "coin"],
        ["coin", edit(3, { amount: json(9_000_000_000) }), "coin"],
        [
          "payments out of order",
          lie({
            transactions: list(
              entries.with(0, entries[1] ?? json(0)).with(1, entries[0] ?? json(0)),
            ),
          }),
          "transactions",
        ],
        ["no key", edit(3, { recipient: json(addressOf(OFF_CURVE, "forge")) }), "signatures"],
      ] as readonly [string, Evidence, CheckId][]) {
        const found = wrongs(remadeLie);
        expect(found, name).toContain(expected);
        expect(found, name).not.toContain("proof");
        expect(found, name).not.toContain("merkle");
        expect(found, name).not.toContain("hash");
      }
      // What remains of a lie without a fault: only the chain on top of it tells.
      const other = edit(3, { recipient: json(new Key(7).address) });
      expect(wrongs(other)).toEqual([]);
      expect(wrongs({ ...other, child: answer(6) })).toEqual(["next"]);
    });

    it("turn red for each lie about the rules, and for each about the parent", () => {
      const random = new Random(2008);
      const evidence = evidenceOf(answers, 5);
      const told = parse(answers.status);
      const status = (fields: Record<string, Json>) => canonical(withFields(told, fields));
      for (const name of ["rules", "chain_id"]) {
        for (const { where, value } of changed(get(told, name), random)) {
          const found = wrongs({ ...evidence, status: status({ [name]: value }) });
          expect(found, `${name}${where}: ${canonical(value)}`).toContain("chain");
        }
      }
      for (const { where, value } of changed(get(parse(answer(4)), "block"), random)) {
        const parent = canonical(withFields(parse(answer(4)), { block: value }));
        // The hash of a header does not change with the transactions, which are another block's here.
        if (where.startsWith(".transactions[")) continue;
        expect(wrongs({ ...evidence, parent }), where).toContain("previous");
      }
    });

    it("never fail, whatever stands in the answers", () => {
      const garbage = [
        "",
        "{",
        "[]",
        "null",
        "1e999",
        '{"block": null}',
        '{"block": {"index": 1}}',
      ];
      garbage.push(
        '{"block": []}',
        "[".repeat(100_000),
        `{"block": {"index": ${"9".repeat(4300)}}}`,
      );
      const evidence = evidenceOf(answers, 5);
      for (const name of ["status", "block", "parent", "earlier", "genesis", "child", "chainId"]) {
        for (const raw of garbage) {
          const checks = verify({ ...evidence, [name]: raw }, curve);
          const ok = checks.filter(({ state }) => state === "ok").length;
          expect(ok, `${name}: ${raw.slice(0, 50)}`).toBeLessThan(checks.length);
        }
      }
    });

    it("turn red for another first block with a hash of its own", () => {
      const evidence = evidenceOf(answers, 1);
      for (const fields of [{ timestamp: json(1) }, { previous_hash: json("12".repeat(32)) }]) {
        const block = withFields(get(parse(answer(1)), "block"), fields);
        const read = readBlock("sealed", block);
        const hash = read.family === "sealed" ? read.hash : "";
        const lie = `{"index": 1, "hash": "${hash}", "block": ${canonical(block)}}`;
        expect(wrongs({ ...evidence, block: lie })).toEqual(["genesis", "next"]);
        expect(wrongs({ ...evidence, block: lie, genesis: lie })).toEqual([
          "chain",
          "genesis",
          "next",
        ]);
      }
    });

    it("name the blocks to ask for, by hashes where they can", () => {
      const rules = readStatus(answers.status)?.rules;
      if (rules === undefined) throw new Error(answers.status);
      for (let index = 1; index <= 9; index++) {
        const named = parentId(rules, answer(index));
        expect(named).toBe(index === 1 ? undefined : sealed(answer(index - 1)).hash);
        // Block 3 is the first whose gap counts, for the target of block 4.
        const earlier = earlierId(rules, answer(index));
        expect(earlier).toBe(index < 3 ? undefined : sealed(answer(index - 1)).hash);
        expect(wanted(rules, BigInt(index + 1)).earlier !== undefined).toBe(earlier !== undefined);
      }
      expect([parentId(rules, "{}"), earlierId(rules, "{}")]).toEqual([undefined, undefined]);
    });

    it("leave signatures unknown without the curve, and what was not given", () => {
      const bare: Evidence = { status: answers.status, block: answer(5) };
      expect(inState(verify(bare), "wrong")).toEqual([]);
      const unknown = ["chain", "previous", "target", "time", "signatures", "next"];
      expect(inState(verify(bare), "unknown")).toEqual(unknown);
      expect(inState(verify(bare, curve), "unknown")).not.toContain("signatures");
    });
  },
);

/** The answer for a block whose root, proof and hash were made again. */
function remade(value: Json): string {
  const root = rootOf(elements(get(value, "transactions")).map(canonical));
  const unproven = withFields(value, { merkle_root: json(root), proof: json(0) });
  const read = readBlock("sealed", unproven);
  if (read.family !== "sealed") throw new Error(canonical(unproven));
  // The seal fills a block of SHA-256, which is computed once.
  const sealed = sha256.create().update(utf8ToBytes(read.seal));
  for (let proof = 0; ; proof++) {
    const hash = bytesToHex(
      sealed
        .clone()
        .update(utf8ToBytes(String(proof)))
        .digest(),
    );
    if (!hash.startsWith("0") || !meets(hash, read.target)) continue;
    const block = canonical(withFields(unproven, { proof: json(proof) }));
    return `{"index": ${read.index}, "hash": "${hash}", "block": ${block}}`;
  }
}

describe("blocks that Python mined (tests/vectors/rules.json)", () => {
  const PUZZLES = {
    lecture: "last_proof",
    course: "last_block",
    dvf: "last_proof_and_hash",
  } as const;

  const chains = elements(get(parse(vectors("rules.json")), "chains")).map((chain): Answers => {
    const name = text(get(chain, "name")) as keyof typeof PUZZLES;
    const blocks = elements(get(chain, "chain"));
    const first = blocks[0] ?? json(0);
    const zeros = Number(canonical(get(chain, "zeros")));
    const rules = json({
      difficulty: { fixed: targetText(targetOfZeros(zeros)) },
      genesis:
        name === "dvf" ? { any: { index: 1, previous_hash: "1", proof: 100 } } : openHash(first),
      max_block_bytes: 16_000_000,
      puzzle: PUZZLES[name],
      spending: "unsigned",
    });
    return {
      status: canonical(withFields(json({ chain_id: chainIdOf(rules, first) }), { rules })),
      blocks: new Map(
        blocks.map((block, at) => [
          at + 1,
          `{"index": ${at + 1}, "hash": "${openHash(block)}", "block": ${canonical(block)}}`,
        ]),
      ),
    };
  });

  it("pass every check", () => {
    for (const answers of chains) {
      for (const index of answers.blocks.keys()) {
        const checks = verify(evidenceOf(answers, index));
        const last = index === answers.blocks.size;
        expect(inState(checks, "wrong")).toEqual([]);
        expect(inState(checks, "unknown")).toEqual(last ? ["next"] : []);
      }
    }
    expect(chains).toHaveLength(4);
  });

  it("turn red for each lie in one place of the answer", () => {
    const random = new Random(2019);
    let lies = 0;
    for (const answers of chains) {
      for (const index of answers.blocks.keys()) {
        const evidence = evidenceOf(answers, index);
        for (const { where, value } of changed(parse(evidence.block), random)) {
          if (where === " one field more") continue;
          expect(wrongs({ ...evidence, block: canonical(value) }), where).not.toEqual([]);
          lies++;
        }
      }
    }
    expect(lies).toBeGreaterThan(500);
  });

  it("turn red for a first block that is not of the chain's shape", () => {
    for (const answers of chains) {
      const evidence = evidenceOf(answers, 1);
      for (const fields of [{ proof: json(98) }, { previous_hash: json("x") }]) {
        const block = withFields(get(parse(evidence.block), "block"), fields);
        const lie = `{"index": 1, "hash": "${openHash(block)}", "block": ${canonical(block)}}`;
        expect(wrongs({ ...evidence, block: lie })).toEqual(["genesis", "next"]);
      }
    }
  });

  it("turn red below the last one, if the hash was changed as well", () => {
    for (const answers of chains) {
      for (const index of answers.blocks.keys()) {
        const evidence = evidenceOf(answers, index);
        const block = withFields(get(parse(evidence.block), "block"), { timestamp: json(1) });
        const lie = `{"index": ${index}, "hash": "${openHash(block)}", "block": ${canonical(block)}}`;
        const found = wrongs({ ...evidence, block: lie });
        if (index < answers.blocks.size) expect(found).toContain("next");
        // What these rules don't protect: the newest block can be rewritten for free,
        else expect(found).toEqual([]);
        // and only who knows its hash from elsewhere sees it.
        const asked = { hash: text(field(parse(evidence.block), "hash")) ?? "" };
        expect(wrongs({ ...evidence, block: lie, asked })).toContain("hash");
      }
    }
  });
});

describe("a chain with Bitcoin's epochs", () => {
  const [spacing, blocksOfEpoch] = [10, 3];
  const easiest = targetText(targetOfZeros(1));
  const miner = new Key(1);
  const emission = { first: 2_000_000_000n, halving: 5n };
  const genesis = parse(
    `{"index": 1, "merkle_root": "${rootOf([])}", "previous_hash": "${"0".repeat(64)}", "proof": 0, "target": "${easiest}", "timestamp": 1700000000, "transactions": []}`,
  );
  const epoch = { blocks: blocksOfEpoch, clamp: 4, easiest, spacing_s: spacing };
  const first = readBlock("sealed", genesis);
  const rulesJson = json({
    difficulty: { epoch },
    genesis: first.family === "sealed" ? first.hash : "",
    max_block_bytes: 20_000,
    puzzle: "seal",
    spending: { signed: { addresses: "forge", first_subsidy: 2_000_000_000, halving_blocks: 5 } },
  });
  const status = canonical(
    withFields(json({ chain_id: chainIdOf(rulesJson, genesis) ?? "" }), { rules: rulesJson }),
  );

  /** Mines blocks with these gaps in this test, by the target that follows from all before. */
  function mined(gaps: readonly number[]): Answers {
    const rules = readStatus(status)?.rules;
    if (rules?.family !== "sealed" || first.family !== "sealed") throw new Error(status);
    let state = firstState(first.target, first.timestamp);
    let parent = first.hash;
    const blocks = new Map([[1, `{"index": 1, "hash": "${parent}", "block": ${first.text}}`]]);
    for (const [at, gap] of gaps.entries()) {
      const index = at + 2;
      const target = targetAfter(rules.difficulty, first.target, state);
      const coin = { amount: Number(subsidy(emission, BigInt(index))), nonce: index };
      const answer = remade(
        json({
          index,
          merkle_root: "",
          previous_hash: parent,
          target: targetText(target),
          timestamp: Number(state.timestamp) + gap,
          transactions: [{ ...coin, recipient: miner.address, sender: "0" }],
        }),
      );
      state = stateAfter(rules.difficulty, first.target, state, state.timestamp + BigInt(gap));
      parent = text(field(parse(answer), "hash")) ?? "";
      blocks.set(index, answer);
    }
    return { status, blocks };
  }

  const answers = mined([100, 1, 1, 2, 10, 10, 9, 2, 3, 4, 50, 60, 70, 0, 0]);

  it("passes every check, here and by the program", () => {
    for (const index of answers.blocks.keys()) {
      const checks = verify(evidenceOf(answers, index), curve);
      expect(inState(checks, "wrong"), String(index)).toEqual([]);
    }
    const targets = [...answers.blocks.values()].map((raw) =>
      text(field(field(parse(raw), "block"), "target")),
    );
    expect(new Set(targets).size).toBeGreaterThan(3);
    const path = program();
    if (path !== undefined) expect(verdict(path)).toContain("15");
  });

  it("turns red for another target, and for another start of the epoch", () => {
    for (const index of answers.blocks.keys()) {
      if (index === 1) continue;
      const evidence: Evidence = { ...evidenceOf(answers, index), child: undefined };
      const block = get(parse(evidence.block), "block");
      for (const by of [-1n, 1n]) {
        const target = targetText((targetOf(text(get(block, "target"))) ?? 0n) + by);
        const lie = remade(withFields(block, { target: json(target) }));
        expect(wrongs({ ...evidence, block: lie }), String(index)).toEqual(["target"]);
      }
    }
    const evidence = evidenceOf(answers, 6);
    expect(evidence.earlier).toBe(answers.blocks.get(2));
    const rules = readStatus(status)?.rules;
    expect(rules && earlierId(rules, evidence.parent ?? "")).toBe("2");
    const late = withBlock(evidence.earlier ?? "", (block) =>
      withFields(block, { timestamp: json(1) }),
    );
    expect(wrongs({ ...evidence, earlier: late })).toEqual(["target"]);
    expect(wrongs({ ...evidence, earlier: answers.blocks.get(3) })).toEqual(["target"]);
  });

  /** What `chain verify --replay` says about the chain of this test. */
  function verdict(path: string): string {
    const folder = mkdtempSync(join(tmpdir(), "rules-"));
    try {
      const [chain, file] = [join(folder, "epoch.toml"), join(folder, "chain.jsonl")];
      writeFileSync(
        chain,
        `name = "epoch"\npuzzle = "seal"\nmax_block_bytes = 20_000\n[difficulty.epoch]\nblocks = ${blocksOfEpoch}\nspacing_s = ${spacing}\nclamp = 4\neasiest = "${easiest}"\n[spending]\naddresses = "forge"\nfirst_subsidy = 2_000_000_000\nhalving_blocks = 5\n[genesis]\ntimestamp = 1700000000\ntarget = "${easiest}"\n`,
      );
      const blocks = [...answers.blocks.values()].map((raw) => canonical(get(parse(raw), "block")));
      const tip = text(field(parse([...answers.blocks.values()].at(-1) ?? ""), "hash"));
      writeFileSync(
        file,
        [...blocks, `{"length": ${blocks.length}, "tip": "${tip}"}`, ""].join("\n"),
      );
      const run = spawnSync(
        path,
        ["chain", "verify", "--replay", "--json", "--chain", chain, file],
        {
          timeout: 30_000,
        },
      );
      expect(run.status, `${run.stdout}${run.stderr}`).toBe(0);
      return run.stdout.toString();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
});
