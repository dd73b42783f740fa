import { defineConfig } from "vitest/config";

/** Tests of the page in a real browser, against real nodes, one after the other. */
export default defineConfig({
  test: {
    include: ["tests/browser/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
