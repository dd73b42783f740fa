/** How numbers, hashes and times look. */

import type { Clock, Language } from "./settings.svelte";

/** The reader's own kind of a language, so that separators are theirs. */
export function locale(language: Language): string {
  return navigator.languages.find((tag) => tag.toLowerCase().startsWith(language)) ?? language;
}

export function whole(value: number | bigint, language: Language): string {
  return new Intl.NumberFormat(locale(language), { maximumFractionDigits: 0 }).format(value);
}

/** A number of at most three digits, and what it is counted in: 16.9 M. */
export function short(value: number, language: Language): string {
  const steps = ["", " k", " M", " G", " T", " P", " E"];
  let step = 0;
  while (Math.abs(value) >= 999.5 && step < steps.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  const format = new Intl.NumberFormat(locale(language), {
    maximumFractionDigits: step === 0 && Number.isInteger(value) ? 0 : digits,
  });
  return format.format(value) + (steps[step] ?? "");
}

export function percent(share: number, language: Language): string {
  const digits = share > 0 && share < 0.01 ? 1 : 0;
  const format = new Intl.NumberFormat(locale(language), {
    style: "percent",
    maximumFractionDigits: digits,
  });
  return format.format(share);
}

/** A span of time in its two largest units: "1 min 58 s"; after ten minutes no seconds are told. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** A point in time, with the name of its zone. */
export function moment(seconds: number, language: Language, clock: Clock): string {
  return new Intl.DateTimeFormat(locale(language), {
    dateStyle: "long",
    timeStyle: "long",
    ...(clock === "utc" ? { timeZone: "UTC" } : {}),
  }).format(new Date(seconds * 1000));
}

/** How a hash is cut: its zeros, six digits beyond them, and the last six. */
export function cut(hash: string): { zeros: string; head: string; middle: string; tail: string } {
  const zeros = /^0*/.exec(hash)?.[0] ?? "";
  const head = zeros.length + 6;
  if (hash.length <= head + 7)
    return { zeros, head: hash.slice(zeros.length), middle: "", tail: "" };
  return {
    zeros,
    head: hash.slice(zeros.length, head),
    middle: hash.slice(head, -6),
    tail: hash.slice(-6),
  };
}

/** The eight colours of a text as a gradient: hues of the last bytes of a hash, or of a mix of it. */
export function stripe(hash: string): string {
  const colours = hues(hash).map((hue, at) => {
    const [from, to] = [at * 12.5, (at + 1) * 12.5];
    return `hsl(${hue} var(--stripe-s) var(--stripe-l)) ${from}% ${to}%`;
  });
  return `linear-gradient(90deg, ${colours.join(", ")})`;
}

function hues(of: string): number[] {
  const hex = /[0-9a-f]{16}$/.exec(of)?.[0];
  const bytes = hex ? (hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16)) : mixed(of);
  return bytes.map((byte) => Math.round((byte * 360) / 256));
}

/** Eight bytes that tell names apart; FNV-1a, for colours alone. */
function mixed(text: string): number[] {
  let state = 0x811c9dc5;
  const step = (value: number): void => {
    state = Math.imul(state ^ value, 0x01000193) >>> 0;
  };
  for (let at = 0; at < text.length; at += 1) step(text.charCodeAt(at));
  return Array.from({ length: 8 }, (_, at) => {
    step(at);
    return (state >>> 16) & 0xff;
  });
}

/** How many decimal places a coin has where payments are signed. */
const PLACES = 8;
/** One coin in units. */
export const ONE_COIN = `1${"0".repeat(PLACES)}`;

/** Units as coins, exactly, with the reader's separators; another text stays as it is. */
export function coinsOf(units: string, language: Language): string {
  if (!/^-?\d+$/.test(units)) return units;
  const digits = units.replace("-", "").padStart(PLACES + 1, "0");
  const fraction = digits.slice(-PLACES).replace(/0+$/, "");
  const sign = units.startsWith("-") ? "-" : "";
  // The format takes a decimal text of any length as the number that it names.
  const text = `${sign}${digits.slice(0, -PLACES)}.${fraction || "0"}` as `${number}`;
  return new Intl.NumberFormat(locale(language), { maximumFractionDigits: PLACES }).format(text);
}
