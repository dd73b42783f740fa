/**
 * What the page asks of its node. Every call ends after its time, takes a signal, and reads no more than
 * so many bytes. It throws a `Problem` where the node refuses, `NoAnswer` where none comes, and `TooLong`.
 *
 * The values of answers are what `JSON.parse` makes of them. The fields of the API fit into them (heights,
 * counts, units of signed chains, all below 2^53). What others wrote does not: the proofs, amounts and
 * times of blocks and transactions on open chains. For those, `text` gives the answer as it was sent, and
 * `members` and `elements` of `text.ts` find their way in it.
 */

import { NoAnswer, Problem, TooLong } from "./errors";
import { paths, type AccountPage, type Page } from "./paths";
import type { components } from "./types";

export { NoAnswer, Problem, TooLong } from "./errors";
export { paths, type AccountPage, type Page } from "./paths";

type Schemas = components["schemas"];

/** A value that somebody wrote: its fields can be anything. */
export type Written = Readonly<Record<string, unknown>>;

/** An answer as it is read: nothing in it is changed, and objects of unknown fields can be looked at. */
export type Read<T> = T extends readonly (infer Element)[]
  ? readonly Read<Element>[]
  : T extends object
    ? string extends keyof T
      ? Written
      : { readonly [Name in keyof T]: Read<T[Name]> }
    : T;

export type Status = Read<Schemas["Status"]>;
export type BlockEntry = Read<Schemas["BlockEntry"]>;
export type Blocks = Read<Schemas["Blocks"]>;
export type Headers = Read<Schemas["Headers"]>;
export type HeaderEntry = Read<Schemas["HeaderEntry"]>;
export type Branches = Read<Schemas["Branches"]>;
export type Branch = Read<Schemas["Branch"]>;
export type BlockPlace = Read<Schemas["BlockPlace"]>;
export type PendingTransactions = Read<Schemas["PendingTransactions"]>;
export type Waits = Read<Schemas["Waits"]>;
export type Transaction = Read<Schemas["Transaction"]>;
export type MerkleProof = Read<Schemas["MerkleProof"]>;
export type AnyAccount = Read<Schemas["AnyAccount"]>;
export type Account = Read<Schemas["Account"]>;
export type PartyAccount = Read<Schemas["PartyAccount"]>;
export type AccountTransactions = Read<Schemas["AccountTransactions"]>;
export type Leaderboard = Read<Schemas["Leaderboard"]>;
export type SearchMatches = Read<Schemas["SearchMatches"]>;
export type SearchMatch = Read<Schemas["SearchMatch"]>;
export type History = Read<Schemas["History"]>;
export type Peers = Read<Schemas["Peers"]>;
export type PeersAdded = Read<Schemas["PeersAdded"]>;
export type ForgottenPeer = Read<Schemas["ForgottenPeer"]>;
export type Supply = Read<Schemas["Supply"]>;
export type Fees = Read<Schemas["Fees"]>;
export type FaucetGift = Read<Schemas["FaucetGift"]>;
export type Submitted = Read<Schemas["Transaction"]> | Read<Schemas["Pending"]>;
export type Work = Read<Schemas["Work"]>;
export type DevMined = Read<Schemas["DevMined"]>;
export type DevReorged = Read<Schemas["DevReorged"]>;
export type DevMiners = Read<Schemas["DevMiners"]>;
export type DevCuts = Read<Schemas["DevCuts"]>;
export type TipEvent = Read<Schemas["TipEvent"]>;
export type ReorgEvent = Read<Schemas["ReorgEvent"]>;
export type TransactionEvent = Read<Schemas["TransactionEvent"]>;
export type PeerEvent = Read<Schemas["PeerEvent"]>;

export interface Options {
  readonly signal?: AbortSignal | undefined;
  /** After how many milliseconds it is given up. */
  readonly timeout?: number | undefined;
  /** The most bytes of the answer that are read. */
  readonly limit?: number | undefined;
  /** The operator's token, for calls that are the operator's alone. */
  readonly token?: string | undefined;
}

