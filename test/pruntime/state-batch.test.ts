import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContractKind, contractId } from "../../src/contract-id.ts";
import { type NamedState, StatePacker } from "../../src/gatekeeper/state-packer.ts";
import type { StateBatch } from "../../src/pruntime/boundary.ts";
import { unpackStates } from "../../src/pruntime/state-batch.ts";

function packStates(states: readonly NamedState[]): StateBatch {
  const packer = new StatePacker();
  for (const state of states) packer.add(state);
  expect(packer.states).toBe(states.length);
  return packer.take();
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const state: fc.Arbitrary<NamedState> = fc.record({
  kind: fc.constantFrom<ContractKind>(1, 2, 3, 4),
  name: bytes(3),
  key: bytes(3),
  value: bytes(40),
});

const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

describe("a batch of states", () => {
  it("comes out by contract, in order of keys, with the last put of each", () => {
    fc.assert(
      fc.property(fc.array(state, { maxLength: 60 }), (states) => {
        // What a contract's kind does not allow as a name is contractId's business, not the batch's.
        const named = states.map((one) => ({
          ...one,
          name: Uint8Array.from({ length: one.kind === 1 ? 20 : one.kind === 2 ? 16 : 1 }, (_, i) =>
            one.kind === 4 ? 0x3a : (one.name[i] ?? 0),
          ),
        }));
        const expected = new Map<string, Map<string, string>>();
        for (const { kind, name, key, value } of named) {
          const id = hex(contractId(kind, name));
          const puts = expected.get(id) ?? new Map<string, string>();
          expected.set(id, puts.set(hex(key), hex(value)));
        }
        const edits = unpackStates(packStates(named));
        expect(edits.length).toBe(expected.size);
        for (const { contract, edits: puts } of edits) {
          expect(contract.id).toEqual(contractId(contract.kind as ContractKind, contract.name));
          const keys = puts.map(({ key }) => hex(key));
          expect(keys).toEqual(keys.toSorted());
          const values = new Map(puts.map(({ key, value }) => [hex(key), hex(value!)]));
          expect(values).toEqual(expected.get(hex(contract.id)));
        }
      }),
    );
  });

  it("copies, so that the caller's buffers stay the caller's", () => {
    const value = Uint8Array.of(1, 2, 3);
    const batch = packStates([{ kind: 1, name: new Uint8Array(20), key: new Uint8Array(0), value }]);
    value.fill(9);
    const [{ edits } = { edits: [] }] = unpackStates(batch);
    expect(edits[0]!.value).toEqual(Uint8Array.of(1, 2, 3));
    expect(unpackStates(packStates([]))).toEqual([]);
  });
});
