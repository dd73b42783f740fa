/** A chain of a real node, for tests: `blocksmith dev --chain forge`, with payments of the test's own. */

import { schnorr } from "@noble/curves/secp256k1.js";
import { spawn, type ChildProcess } from "node:child_process";
import { addressOf } from "../../../src/rules/address";
import { bytesToHex, fromHex } from "../../../src/rules/hash";
import { field, parse, text } from "../../../src/rules/json";
import { signedText, transactionId, unsignedText, type Draft } from "../../../src/rules/payment";

/** A key that tests pay with. */
export class Key {
  private readonly secret: Uint8Array;
  readonly address: string;

  constructor(secret: number, hrp = "forge") {
    this.secret = fromHex(secret.toString(16).padStart(64, "0")) ?? new Uint8Array();
    this.address = addressOf(bytesToHex(schnorr.getPublicKey(this.secret)), hrp);
  }

  /** The text of a payment that this key signed. */
  pay(chainId: string, draft: Omit<Draft, "sender">): string {
    const unsigned = unsignedText({ ...draft, sender: this.address });
    const id = fromHex(transactionId(chainId, unsigned)) ?? new Uint8Array();
    return signedText(unsigned, bytesToHex(schnorr.sign(id, this.secret)));
  }
}

/** What a node answered: its status, and its blocks by index. */
export interface Answers {
  readonly status: string;
  readonly blocks: ReadonlyMap<number, string>;
}

/** Runs a node, lets it make some blocks with payments, and asks for all of them. */
export async function forgeChain(program: string): Promise<Answers> {
  const args = ["dev", "--chain", "forge", "--json", "--no-mining", "--nodes", "1", "--port", "0"];
  const node = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  try {
    const url = await addressOfNode(node);
    const ask = async (path: string, body?: string): Promise<string> => {
      const answer = await fetch(`${url}/api/v1/${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { "content-type": "application/json" },
        ...(body === undefined ? {} : { body }),
        signal: AbortSignal.timeout(30_000),
      });
      const told = await answer.text();
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${told}`);
      return told;
    };
    const [alice, bob] = [new Key(0xa11ce), new Key(0xb0b)];
    const mine = (blocks: number) => ask("dev/mine", JSON.stringify({ blocks, to: bob.address }));
    const chainId = text(field(parse(await ask("status")), "chain_id")) ?? "";
    await ask("faucet", JSON.stringify({ recipient: alice.address }));
    await mine(3);
    for (const [nonce, memo] of ['für dich 🎁 "\\\n', undefined, ""].entries()) {
      const [amount, fee] = [BigInt(1000 + nonce), BigInt(5000 - nonce)];
      const draft = { recipient: bob.address, amount, fee, nonce: BigInt(nonce), memo };
      await ask("transactions", alice.pay(chainId, draft));
    }
    await mine(5);
    const status = await ask("status");
    const blocks = new Map<number, string>();
    for (let index = 1; index <= 9; index++) blocks.set(index, await ask(`blocks/${index}`));
    return { status, blocks };
  } finally {
    node.kill("SIGTERM");
  }
}

/** The URL that a dev network prints at its start. */
async function addressOfNode(node: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = "";
    node.once("error", reject);
    node.once("exit", (code) => reject(new Error(`the node ended with ${code}: ${printed}`)));
    node.stdout?.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
      const url = /"url":"([^"]+)"/.exec(printed)?.[1];
      if (url !== undefined && printed.includes("\n")) resolve(url);
    });
  });
}
