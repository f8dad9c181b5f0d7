/** The ledger's tables against a plain Map, and what their hash tells. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { MerkleMap } from "../../src/protocol/merkle-map.ts";
import { u32 } from "../../src/protocol/scale.ts";
import { runs } from "./network.ts";

const DIGITS = 64;

/** Keys that part from others late, at any digit, or at once. */
const keys: fc.Arbitrary<string> = fc.oneof(
  fc.tuple(fc.nat(DIGITS - 1), fc.nat(15), fc.constantFrom("0", "a", "f")).map(([at, digit, fill]) => {
    return `0x${fill.repeat(at)}${digit.toString(16)}${fill.repeat(DIGITS - at - 1)}`;
  }),
  fc.nat(40).map((n) => `0x${createHash("sha256").update(String(n)).digest("hex")}`),
);

/** A value to set, or null to delete. */
const edits = fc.array(fc.tuple(keys, fc.option(fc.nat(3), { freq: 3 })), { maxLength: 40, size: "max" });
type Edit = readonly [string, number | null];

const empty = new MerkleMap(u32);
const edited = (map: MerkleMap<number>, [key, value]: Edit): MerkleMap<number> =>
  value === null ? map.delete(key) : map.set(key, value);
const rootOf = (map: MerkleMap<number>): string => Buffer.from(map.rootHash()).toString("hex");
const byKey = ([a]: readonly [string, number], [b]: readonly [string, number]): number => (a < b ? -1 : 1);

/** The tree that its format describes, from contents alone. */
function hashOf(entries: readonly (readonly [string, number])[], place = 0): Buffer {
  if (entries.length === 0) return Buffer.alloc(32);
  const sha256 = createHash("sha256");
  if (entries.length === 1) {
    const [key, value] = entries[0]!;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return sha256
      .update(Uint8Array.of(0))
      .update(Buffer.from(key.slice(2), "hex"))
      .update(bytes)
      .digest();
  }
  const children = [..."0123456789abcdef"].map((digit) => entries.filter(([key]) => key[2 + place] === digit));
  if (children.some((child) => child.length === entries.length)) return hashOf(entries, place + 1);
  const which = children.reduce((bits, child, at) => bits + (child.length > 0 ? 2 ** at : 0), 0);
  sha256.update(Uint8Array.of(1, place, which % 256, Math.floor(which / 256)));
  for (const child of children) if (child.length > 0) sha256.update(hashOf(child, place + 1));
  return sha256.digest();
}

it("holds what a Map holds, in the order of keys, in all its versions", () => {
  fc.assert(
    fc.property(edits, (history) => {
      const plain = new Map<string, number>();
      const versions: { map: MerkleMap<number>; entries: (readonly [string, number])[]; root: string | null }[] = [];
      let map = empty;
      for (const [at, edit] of history.entries()) {
        const [key, value] = edit;
        map = edited(map, edit);
        if (value === null) plain.delete(key);
        else plain.set(key, value);
        // Half of the hashes are asked for at once: they are kept in nodes that later versions share.
        versions.push({ map, entries: [...plain].sort(byKey), root: at % 2 === 0 ? rootOf(map) : null });
      }
      for (const { map: version, entries, root } of versions) {
        expect([...version]).toEqual(entries);
        expect([...version.keys()]).toEqual(entries.map(([key]) => key));
        expect([...version.values()]).toEqual(entries.map(([, value]) => value));
        expect(version.size).toBe(entries.length);
        expect(rootOf(version)).toBe(hashOf(entries).toString("hex"));
        if (root !== null) expect(root).toBe(rootOf(version));
        for (const [key] of history) {
          const value = entries.find(([each]) => each === key)?.[1];
          expect(version.get(key)).toBe(value);
          expect(version.has(key)).toBe(value !== undefined);
        }
      }
    }),
    runs(40),
  );
});

it("has a hash that tells contents, whatever was done to reach them, and nothing else", () => {
  fc.assert(
    fc.property(edits, edits, fc.array(fc.nat(1_000)), (history, detour, shuffle) => {
      const direct = history.reduce(edited, empty);
      const entries = [...direct];
      const order = entries.map((entry, at) => [shuffle[at] ?? 0, entry] as const).sort(([a], [b]) => a - b);
      const byDetour = detour.reduce(edited, empty);
      let map = order.reduce<MerkleMap<number>>((made, [, entry]) => edited(made, entry), byDetour);
      for (const key of byDetour.keys()) if (!direct.has(key)) map = map.delete(key);
      expect(rootOf(map)).toBe(rootOf(direct));
      expect([...map]).toEqual(entries);
      expect(rootOf(byDetour) === rootOf(direct)).toBe(JSON.stringify([...byDetour]) === JSON.stringify(entries));
    }),
    runs(100),
  );
});

it("changes its hash with any one entry", () => {
  fc.assert(
    fc.property(edits, fc.nat(), keys, (history, pick, key) => {
      const map = history.reduce(edited, empty);
      const [changed, value] = [...map][pick % Math.max(map.size, 1)] ?? [key, 0];
      const roots = [map, map.set(changed, value + 1), map.delete(changed), map.has(key) ? empty : map.set(key, 9)];
      const contents = new Set(roots.map((each) => JSON.stringify([...each])));
      expect(new Set(roots.map(rootOf)).size).toBe(contents.size);
    }),
    runs(100),
  );
});
