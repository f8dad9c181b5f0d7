/**
 * A map of 32-byte keys that never changes, and knows the hash of what is in it: the ledger's tables.
 *
 * `set` and `delete` make another map, which shares with the old one all but a path of nodes. A node's hash is computed
 * when it is first asked for and kept, so hashing a map again costs what changed. It is a radix-16 tree without branches
 * of one child: a branch stands where keys part, and names the digit by which they do. So equal contents make equal
 * trees, whatever was done to reach them, and n keys make at most n − 1 branches, however they were chosen.
 *
 *   leaf   SHA-256(0 ‖ key ‖ value)
 *   branch SHA-256(1 ‖ digit ‖ which of 16 children exist, 2 LE ‖ their hashes)
 *   empty  32 zeros
 */
import { hash } from "node:crypto";
import type { Codec } from "scale-ts";
import { type Hex, joined } from "./scale.ts";

const DIGITS = 16;
/** `0x` before a key's digits. */
const PREFIX = 2;
const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0);
const BRANCH = 1;
/** Bytes of a branch before its children's hashes. */
const BRANCH_HEAD_BYTES = 4;
/** What branches are hashed from, one after the other. */
const branchBytes = Buffer.alloc(BRANCH_HEAD_BYTES + DIGITS * HASH_BYTES);

/** A hash, a character a byte: memory of its own for each would take several times as long as hashing. */
type HashText = string;

interface Leaf<V> {
  readonly key: Hex;
  readonly value: V;
  hash: HashText | null;
}

interface Branch<V> {
  /** Some key below: all have the same digits before the one at `place`. */
  readonly key: Hex;
  /** In the key's string. */
  readonly place: number;
  readonly children: readonly (Node<V> | null)[];
  hash: HashText | null;
}

type Node<V> = Leaf<V> | Branch<V>;

/** Keys are 32 bytes as hex; iteration goes in their order. */
export class MerkleMap<V> implements Iterable<readonly [Hex, V]> {
  /** Of values. */
  readonly codec: Codec<V>;
  readonly size: number;
  readonly #root: Node<V> | null;

  /** An empty map; `root` and `size` are for maps that are made from others. */
  constructor(codec: Codec<V>, root: Node<V> | null = null, size = 0) {
    this.codec = codec;
    this.#root = root;
    this.size = size;
  }

  get(key: Hex): V | undefined {
    let node = this.#root;
    while (node !== null && "children" in node) node = node.children[digit(key, node.place)]!;
    return node !== null && node.key === key ? node.value : undefined;
  }

  has(key: Hex): boolean {
    return this.get(key) !== undefined;
  }

  /** This map with `value` at `key`. */
  set(key: Hex, value: V): MerkleMap<V> {
    const leaf: Leaf<V> = { key, value, hash: null };
    const grown = this.has(key) ? this.size : this.size + 1;
    return new MerkleMap(this.codec, inserted(this.#root, leaf), grown);
  }

  /** This map without `key`. */
  delete(key: Hex): MerkleMap<V> {
    if (!this.has(key)) return this;
    return new MerkleMap(this.codec, removed(this.#root!, key), this.size - 1);
  }

  *[Symbol.iterator](): Generator<readonly [Hex, V]> {
    yield* entriesOf(this.#root);
  }

  *keys(): Generator<Hex> {
    for (const [key] of this) yield key;
  }

  *values(): Generator<V> {
    for (const [, value] of this) yield value;
  }

  /** 32 bytes that stand for the contents. */
  rootHash(): Uint8Array {
    return this.#root === null ? new Uint8Array(HASH_BYTES) : Buffer.from(this.#hashOf(this.#root), "binary");
  }

  #hashOf(node: Node<V>): HashText {
    node.hash ??= "children" in node ? this.#hashOfBranch(node) : this.#hashOfLeaf(node);
    return node.hash;
  }

  #hashOfLeaf({ key, value }: Leaf<V>): HashText {
    return hash("sha256", joined([LEAF, Buffer.from(key.slice(PREFIX), "hex"), this.codec.enc(value)]), "binary");
  }

  #hashOfBranch({ place, children }: Branch<V>): HashText {
    // All of them before the first is written: they are hashed in the same place.
    for (const child of children) if (child !== null) this.#hashOf(child);
    let end = BRANCH_HEAD_BYTES;
    let which = 0;
    for (let at = 0; at < DIGITS; at++) {
      const child = children[at]!;
      if (child === null) continue;
      which |= 1 << at;
      end += branchBytes.write(this.#hashOf(child), end, "binary");
    }
    branchBytes[0] = BRANCH;
    branchBytes[1] = place - PREFIX;
    branchBytes.writeUInt16LE(which, 2);
    return hash("sha256", branchBytes.subarray(0, end), "binary");
  }
}

function digit(key: Hex, place: number): number {
  const code = key.charCodeAt(place);
  return code < 97 ? code - 48 : code - 87;
}

function inserted<V>(node: Node<V> | null, leaf: Leaf<V>): Node<V> {
  if (node === null || (node.key === leaf.key && !("children" in node))) return leaf;
  const end = "children" in node ? node.place : node.key.length;
  let place = PREFIX;
  while (place < end && node.key.charCodeAt(place) === leaf.key.charCodeAt(place)) place++;
  if (place === end && "children" in node) {
    const at = digit(leaf.key, place);
    return { ...node, children: node.children.with(at, inserted(node.children[at]!, leaf)), hash: null };
  }
  const children = new Array<Node<V> | null>(DIGITS).fill(null);
  children[digit(node.key, place)] = node;
  children[digit(leaf.key, place)] = leaf;
  return { key: leaf.key, place, children, hash: null };
}

/** A branch that keeps one child gives way to it. */
function removed<V>(node: Node<V>, key: Hex): Node<V> | null {
  if (!("children" in node)) return null;
  const at = digit(key, node.place);
  const children = node.children.with(at, removed(node.children[at]!, key));
  const rest = children.filter((child) => child !== null);
  return rest.length === 1 ? rest[0]! : { ...node, children, hash: null };
}

function* entriesOf<V>(node: Node<V> | null): Generator<readonly [Hex, V]> {
  if (node === null) return;
  if ("children" in node) for (const child of node.children) yield* entriesOf(child);
  else yield [node.key, node.value];
}
