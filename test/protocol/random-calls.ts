/** Calls and messages of any value that their bytes can hold: for codecs, not for a ledger. */
import fc from "fast-check";
import type { Action, Call, Payee } from "../../src/protocol/call.ts";
import { callCodec } from "../../src/protocol/call.ts";

const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });
const hex = (size: number): fc.Arbitrary<string> => bytes(size).map((all) => `0x${Buffer.from(all).toString("hex")}`);
const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const amount = fc.oneof(fc.bigInt(0n, 100n), fc.bigInt(0n, (1n << 128n) - 1n));
const id = hex(32);
const key = hex(33);

const element = fc.uint8Array({ maxLength: 33 });
const proof = bytes(64);

const tagged = <T extends string, V>(tag: T, value: fc.Arbitrary<V>): fc.Arbitrary<{ tag: T; value: V }> =>
  value.map((inner) => ({ tag, value: inner }));
const nothing = fc.constant(undefined);

const payee: fc.Arbitrary<Payee> = fc.oneof(
  tagged("staked", nothing),
  tagged("stash", nothing),
  tagged("account", id),
  tagged("none", nothing),
);

const action: fc.Arbitrary<Action> = fc.oneof(
  tagged("rotate", nothing),
  tagged("launch", nothing),
  tagged("setRotationInterval", u32),
  tagged("setRotationWorker", fc.record({ identityKey: key, may: fc.boolean() })),
  tagged("setStore", id),
  tagged("quarantine", fc.record({ rotationId: u32, partition: u32 })),
  tagged("allow", id),
  tagged("withdraw", id),
  tagged("cancelSlash", u32),
  tagged(
    "migrate",
    fc.record({
      measurement: fc.option(id),
      envelopeVersion: fc.constant(1),
      cipherSuite: fc.constantFrom("aes-256-gcm" as const, "chacha20-poly1305" as const),
      keySuite: fc.constantFrom(1 as const, 2 as const),
      store: fc.option(id),
      height: u32,
    }),
  ),
  tagged("cancelMigration", nothing),
  tagged("closeAbandonment", u32),
);

const count = fc.maxSafeNat();
const receipt = tagged(
  "swept",
  fc.record({
    pages: u32,
    records: count,
    bytes: count,
    failed: count,
    failures: fc.array(fc.record({ contract: id, key: fc.uint8Array({ maxLength: 256 }) }), { maxLength: 8 }),
    quarantined: count,
    digest: id,
  }),
);
const verdict = tagged(
  "verified",
  fc.constantFrom("sound" as const, "faulty" as const, "damaged" as const, "overwritten" as const),
);

export const call: fc.Arbitrary<Call> = fc.oneof(
  tagged("transfer", fc.record({ to: id, amount })),
  tagged("bond", fc.record({ amount, payee })),
  tagged("bondExtra", amount),
  tagged("unbond", amount),
  tagged("withdrawUnbonded", nothing),
  tagged("validate", fc.record({ commission: u32, blocked: fc.boolean() })),
  tagged("nominate", fc.array(id, { maxLength: 16 })),
  tagged("chill", nothing),
  tagged("setPayee", payee),
  tagged("setKeys", key),
  tagged(
    "registerWorker",
    fc.record({
      identityKey: key,
      ecdhKey: key,
      attestation: fc.uint8Array({ maxLength: 100 }),
      sequence: u32,
      proof: hex(64),
    }),
  ),
  tagged("deregisterWorker", key),
  tagged("setEcdhKey", key),
  tagged("heartbeat", fc.record({ session: u32, stateHash: id })),
  tagged(
    "reportOffence",
    tagged("equivocation", fc.record({ first: fc.uint8Array({ maxLength: 200 }), second: fc.uint8Array() })),
  ),
  tagged("govern", fc.record({ round: u32, action })),
  tagged("registerDealingKey", fc.record({ epoch: u32, dealingKey: element, proof })),
  tagged(
    "deal",
    fc.record({
      epoch: u32,
      dealing: fc.record({
        commitments: fc.uint8Array({ maxLength: 200 }),
        possession: fc.uint8Array({ maxLength: 64 }),
        ephemeralKey: element,
        ephemeralProof: proof,
        ciphertexts: fc.uint8Array({ maxLength: 200 }),
      }),
    }),
  ),
  tagged(
    "judgeDealings",
    fc.record({
      epoch: u32,
      complaints: fc.array(fc.record({ dealer: u32, complaint: fc.record({ point: element, proof }) }), {
        maxLength: 4,
      }),
    }),
  ),
  tagged("confirmShare", fc.record({ epoch: u32, trial: fc.record({ partial: element, proof }) })),
  tagged("declareDestroyed", u32),
  tagged("deployContract", fc.record({ name: fc.uint8Array({ maxLength: 64 }), worker: key })),
  tagged("assignContract", fc.record({ contract: id, worker: key })),
  tagged(
    "publishContractKeys",
    fc.record({
      rotationId: u32,
      keys: fc.array(fc.record({ contract: id, ecdhKey: fc.oneof(key, id) }), { maxLength: 8 }),
    }),
  ),
  tagged(
    "setEndpoint",
    fc.record({ identityKey: key, endpoint: fc.option(fc.uint8Array({ maxLength: 256 }), { nil: null }) }),
  ),
  tagged("announceStore", id),
  tagged(
    "recordPartitions",
    fc.record({
      rotationId: u32,
      bounds: fc.array(fc.record({ contract: id, key: fc.uint8Array({ maxLength: 32 }) }), { maxLength: 8 }),
    }),
  ),
  tagged(
    "workPartitions",
    fc.record({
      rotationId: u32,
      done: fc.array(fc.record({ partition: u32, attempt: u32, outcome: fc.oneof(receipt, verdict) }), {
        maxLength: 4,
      }),
      wanted: u32,
    }),
  ),
  tagged("certifyRotation", fc.record({ rotationId: u32, switchHeight: u32 })),
  tagged("declareCompacted", u32),
  tagged("declareAbandoned", u32),
);

/** Bytes that are read as a message; nobody signed them. */
export const message: fc.Arbitrary<Uint8Array> = fc
  .tuple(bytes(33), bytes(4), call, bytes(64))
  .map(([signer, sequence, said, signature]) => Buffer.concat([signer, sequence, callCodec.enc(said), signature]));
