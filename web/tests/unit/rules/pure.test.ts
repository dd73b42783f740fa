/** The rules need no document, network, clock or chance: they run in a worker and in Node as well. */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";

const FOLDER = fileURLToPath(new URL("../../../src/rules/", import.meta.url));
const files = readdirSync(FOLDER).filter((name) => name.endsWith(".ts"));

it("compile with the language's own library alone", { timeout: 60_000 }, () => {
  const program = ts.createProgram(
    files.map((name) => FOLDER + name),
    {
      lib: ["lib.es2023.d.ts"],
      types: [],
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
    },
  );
  const faults = ts.getPreEmitDiagnostics(program);
  expect(
    faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")),
  ).toEqual([]);
  expect(files.length).toBeGreaterThan(10);
});

it("ask for no time and no chance", () => {
  for (const name of files) {
    expect(readFileSync(FOLDER + name, "utf8"), name).not.toMatch(/\b(Date|random|performance)\b/);
  }
});

it("load the curve only where a caller asks for it", () => {
  for (const name of files) {
    // Imports of types alone leave nothing behind.
    const imports = readFileSync(FOLDER + name, "utf8").match(/^(import|export) (?!type )[^;]*;/gm);
    const loaded = (imports ?? []).filter((line) => /"(\.\/curve|@noble\/curves\/.*)"/.test(line));
    expect(loaded.length > 0, `${name}: ${loaded.join()}`).toBe(name === "curve.ts");
  }
});
