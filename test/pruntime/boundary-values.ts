/** Everything that may cross the boundary, for properties. */
import fc from "fast-check";
import { ERROR_CODES, type WireError } from "../../src/errors.ts";
import type { Answer, Numbered, Reply, Request } from "../../src/pruntime/boundary.ts";

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const exact = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });
const hex = (size: number): fc.Arbitrary<string> =>
  exact(size).map((value) => `0x${Buffer.from(value).toString("hex")}`);
const u32 = fc.oneof(fc.nat(300), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const count = fc.oneof(fc.nat(300), fc.maxSafeNat());
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ maxLength, unit: "grapheme" });
const threads = fc.integer({ min: 1, max: 256 });
const batch = fc.record({ words: bytes(64), bytes: bytes(64) });
const work = { threads: fc.option(threads) };

type Of<T, K> = Extract<T, { readonly tag: K }>["value" & keyof Extract<T, { readonly tag: K }>];
type Values<T extends { readonly tag: string }> = { readonly [K in T["tag"]]: fc.Arbitrary<Of<T, K>> };

const REQUESTS: Values<Request> = {
  hello: fc.array(u32, { maxLength: 16 }),
  cancel: u32,
  createHome: fc.constantFrom("aes-256-gcm", "chacha20-poly1305"),
  exportKey: text(40),
  importKey: text(40),
  get: fc.record({ contract: exact(32), key: bytes(80) }),
  write: batch,
  import: fc.record({ threads, batch }),
  rotate: fc.record({ ...work, begin: fc.boolean() }),
  verify: fc.record(work),
  createIdentity: fc.constant(undefined),
  status: fc.constant(undefined),
  join: bytes(200),
  follow: fc.record({ blocks: fc.array(bytes(100), { maxLength: 5 }), more: fc.boolean() }),
  register: fc.record({ operator: hex(32), collateral: fc.option(bytes(100)) }),
  ping: hex(33),
  deliver: bytes(200),
  provision: fc.record({ late: fc.array(hex(33), { maxLength: 5 }) }),
  execute: bytes(200),
};

const failures = fc.array(fc.record({ contract: hex(32), key: hex(5) }), { maxLength: 4 });
const writeResult = fc.record({ written: count, bytes: count, unchanged: count, deleted: count });

const ANSWERS: Values<Answer> = {
  hello: u32,
  cancel: fc.constant(undefined),
  createHome: fc.constant(undefined),
  exportKey: fc.constant(undefined),
  importKey: fc.constant(undefined),
  get: fc.option(bytes(200)),
  write: writeResult,
  import: writeResult,
  rotate: fc.option(fc.record({ rotationId: u32, records: count, bytes: count, failed: count, failures })),
  verify: fc.record({ rotationId: u32, records: count, failed: count, remainingOld: count, failures }),
  createIdentity: fc.constant(undefined),
  status: fc.record({
    identityKey: hex(33),
    ecdhKey: hex(33),
    measurement: hex(32),
    software: fc.boolean(),
    genesisHash: fc.option(hex(32)),
    height: u32,
    registered: fc.boolean(),
    gatekeeper: fc.boolean(),
    rotationFault: fc.option(fc.constantFrom(...ERROR_CODES)),
  }),
  join: u32,
  follow: fc.record({ height: u32, messages: fc.array(bytes(100), { maxLength: 1 }) }),
  register: fc.record({
    identityKey: hex(33),
    ecdhKey: hex(33),
    attestation: bytes(100),
    sequence: u32,
    proof: hex(64),
  }),
  ping: bytes(200),
  deliver: fc.oneof(
    fc.record({ tag: fc.constant("answer" as const), value: bytes(100) }),
    fc.record({ tag: fc.constant("pong" as const), value: fc.record({ from: hex(33), height: u32 }) }),
    fc.record({
      tag: fc.constant("taken" as const),
      value: fc.record({ from: hex(33), contracts: u32, blamed: fc.option(text(10)) }),
    }),
    fc.record({
      tag: fc.constant("refused" as const),
      value: fc.record({ from: hex(33), reason: text(10), height: u32 }),
    }),
  ),
  provision: fc.record({
    messages: fc.array(fc.record({ to: hex(33), endpoint: fc.option(bytes(100)), bytes: bytes(100) }), {
      maxLength: 4,
    }),
    missing: u32,
  }),
  execute: bytes(200),
};

const detail = fc.dictionary(
  text(15).filter((name) => Buffer.byteLength(name) <= 64),
  fc.oneof(
    text(20),
    fc.boolean(),
    fc.constant(null),
    // A number is told as its digits, which know no minus zero.
    fc.double().map((value) => (value === 0 ? 0 : value)),
  ),
  { maxKeys: 5, noNullPrototype: true },
);

/** Any error, of each code. */
export const wireError: fc.Arbitrary<WireError> = fc.record({
  code: fc.constantFrom(...ERROR_CODES),
  message: text(60),
  detail,
});

/** How many kinds of requests there are. */
export const REQUEST_KINDS: readonly Request["tag"][] = Object.keys(REQUESTS) as Request["tag"][];

/** A request of each kind, as likely as any other. */
export const request = tagged<Request>(REQUESTS);
/** An answer of each kind. */
export const answer = tagged<Answer>(ANSWERS);

export const numberedRequest: fc.Arbitrary<Numbered<Request>> = fc.record({ id: u32, body: request });

const progress = fc.record({
  phase: fc.constantFrom("idle" as const, "reencryption" as const, "verification" as const, "abandonment" as const),
  done: count,
  total: count,
});

export const numberedReply: fc.Arbitrary<Numbered<Reply>> = fc.record({
  id: u32,
  body: fc.oneof(
    { weight: 4, arbitrary: fc.record({ tag: fc.constant("done" as const), value: answer }) },
    { weight: 2, arbitrary: fc.record({ tag: fc.constant("failed" as const), value: wireError }) },
    fc.record({ tag: fc.constant("progress" as const), value: progress }),
  ),
});

function tagged<T extends { readonly tag: string }>(values: Values<T>): fc.Arbitrary<T> {
  const kinds = Object.keys(values) as T["tag"][];
  const ofKind = kinds.map((tag) => fc.record({ tag: fc.constant(tag), value: values[tag] as fc.Arbitrary<unknown> }));
  return fc.oneof(...ofKind) as unknown as fc.Arbitrary<T>;
}
