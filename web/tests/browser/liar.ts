/** A proxy before a node, which changes its answers: what a liar would serve. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export type Lie = (path: string, answer: string) => string;

export class Liar {
  lie: Lie = (_path, answer) => answer;
  readonly #quiet: (() => void)[] = [];
  readonly #server: Server;

  private constructor(node: string) {
    this.#server = createServer((request, response) => {
      const path = request.url ?? "/";
      const headers = new Headers();
      const accept = request.headers.accept;
      if (accept !== undefined) headers.set("accept", accept);
      const ended = new AbortController();
      response.on("close", () => ended.abort());
      fetch(node + path, { headers, signal: ended.signal })
        .then(async (answer) => {
          const type = answer.headers.get("content-type") ?? "";
          const policy = answer.headers.get("content-security-policy");
          response.writeHead(answer.status, {
            "content-type": type,
            ...(policy === null ? {} : { "content-security-policy": policy }),
          });
          if (type.startsWith("application/json")) {
            response.end(this.lie(path, await answer.text()));
            return;
          }
          let isQuiet = false;
          this.#quiet.push(() => (isQuiet = true));
          const reader = answer.body?.getReader();
          for (let read = await reader?.read(); read && !read.done; read = await reader?.read())
            if (!isQuiet) response.write(read.value);
          response.end();
        })
        .catch(() => response.destroy());
    });
  }

  static async before(node: string): Promise<Liar> {
    const liar = new Liar(node);
    await new Promise<void>((listens) => liar.#server.listen(0, "127.0.0.1", listens));
    return liar;
  }

  /** Answers that are being sent now go silent, and their sockets stay open. */
  silence(): void {
    for (const quiet of this.#quiet.splice(0)) quiet();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}
