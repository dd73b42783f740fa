/**
 * Generated blocks have the hashes that the program computes. $BLOCKSMITH_BLOCKS says how many: 2,000 if
 * it says nothing, 100,000 in the long run.
 */

import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { openHash, readBlock } from "../../../src/rules/block";
import { tryParse } from "../../../src/rules/json";
import { program, Random } from "./support";

const COUNT = Number(process.env["BLOCKSMITH_BLOCKS"] ?? "2000");
const SEED = Number(process.env["BLOCKSMITH_SEED"] ?? "20190710");

/** Numbers in every spelling, as they are written. */
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-1",
  "1.0",
  "1e5",
  "1E5",
  "1e+5",
  "-0.0",
  "0e0",
  "1.10",
  "100.00",
  "1e-5",
  "0.0001",
  "0.00001",
  "9007199254740993",
  "18446744073709551615",
  "18446744073709551616",
  "1e15",
  "1e16",
  "123456789012345678.0",
  "1e22",
  "1e23",
  "5e-324",
  "2.4703282292062328e-324",
  "1.7976931348623157e308",
  "0.1000000000000000055511151231257827",
  "1562874886.654986",
  "-1562874886.6549864",
];

/** Parts of strings, as they are written. */
const PARTS = [
  "a",
  "Z",
  " ",
  "~",
  "/",
  "\\/",
  '\\"',
  "\\\\",
  "\\n",
  "\\u000a",
  "\\u0000",
  "\\u007f",
  "\x7f",
  "é",
  "\\u00E9",
  "ß",
  "\u2028",
  "\\u2028",
  "\ufeff",
  "\uffff",
  "\\uffff",
  "😀",
  "\\ud83d\\ude00",
  "\\uD83D\\uDE00",
  "\u{10ffff}",
  "\\ud800",
  "\\udfff",
  "\\uDBFF",
  "\\ud800\\ud800",
  "\\udc00\\ud800",
  "{",
  "]",
  ",",
  ":",
];

const NAMES = [
  "sender",
  "recipient",
  "amount",
  "memo",
  "a",
  "A",
  "aa",
  "",
  "__proto__",
  "10",
  "9",
  "constructor",
  "index",
];

/** What no node takes. */
const FAULTS = [
  "NaN",
  "-Infinity",
  "1e999",
  "01",
  "1.",
  "nul",
  '"\\x"',
  '"\t"',
  "[1,]",
  '{"a": 1,}',
  '"\\ud83d😀',
  "'a'",
  "1".repeat(4301),
  `${"[".repeat(989)}${"]".repeat(989)}`,
  "[1 2]",
  '{"a" 1}',
  "+1",
  "",
];

class Generator extends Random {
  /** A block in some spelling; one of thirty is no JSON. */
  block(index: number): string {
    const members: [string, string][] = [
      ["index", this.below(20) === 0 ? this.of(NUMBERS) : String(index)],
      ["timestamp", this.below(2) === 0 ? `${1.5e9 + index}.${this.below(1e6)}` : this.of(NUMBERS)],
      ["transactions", this.list(2)],
      ["proof", this.below(8) === 0 ? this.string() : this.proof()],
      ["previous_hash", this.below(8) === 0 ? this.of(["null", "1", '"1"']) : this.hash()],
    ];
    while (this.below(3) === 0) members.push([this.name(), this.value(3)]);
    if (this.below(30) === 0) members.push(["x", this.of(FAULTS)]);
    for (let at = members.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      const [a, b] = [members[at], members[other]];
      if (a !== undefined && b !== undefined) [members[at], members[other]] = [b, a];
    }
    return this.object(members.map(([name, value]) => [`"${name}"`, value]));
  }

  private value(levels: number): string {
    switch (this.below(levels > 0 ? 7 : 5)) {
      case 0:
        return this.of(["null", "true", "false"]);
      case 1:
        return this.string();
      case 2:
        return this.float();
      case 5:
        return this.list(levels - 1);
      case 6: {
        const members = Array.from({ length: this.below(5) }, (): [string, string] => [
          this.below(3) === 0 ? this.string() : `"${this.name()}"`,
          this.value(levels - 1),
        ]);
        return this.object(members);
      }
      default:
        return this.of(NUMBERS);
    }
  }

  private list(levels: number): string {
    const values = Array.from({ length: this.below(4) }, () => this.value(levels));
    return `[${this.blank()}${values.join(this.comma())}${this.blank()}]`;
  }

  private object(members: readonly (readonly [string, string])[]): string {
    const texts = members.map(([name, value]) => `${name}${this.blank()}:${this.blank()}${value}`);
    return `{${this.blank()}${texts.join(this.comma())}${this.blank()}}`;
  }

  /** A float of random bits, in one of the spellings that programs write. */
  private float(): string {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setUint32(0, this.below(2 ** 32));
    bits.setUint32(4, this.below(2 ** 32));
    const value = this.below(2) === 0 ? bits.getFloat64(0) : this.below(2 ** 32) / 1e6;
    if (!Number.isFinite(value)) return this.of(NUMBERS);
    return this.of([
      value.toExponential(),
      value.toExponential(18).toUpperCase(),
      value.toPrecision(17),
    ]);
  }

  private string(): string {
    const parts = Array.from({ length: this.below(6) }, () => this.of(PARTS));
    return `"${parts.join("")}"`;
  }

  private proof(): string {
    return this.below(10) === 0 ? String(2n ** BigInt(this.below(300))) : String(this.below(1e9));
  }

  private hash(): string {
    return `"${Array.from({ length: 64 }, () => this.below(16).toString(16)).join("")}"`;
  }

  private name(): string {
    return this.of(NAMES) + (this.below(4) === 0 ? this.of(PARTS) : "");
  }

  private comma(): string {
    return this.of([",", ", ", " , "]);
  }

  /** No line end: each text is a line. */
  private blank(): string {
    return this.below(4) === 0 ? this.of([" ", "\t", "\r", "  "]) : "";
  }
}

describe.skipIf(program() === undefined)("the program (cargo build, or set BLOCKSMITH)", () => {
  it(
    `computes the hashes of ${COUNT} generated blocks, and refuses what is refused here`,
    { timeout: 600_000 },
    () => {
      const generator = new Generator(SEED);
      const texts = Array.from({ length: COUNT }, (_, index) => generator.block(index + 1));
      const run = spawnSync(program() ?? "", ["block", "hash", "--lines", "-"], {
        input: texts.join("\n"),
        maxBuffer: 2 ** 30,
      });
      // 1 says that some lines were refused.
      expect(run.status, run.error?.message).toBe(1);
      const answers = run.stdout.toString().trimEnd().split("\n");
      expect(answers).toHaveLength(COUNT);
      let refused = 0;
      let read = 0;
      for (const [at, answer] of answers.entries()) {
        const text = texts[at] ?? "";
        const value = tryParse(text);
        const found = value === undefined ? "error" : openHash(value);
        const expected = answer.startsWith("error: ") ? "error" : answer;
        if (found !== expected) expect.fail(`${text}\nhas ${found} here and ${answer} there`);
        if (value === undefined) refused++;
        else if (readBlock("open", value).family === "open") read++;
      }
      // Most are blocks, and some are not even JSON.
      expect(read).toBeGreaterThan(0.6 * COUNT);
      expect(refused).toBeGreaterThan(COUNT / 200);
    },
  );
});
