/** What the tests of the rules share. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { canonical, field, parse, type Json } from "../../../src/rules/json";

const ROOT = new URL("../../../../", import.meta.url);

/** A file of tests/vectors, as text. */
export function vectors(name: string): string {
  return readFileSync(new URL(`tests/vectors/${name}`, ROOT), "utf8");
}

/** A file of tests/vectors, read by `JSON.parse`: for files whose numbers are small. */
export function vectorsOf<T>(name: string): T {
  return JSON.parse(vectors(name)) as T;
}

/** The member of that name, which has to be there. */
export function get(value: Json, name: string): Json {
  const inner = field(value, name);
  if (inner === undefined) throw new Error(`no ${name} in ${canonical(value).slice(0, 200)}`);
  return inner;
}

/** JSON of a plain value. */
export function json(value: unknown): Json {
  return parse(JSON.stringify(value));
}

/** $BLOCKSMITH, or the newest build in target/; `undefined` if there is none. */
export function program(): string | undefined {
  const named = process.env["BLOCKSMITH"];
  if (named !== undefined) {
    if (!existsSync(named)) throw new Error(`BLOCKSMITH=${named} is no file`);
    return named;
  }
  const target = process.env["CARGO_TARGET_DIR"] ?? fileURLToPath(new URL("target", ROOT));
  const builds = ["release", "debug"]
    .map((profile) => `${target}/${profile}/blocksmith`)
    .filter((path) => existsSync(path))
    .map((path) => ({ path, time: statSync(path).mtimeMs }));
  return builds.sort((a, b) => b.time - a.time)[0]?.path;
}

/** A number from 0 on and below `end`, from a seed: mulberry32. */
export class Random {
  constructor(private state: number) {}

  below(end: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  of<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new Error("an empty list");
    return found;
  }
}
