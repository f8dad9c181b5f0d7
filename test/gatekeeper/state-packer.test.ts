import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StatePacker } from "../../src/gatekeeper/state-packer.ts";
import { DELETED } from "../../src/pruntime/boundary.ts";

const bytes = fc.uint8Array({ maxLength: 20 });
const state = fc.record({
  kind: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
  name: bytes,
  key: bytes,
  value: fc.option(bytes),
});

describe("StatePacker", () => {
  it("lays states out in a row, four words for each, and counts them", () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 30 }), (states) => {
        const packer = new StatePacker();
        for (const one of states) packer.add(one);
        const inRow = Buffer.concat(states.flatMap(({ name, key, value }) => [name, key, value ?? new Uint8Array(0)]));
        expect(packer.states).toBe(states.length);
        expect(packer.bytes).toBe(inRow.length);
        const batch = packer.take();
        expect(Buffer.compare(batch.bytes, inRow)).toBe(0);
        const view = new DataView(batch.words.buffer, batch.words.byteOffset, batch.words.byteLength);
        const words = Array.from({ length: batch.words.length / 4 }, (_, at) => view.getUint32(4 * at, true));
        expect(words).toEqual(
          states.flatMap(({ kind, name, key, value }) => [kind, name.length, key.length, value?.length ?? DELETED]),
        );
        expect([packer.states, packer.bytes]).toEqual([0, 0]);
      }),
    );
  });

  it("grows, in states and in bytes, with whatever comes", () => {
    const packer = new StatePacker();
    const name = new Uint8Array(20).fill(1);
    const large = new Uint8Array(3 << 20).fill(5);
    packer.add({ kind: 1, name, key: Buffer.from("large"), value: large });
    for (let at = 0; at < 5_000; at++) packer.add({ kind: 1, name, key: Buffer.from(`${at}`), value: Buffer.of(at) });
    expect(packer.states).toBe(5_001);
    const { words, bytes: packed } = packer.take();
    expect(words.length).toBe(5_001 * 16);
    expect(Buffer.compare(packed.subarray(25, 25 + large.length), large)).toBe(0);
    expect(Buffer.from(packed.subarray(-25)).toString("latin1")).toBe(`${"\x01".repeat(20)}4999${"\x87"}`);
  });

  it("copies: neither its callers' buffers nor its next batch have to do with one that was taken", () => {
    const packer = new StatePacker();
    const value = Uint8Array.of(1, 2, 3);
    packer.add({ kind: 1, name: new Uint8Array(20), key: new Uint8Array(0), value });
    const first = packer.take();
    value.fill(9);
    packer.add({ kind: 1, name: new Uint8Array(20).fill(7), key: new Uint8Array(0), value });
    const second = packer.take();
    expect([...first.bytes.subarray(-3)]).toEqual([1, 2, 3]);
    expect([...second.bytes.subarray(-3)]).toEqual([9, 9, 9]);
    expect(first.bytes.buffer).not.toBe(second.bytes.buffer);
    expect(new StatePacker().take()).toEqual({ words: new Uint8Array(0), bytes: new Uint8Array(0) });
  });
});
