// Writes FILE.br and FILE.gz beside each file of a folder that gets shorter by it: a node sends the form that a
// browser takes, and has no work with it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { argv } from "node:process";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const compressible = /\.(html|js|css|svg|json|txt|map|ico|wav)$/;

const [, , folder] = argv;
if (folder === undefined) throw new Error("usage: node compress.mjs FOLDER");

for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
  if (!compressible.test(name)) continue;
  const file = join(folder, name);
  const plain = readFileSync(file);
  const brotli = brotliCompressSync(plain, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  });
  const gzip = gzipSync(plain, { level: constants.Z_BEST_COMPRESSION });
  for (const [ending, bytes] of [
    [".br", brotli],
    [".gz", gzip],
  ]) {
    if (bytes.length < plain.length) writeFileSync(`${file}${ending}`, bytes);
  }
}
