import { describe, expect, it } from "vitest";
import { climb, pathOf, proves, rootOf, rows } from "../../../src/rules/merkle";
import { vectorsOf } from "./support";

interface Vectors {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly paths: readonly {
    readonly position: number;
    readonly leaves: number;
    readonly path: readonly string[];
  }[];
}

const { leaves, roots, paths } = vectorsOf<Vectors>("merkle.json");
const all = leaves.map((leaf) => new Uint8Array(Buffer.from(leaf, "hex")));

describe("Certificate Transparency's tree (tests/vectors/merkle.json)", () => {
  it("has the published roots", () => {
    for (const [count, root] of roots.entries()) expect(rootOf(all.slice(0, count))).toBe(root);
    expect(roots).toHaveLength(9);
  });

  it("has the published paths, and each leads to the root by steps that can be drawn", () => {
    for (const { position, leaves: count, path } of paths) {
      const list = all.slice(0, count);
      const [leaf, root] = [list[position], roots[count]];
      if (leaf === undefined || root === undefined) throw new Error("no such leaf");
      expect(pathOf(list, position)).toEqual(path);
      const steps = climb(leaf, position, count, path) ?? [];
      const tree = rows(list);
      expect(steps).toHaveLength(tree.length - 1);
      for (const [at, { side, sibling, hash }] of steps.entries()) {
        const place = position >> at;
        expect(hash).toBe(tree[at + 1]?.[place >> 1]);
        expect(sibling).toBe(tree[at]?.[place ^ 1]);
        expect(side).toBe(sibling === undefined ? "none" : place % 2 === 1 ? "left" : "right");
      }
      expect(proves(leaf, position, count, path, root)).toBe(true);
    }
    expect(paths).toHaveLength(36);
  });

  it("proves nothing else", () => {
    for (const { position, leaves: count, path } of paths) {
      const [leaf, root] = [all[position], roots[count]];
      if (leaf === undefined || root === undefined) throw new Error("no such leaf");
      const other = new Uint8Array([...leaf, 7]);
      expect(proves(other, position, count, path, root)).toBe(false);
      expect(proves(leaf, position, count, [...path, root], root)).toBe(false);
      expect(proves(leaf, count, count, path, root)).toBe(false);
      expect(proves(leaf, -1, count, path, root)).toBe(false);
      expect(proves(leaf, position + 0.5, count, path, root)).toBe(false);
      if (path.length > 0) expect(proves(leaf, position, count, path.slice(1), root)).toBe(false);
      for (const at of path.keys()) {
        const changed = path.map((hash, place) => (place === at ? root : hash));
        expect(proves(leaf, position, count, changed, root)).toBe(false);
        const short = path.map((hash, place) => (place === at ? hash.slice(2) : hash));
        expect(proves(leaf, position, count, short, root)).toBe(false);
      }
    }
    expect(pathOf(all, all.length)).toBeUndefined();
    expect(pathOf([], 0)).toBeUndefined();
  });
});