const TIMEOUT = 10_000;
const LIMIT = 8 << 20;
/** A block of an open chain has up to 16 MB, and is one string in its text. */
const BLOCK_LIMIT = 24 << 20;
/** A node waits up to 10 s for other work, and up to 60 s while it mines on a dev chain. */
const WORK_TIMEOUT = 20_000;
const MINE_TIMEOUT = 90_000;

/** The most that is read of a refusal. */
const PROBLEM_LIMIT = 64 << 10;

export type Client = ReturnType<typeof client>;

/** The calls of the node at `origin`; by default, of the one that served the page. */
export function client(origin = "") {
  async function call<T>(
    path: string,
    request: RequestInit,
    options: Options,
    use: (response: Response, limit: number) => Promise<T>,
  ): Promise<T> {
    const ended = new AbortController();
    const end = () => ended.abort(options.signal?.reason);
    options.signal?.throwIfAborted();
    options.signal?.addEventListener("abort", end);
    const milliseconds = options.timeout ?? TIMEOUT;
    const late = () => ended.abort(new NoAnswer(`no answer within ${milliseconds / 1000} s`));
    const timer = setTimeout(late, milliseconds);
    const headers = new Headers(request.headers);
    if (options.token) headers.set("authorization", `Bearer ${options.token}`);
    try {
      const all = { ...request, headers, signal: ended.signal, cache: "no-store" as const };
      const response = await fetch(`${origin}/api/v1/${path}`, all);
      if (!response.ok) throw await problem(response);
      return await use(response, options.limit ?? LIMIT);
    } catch (error) {
      if (ended.signal.aborted) throw ended.signal.reason;
      if (error instanceof Problem || error instanceof TooLong) throw error;
      throw new NoAnswer("the node does not answer", { cause: error });
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", end);
    }
  }

  /** The answer as it was sent: for all that is verified, and where every digit counts. */
  const text = (path: string, options: Options = {}): Promise<string> =>
    call(path, {}, options, bodyText);

  const get = <T>(path: string, options: Options = {}): Promise<T> =>
    call(path, {}, options, async (response, limit) => parsed<T>(await bodyText(response, limit)));

  const send = <T>(method: string, path: string, body: string | null, options: Options) =>
    call(
      path,
      body === null
        ? { method }
        : { method, body, headers: { "content-type": "application/json" } },
      options,
      async (response, limit) => parsed<T>(await bodyText(response, limit)),
    );
  const post = <T>(path: string, body: unknown, options: Options = {}) =>
    send<T>("POST", path, body === undefined ? null : JSON.stringify(body), options);

  return {
    text,
    status: (options?: Options) => get<Status>(paths.status(), options),
    blocks: (page: Page, options?: Options) =>
      get<Blocks>(paths.blocks(page), { limit: BLOCK_LIMIT, ...options }),
    block: (id: number | string, options?: Options) =>
      get<BlockEntry>(paths.block(id), { limit: BLOCK_LIMIT, ...options }),
    /** The block as it was sent; the member `block` of it is the text that is hashed. */
    blockText: (id: number | string, options?: Options) =>
      text(paths.block(id), { limit: BLOCK_LIMIT, ...options }),
    headers: (page: Page, options?: Options) => get<Headers>(paths.headers(page), options),
    branches: (options?: Options) => get<Branches>(paths.branches(), options),
    waiting: (page?: Page, options?: Options) =>
      get<PendingTransactions>(paths.waiting(page), options),
    transaction: (id: string, options?: Options) =>
      get<Transaction>(paths.transaction(id), options),
    proof: (id: string, options?: Options) => get<MerkleProof>(paths.proof(id), options),
    account: (party: string, options?: Options) => get<AnyAccount>(paths.account(party), options),
    accountTransactions: (party: string, page?: Omit<AccountPage, "format">, options?: Options) =>
      get<AccountTransactions>(paths.accountTransactions(party, page), options),
    leaderboard: (limit?: number, options?: Options) =>
      get<Leaderboard>(paths.leaderboard(limit), options),
    search: (q: string, options?: Options) => get<SearchMatches>(paths.search(q), options),
    history: (points?: number, options?: Options) => get<History>(paths.history(points), options),
    peers: (options?: Options) => get<Peers>(paths.peers(), options),
    addPeers: (nodes: readonly string[], options?: Options) =>
      post<PeersAdded>(paths.peers(), { nodes }, options),
    forgetPeer: (address: string, options: Options = {}) =>
      send<ForgottenPeer>("DELETE", paths.peer(address), null, options),
    supply: (options?: Options) => get<Supply>(paths.supply(), options),
    fees: (bytes?: number, options?: Options) => get<Fees>(paths.fees(bytes), options),
    faucet: (recipient: string, options?: Options) =>
      post<FaucetGift>(paths.faucet(), { recipient }, options),
    /** `replaces`: the id of the payment that it may replace, or `none`; by default, any. */
    submit: (payment: Written, replaces?: string, options?: Options) =>
      post<Submitted>(paths.transactions(replaces), payment, options),
    work: (recipient?: string, than?: string, options?: Options) =>
      get<Work>(paths.work(recipient, than), { timeout: WORK_TIMEOUT, ...options }),
    /** The proof is decimal digits, since it may have more of them than a number holds. */
    submitWork: (id: string, proof: string, options: Options = {}) => {
      if (!/^(0|[1-9][0-9]*)$/.test(proof)) throw new RangeError("a proof is decimal digits");
      const body = `{"id": ${JSON.stringify(id)}, "proof": ${proof}}`;
      return send<BlockEntry>("POST", paths.work(), body, { limit: BLOCK_LIMIT, ...options });
    },
    dev: {
      mine: (blocks: number, to?: string, options?: Options) => {
        const body = to === undefined ? { blocks } : { blocks, to };
        return post<DevMined>(paths.dev("mine"), body, { timeout: MINE_TIMEOUT, ...options });
      },
      reorg: (depth: number, options?: Options) => {
        const patient = { timeout: MINE_TIMEOUT, ...options };
        return post<DevReorged>(paths.dev("reorg"), { depth }, patient);
      },
      miners: (options?: Options) => get<DevMiners>(paths.dev("miners"), options),
      setMiners: (miners: DevMiners["miners"], options?: Options) =>
        post<DevMiners>(paths.dev("miners"), { miners }, options),
      cut: (groups: readonly (readonly number[])[], options?: Options) =>
        post<DevCuts>(paths.dev("cut"), { groups }, options),
      heal: (options?: Options) => post<DevCuts>(paths.dev("heal"), undefined, options),
    },
    /**
     * The bytes of the stream of events after the one with the id `since`. It has no time-out: who reads
     * it has to notice silence, since the node sends something every 15 s.
     */
    async events(since: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
      const init = { signal, cache: "no-store" as const };
      const response = await fetch(`${origin}/api/v1/${paths.events(since)}`, init).catch(
        (cause: unknown) => {
          signal.throwIfAborted();
          throw new NoAnswer("the node does not answer", { cause });
        },
      );
      if (!response.ok) throw await problem(response);
      if (!response.body) throw new NoAnswer("the node sent no events");
      return response.body;
    },
  };
}

/** The node that served the page. */
export const api = client();

function parsed<T>(text: string): T {
  // What comes here is the node's own answer, whose shape /openapi.json promises.
  return JSON.parse(text) as T;
}

/** The text of an answer, as long as it has at most `limit` bytes. */
async function bodyText(response: Response, limit: number): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > limit) {
      await reader.cancel().catch(() => undefined);
      throw new TooLong(limit);
    }
    parts.push(decoder.decode(value, { stream: true }));
  }
  return parts.join("") + decoder.decode();
}

async function problem(response: Response): Promise<Problem | NoAnswer> {
  const text = await bodyText(response, PROBLEM_LIMIT).catch(() => "");
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    said = null;
  }
  const fields: Written = typeof said === "object" && said !== null ? (said as Written) : {};
  const { detail, rule } = fields;
  if (typeof detail !== "string")
    return new NoAnswer(`the answer is ${response.status} without a reason`);
  return new Problem(response.status, typeof rule === "string" ? rule : null, detail);
}
