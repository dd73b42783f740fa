/** Which screen the address names, and how links change it without a reload. */

import { encoded } from "./api/encode";

export type Screen =
  | "chain"
  | "block"
  | "transaction"
  | "account"
  | "wallet"
  | "mine"
  | "class"
  | "network"
  | "learn"
  | "nothing";

export interface Route {
  readonly screen: Screen;
  /** What comes behind the screen's name in the path, decoded; empty if nothing does. */
  readonly of: string;
  readonly query: URLSearchParams;
}

const SCREENS: Readonly<Record<string, Screen>> = {
  "": "chain",
  block: "block",
  tx: "transaction",
  account: "account",
  wallet: "wallet",
  miner: "mine",
  class: "class",
  network: "network",
  learn: "learn",
};

/** The screens that no other site may show in a frame. */
const ALONE: readonly Screen[] = ["wallet", "mine", "network"];

/** The screens whose address goes on behind their name. */
const OF_SOMETHING: readonly Screen[] = ["block", "transaction", "account", "learn"];

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads an address of this page. */
export function read(url: URL): Route {
  const [, first = "", rest] = /^\/([^/]*)(?:\/(.*))?$/s.exec(url.pathname) ?? [];
  const screen = SCREENS[first] ?? "nothing";
  const of = decoded(rest ?? "");
  const fits = rest === undefined || rest === "" ? true : OF_SOMETHING.includes(screen);
  return { screen: fits ? screen : "nothing", of, query: url.searchParams };
}

let url = $state.raw(new URL(location.href));
const current = $derived(read(url));

/** The route as it is now. */
export function route(): Route {
  return current;
}

/** Whether the page is shown without its frame. */
export function isBare(): boolean {
  return current.query.has("bare");
}

/** An address of this page, without its frame if this one has none. */
export function to(path: string, query: Readonly<Record<string, string>> = {}): string {
  const params = new URLSearchParams(query);
  if (isBare()) params.set("bare", "");
  const text = params.toString().replace(/=(?=&|$)/g, "");
  return text === "" ? path : `${path}?${text}`;
}

export const blockPath = (of: string | number): string => to(`/block/${of}`);
export const transactionPath = (id: string): string => to(`/tx/${encoded(id)}`);
/** No path can say the empty name, or those that lead up. */
export const accountPath = (party: string, query: Readonly<Record<string, string>> = {}): string =>
  /^\.{0,2}$/.test(party)
    ? to("/account/named", { party, ...query })
    : to(`/account/${encoded(party)}`, query);
/** The party of an account's address. */
export const partyIn = ({ of, query }: Route): string => query.get("party") ?? of;

/** Goes to an address of this page. */
export function go(href: string, replace = false): void {
  const next = new URL(href, url);
  if (replace) history.replaceState(null, "", next);
  else history.pushState(null, "", next);
  const moved = next.pathname !== url.pathname;
  url = next;
  if (moved && !replace) scrollTo(0, 0);
}

/** Follows links to screens, and the back button. */
export function followLinks(): () => void {
  const click = (event: MouseEvent): void => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (!plain || event.altKey || event.defaultPrevented || !(event.target instanceof Element))
      return;
    const link = event.target.closest("a");
    if (!link || link.target !== "" || link.hasAttribute("download")) return;
    const next = new URL(link.href, location.href);
    if (next.origin !== location.origin || read(next).screen === "nothing") return;
    // A place on this very screen is the browser's to go to.
    if (next.hash !== "" && next.pathname === url.pathname && next.search === url.search) return;
    // The policy of a document holds until the next one is loaded: what may be framed is not where keys are.
    if (window.top !== window && ALONE.includes(read(next).screen)) return;
    event.preventDefault();
    go(next.href);
  };
  const back = (): void => {
    url = new URL(location.href);
  };
  document.addEventListener("click", click);
  addEventListener("popstate", back);
  return () => {
    document.removeEventListener("click", click);
    removeEventListener("popstate", back);
  };
}
