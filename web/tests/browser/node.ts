/** Starts the program for tests, and ends it by its own pid. */

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const program = process.env["BLOCKSMITH"] ?? resolve("../target/debug/blocksmith");

/** A process of the program, and the lines that it prints. */
class Running {
  readonly child: ChildProcess;
  readonly lines: AsyncIterator<string>;

  constructor(args: readonly string[]) {
    this.child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
    if (this.child.stdout === null) throw new Error("the program has no output");
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error("the program ended before it said where it runs");
    return value;
  }

  /** Ends it, and waits for that. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((done) => this.child.once("exit", done));
    this.child.kill("SIGTERM");
    await ended;
  }
}

/** What a node answers, as a value of any shape. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Answer = any;

export async function get(url: string, path: string): Promise<Answer> {
  return (await fetch(`${url}/api/v1/${path}`)).json();
}

export async function post(url: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method: "POST",
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const said = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${said}`);
  return JSON.parse(said);
}

/** A dev network whose miners are off. */
export async function dev(...more: string[]): Promise<{
  readonly urls: readonly string[];
  readonly accounts: readonly { readonly address: string }[];
  readonly stop: () => Promise<void>;
}> {
  const running = new Running([
    "dev",
    "--chain",
    "forge",
    "--port",
    "0",
    "--no-mining",
    "--json",
    ...more,
  ]);
  const said: Answer = JSON.parse(await running.line());
  return {
    urls: said.nodes.map((node: Answer) => node.url),
    accounts: said.accounts,
    stop: () => running.stop(),
  };
}

/** A node with a directory that outlasts it, until `remove`. */
export class Node {
  readonly dir = mkdtempSync(join(tmpdir(), "blocksmith-page-"));
  url = "";
  #running: Running | null = null;

  constructor(readonly args: readonly string[]) {}

  async start(): Promise<this> {
    const port = this.url === "" ? "0" : new URL(this.url).port;
    const args = ["node", "--port", port, "--data-dir", this.dir, ...this.args];
    this.#running = new Running(args);
    const line = await this.#running.line();
    this.url = /http:\/\/[\w.:[\]]+/.exec(line)?.[0] ?? "";
    if (this.url === "") throw new Error(`no address in ${line}`);
    return this;
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
