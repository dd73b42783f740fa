/** The addresses of the API's calls, below `/api/v1`. */

import { encoded } from "./encode";

type Value = string | number | null | undefined;

function query(path: string, parameters: Record<string, Value>): string {
  const given = Object.entries(parameters).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined && entry[1] !== null,
  );
  if (given.length === 0) return path;
  const text = given.map(([name, value]) => `${name}=${encoded(value)}`);
  return `${path}?${text.join("&")}`;
}

export interface Page {
  readonly from?: number | undefined;
  readonly limit?: number | undefined;
}

export interface AccountPage {
  readonly limit?: number | undefined;
  readonly before?: string | null | undefined;
  readonly format?: "csv" | "ndjson" | undefined;
}

export const paths = {
  status: () => "status",
  blocks: (page: Page & { readonly format?: "csv" | "ndjson" } = {}) =>
    query("blocks", { ...page }),
  /** By index or hash. */
  block: (id: number | string) => `blocks/${encoded(id)}`,
  headers: (page: Page = {}) => query("headers", { ...page }),
  branches: () => "branches",
  waiting: (page: Page = {}) => query("transactions", { queued: "", ...page }),
  transaction: (id: string) => `transactions/${encoded(id)}`,
  proof: (id: string) => `transactions/${encoded(id)}/proof`,
  // Always by the parameter: no path can name the empty party, `..`, or `transactions`.
  account: (party: string) => query("accounts", { party }),
  accountTransactions: (party: string, page: AccountPage = {}) =>
    query("accounts/transactions", { party, ...page }),
  leaderboard: (limit?: number) => query("leaderboard", { limit }),
  search: (q: string) => query("search", { q }),
  history: (points?: number) => query("history", { points }),
  peers: () => "peers",
  peer: (address: string) => `peers/${encoded(address)}`,
  supply: () => "supply",
  fees: (bytes?: number) => query("fees", { bytes }),
  faucet: () => "faucet",
  transactions: (replaces?: string) => query("transactions", { replaces }),
  work: (recipient?: string, than?: string) => query("work", { recipient, than }),
  events: (since?: string) => query("events", { since }),
  dev: (what: "mine" | "reorg" | "miners" | "cut" | "heal") => `dev/${what}`,
} as const;
