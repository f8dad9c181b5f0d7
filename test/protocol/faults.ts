/** What may go wrong with bytes on their way, or be done to them. */
import fc from "fast-check";

type Fault =
  | { readonly kind: "flip"; readonly at: number; readonly bits: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "put"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "splice"; readonly at: number; readonly from: number; readonly size: number };

/** Up to three of them. */
export const faults: fc.Arbitrary<Fault[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
    fc.record({
      kind: fc.constant("put" as const),
      at: fc.nat(),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    }),
    fc.record({ kind: fc.constant("splice" as const), at: fc.nat(), from: fc.nat(), size: fc.nat(80) }),
  ),
  { minLength: 1, maxLength: 3 },
);

/** Bytes with something wrong. */
export function faulty(bytes: Uint8Array, fault: Fault): Uint8Array {
  const at = fault.at % (bytes.length + 1);
  switch (fault.kind) {
    case "flip":
      return bytes.map((byte, index) => (index === at ? byte ^ fault.bits : byte));
    case "cut":
      return bytes.subarray(0, at);
    case "put":
      return Buffer.concat([bytes.subarray(0, at), fault.bytes, bytes.subarray(at)]);
    case "splice": {
      const from = fault.from % (bytes.length + 1);
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + fault.size), bytes.subarray(at)]);
    }
  }
}
