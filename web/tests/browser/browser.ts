/** A browser for tests, which notices every complaint in its console. */

import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

export const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser, which Debian has. */
export const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

export async function browser(): Promise<Browser> {
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGS });
}

/** What a page complained of: its errors, and errors and warnings in the console. */
export const complaints: string[] = [];

/** Opens an address in a context of its own; `expected` are complaints that belong to the test. */
export async function open(
  of: Browser,
  url: string,
  options: BrowserContextOptions = {},
  expected: RegExp = /(?!)/,
): Promise<Page> {
  const context = await of.newContext({
    locale: "en-GB",
    viewport: { width: 1440, height: 900 },
    ...options,
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    const said = `${message.type()}: ${message.text()}`;
    if (["error", "warning"].includes(message.type()) && !expected.test(said))
      complaints.push(said);
  });
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  await page.goto(url);
  return page;
}

/** Closes all pages; before their node ends, of which they would complain. */
export async function closeAll(of: Browser): Promise<void> {
  await Promise.all(of.contexts().map((context) => context.close()));
}

/** Waits until the page says that it is live. */
export async function isLive(page: Page): Promise<void> {
  await page.locator('.live[data-state="live"]').waitFor({ timeout: 20_000 });
}

/** The middle one of some numbers. */
export function median(of: readonly number[]): number {
  const sorted = [...of].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}
