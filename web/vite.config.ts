import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** The node that `npm run dev` talks to. */
const node = process.env.NODE_URL ?? "http://127.0.0.1:5000";

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: "es2022",
    // The content security policy allows no inline scripts or data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": node, "/openapi.json": node } },
  test: { include: ["tests/unit/**/*.test.ts"] },
});
