/** A tree of blocks and the events of a node that has it, made the slow way: from parents alone. */

import type { Branches, ReorgEvent, TipEvent } from "../../../src/api/client";
import type { Link, NodeEvent } from "../../../src/live/chain";
import { below } from "./random";

export interface Node extends Link {
  readonly parent: Node | null;
}

export class Model {
  sequence = 0;
  instance: string;
  tip: Node;
  readonly all: Node[];
  /** Tips that once were the best. */
  readonly left: Node[] = [];

  constructor(
    readonly next: () => number,
    readonly name: string,
  ) {
    this.instance = `${name}run`;
    this.tip = { index: 1, hash: `${name}-0`, previousHash: null, parent: null };
    this.all = [this.tip];
  }

  chainOf(tip: Node): Node[] {
    const chain: Node[] = [];
    for (let at: Node | null = tip; at; at = at.parent) chain.push(at);
    return chain.reverse();
  }

  get chain(): Node[] {
    return this.chainOf(this.tip);
  }

  child(parent: Node): Node {
    const hash = `${this.name}-${this.all.length}`;
    const node = { index: parent.index + 1, hash, previousHash: parent.hash, parent };
    this.all.push(node);
    return node;
  }

  get id(): string {
    return `${this.instance}-${this.sequence}`;
  }

  tipEvent(): TipEvent {
    const { index, hash, previousHash } = this.tip;
    return { index, hash, previous_hash: previousHash, work: "", transactions: 1, miner: "m" };
  }

  mine(): NodeEvent {
    this.tip = this.child(this.tip);
    this.sequence++;
    return { kind: "tip", data: this.tipEvent() };
  }

  /** A block of the last `most`, from which a branch begins. */
  recent(most: number): Node {
    const chain = this.chain;
    const at = Math.max(0, chain.length - 1 - below(this.next, most));
    return chain[at] ?? this.tip;
  }

  /** Makes `tip` the best, as the node tells it. */
  reorg(tip: Node): NodeEvent {
    const [before, now] = [this.chain, this.chainOf(tip)];
    let shared = 0;
    while (before[shared] !== undefined && before[shared] === now[shared]) shared++;
    const place = ({ index, hash }: Node) => ({ index, hash });
    const fork = before[shared - 1];
    const left = before.slice(shared).map(place).reverse();
    const joined = now.slice(shared).map(place);
    this.left.push(this.tip);
    this.tip = tip;
    this.sequence++;
    const data: ReorgEvent = {
      fork: fork ? place(fork) : null,
      left: left.slice(0, 1_000),
      left_count: left.length,
      left_work: "",
      joined: joined.slice(0, 1_000),
      joined_count: joined.length,
      waiting: below(this.next, 9),
      tip: this.tipEvent(),
    };
    return { kind: "reorg", data };
  }

  /** Something that happens: mostly a block, sometimes another branch becomes the best, or none is told. */
  something(): NodeEvent | null {
    const chance = this.next();
    if (chance < 0.6) return this.mine();
    if (chance < 0.7) return (this.sequence++, { kind: "other" });
    const chain = new Set(this.chain);
    const others = this.all.filter((node) => !chain.has(node) && node.index >= this.tip.index - 6);
    const old = others[below(this.next, others.length)];
    let end = chance < 0.85 && old ? old : this.recent(6);
    // A branch grows in silence, until it is longer.
    const isSilent = this.next() < 0.3;
    const length = isSilent ? 1 + below(this.next, 3) : Infinity;
    for (let count = 0; count < length && end.index <= this.tip.index; count++)
      end = this.child(end);
    return end.index > this.tip.index && end.parent !== this.tip ? this.reorg(end) : null;
  }

  /** What lost: tips that were the best and are not part of the chain now. */
  lost(): { tip: string; fork: string | null; length: number }[] {
    const chain = new Set(this.chain);
    const gone = [...new Set(this.left)].filter((tip) => !chain.has(tip));
    // A tip with another one on top of it is no end of a branch.
    const ends = gone.filter(
      (tip) => !gone.some((other) => other !== tip && this.chainOf(other).includes(tip)),
    );
    return ends.map((tip) => this.branch(tip, chain));
  }

  branch(
    tip: Node,
    chain: ReadonlySet<Node>,
  ): { tip: string; fork: string | null; length: number } {
    const fork = this.chainOf(tip).findLast((node) => chain.has(node));
    return { tip: tip.hash, fork: fork?.hash ?? null, length: tip.index - (fork?.index ?? 0) };
  }

  /** As `GET branches` has it. */
  branches(): Branches {
    const chain = new Set(this.chain);
    const parents = new Set(this.all.map((node) => node.parent));
    const ends = this.all.filter((node) => !parents.has(node) && !chain.has(node));
    const byHash = new Map(this.all.map((node) => [node.hash, node]));
    const place = (node: Node | undefined) => node && { index: node.index, hash: node.hash };
    const branches = ends.map((end) => {
      const { fork, length } = this.branch(end, chain);
      const tip = { index: end.index, hash: end.hash };
      const forkPlace = place(byHash.get(fork ?? "")) ?? null;
      const lost = "less_work" as const;
      return {
        fork: forkPlace,
        tip,
        length,
        work: "",
        less_work: "",
        lost,
        from: null,
        miner: null,
      };
    });
    const { index, hash } = this.tip;
    return { tip: { index, hash }, work: "", count: branches.length, branches };
  }
}
