import crypto, { createHash } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { generateProof, verifyProof } from "../../src/keys/dleq.ts";
import { NobleGroup } from "../../src/keys/noble-group.ts";
import type { PartialRequest } from "../../src/keys/partial-request.ts";
import { PartialStatement } from "../../src/keys/partial-proof.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import type { Secret } from "../../src/secret.ts";
import { contractsOf, named, requestFor } from "./committee.ts";
import { COMPRESSED_SECP256K1_GROUP, GROUPS, type GroupOracle, hex, numberOf, split } from "./groups.ts";

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** What partial-proof.ts says, once more: the challenge that a proof of a statement has to have. */
function expectedChallenge(
  oracle: GroupOracle,
  request: PartialRequest,
  index: number,
  publicKey: Uint8Array,
  partials: Uint8Array,
  proof: Uint8Array,
): bigint {
  const { group, ids, points, count } = request.contracts;
  const le = (value: number, bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntLE(value, 0, bytes);
    return buffer;
  };
  const quorum = request.quorum ?? [];
  const transcript = Buffer.concat([
    Buffer.from("gatekeeper/v1 dleq transcript"),
    le(group.keySuite, 1),
    request.genesis,
    request.nonce,
    le(request.rotationId, 4),
    request.session,
    le(index, 2),
    le(quorum.length, 2),
    ...quorum.map((member) => le(member, 2)),
    publicKey,
    le(count, 4),
    ids,
    partials,
  ]);
  const digest = createHash("sha256").update(transcript).digest();
  const stream = createHash("shake256", { outputLength: 16 * count })
    .update(Buffer.concat([Buffer.from("gatekeeper/v1 dleq weights"), digest]))
    .digest("hex");
  const weights = stream.match(/.{32}/g)!.map((word) => BigInt(`0x${word}`));
  const zero = new Uint8Array(group.elementBytes);
  const fold = (elements: Uint8Array): Uint8Array =>
    split(group, elements).reduce((sum, element, i) => oracle.add(sum, oracle.multiply(element, weights[i]!)), zero);
  const [m, z] = [fold(points), fold(partials)];
  const c = group.scalars.decode(proof.subarray(0, 32))!;
  const s = group.scalars.decode(proof.subarray(32))!;
  const t2 = oracle.add(oracle.multiply(group.generator, s), oracle.multiply(publicKey, c));
  const t3 = oracle.add(oracle.multiply(m, s), oracle.multiply(z, c));
  return oracle.hashToScalar(Buffer.concat([digest, m, z, t2, t3]), Buffer.from("gatekeeper/v1 dleq challenge"));
}

describe.each(GROUPS)("the proof of partials in $name", ({ group, oracle }) => {
  const contracts = contractsOf(group, 3);
  const k = group.scalars.random();
  const publicKey = group.multiplyBase([k]);
  const partials = group.multiplyAll(contracts.points, k);
  const prove = (statement: PartialStatement, secret: Secret): Uint8Array => {
    using nonce = statement.nonce(secret);
    return generateProof(statement, secret, nonce);
  };

  test.each([[null], [[7]], [[2, 7, 65_535]]])(
    "has the documented transcript, weights and challenge, quorum %j",
    (quorum) => {
      const request = requestFor(contracts, { quorum, rotationId: 0xa1b2c3d4 });
      const statement = new PartialStatement(request, 7, publicKey, partials);
      const proof = prove(statement, k);
      expect(verifyProof(statement, proof)).toBe(true);
      const c = expectedChallenge(oracle, request, 7, publicKey, partials, proof);
      expect(group.scalars.decode(proof.subarray(0, 32))).toBe(c);
    },
  );

  test("is about one contract as well", () => {
    const one = contractsOf(group, 1);
    const statement = new PartialStatement(requestFor(one), 1, publicKey, group.multiplyAll(one.points, k));
    expect(verifyProof(statement, prove(statement, k))).toBe(true);
  });

  describe("is bound to every part of the transcript", () => {
    const request = requestFor(contracts, { quorum: [1, 2, 7] });
    const proof = prove(new PartialStatement(request, 7, publicKey, partials), k);
    const holds = (
      changes: Partial<PartialRequest>,
      index = 7,
      key: Uint8Array = publicKey,
      outputs: Uint8Array = partials,
    ): boolean => verifyProof(new PartialStatement({ ...request, ...changes }, index, key, outputs), proof);
    const changedIds = Uint8Array.from(contracts.ids);
    changedIds[40]! ^= 1;

    test("as it is, it holds", () => {
      expect(holds({})).toBe(true);
    });

    test.each<[string, Partial<PartialRequest>]>([
      ["genesis", { genesis: named("another genesis") }],
      ["request nonce", { nonce: named("another nonce") }],
      ["rotation id", { rotationId: 4 }],
      ["session", { session: named("another session") }],
      ["no quorum", { quorum: null }],
      ["a larger quorum", { quorum: [1, 2, 7, 8] }],
      ["a smaller quorum", { quorum: [1, 7] }],
      ["another quorum", { quorum: [1, 3, 7] }],
      ["ids, their points unchanged", { contracts: { ...contracts, ids: changedIds } }],
      ["fields that are exchanged", { genesis: named("nonce"), nonce: named("genesis") }],
    ])("%s", (_, changes) => {
      expect(holds(changes)).toBe(false);
    });

    test("index, public key, and partials", () => {
      expect(holds({}, 8)).toBe(false);
      expect(holds({}, 7 + 256)).toBe(false);
      expect(holds({}, 7, group.generator)).toBe(false);
      const [a, b, c] = split(group, partials) as [Uint8Array, Uint8Array, Uint8Array];
      expect(holds({}, 7, publicKey, Buffer.concat([b, a, c]))).toBe(false);
      expect(holds({}, 7, publicKey, Buffer.concat([a, b, oracle.negate(c)]))).toBe(false);
      expect(holds({}, 7, publicKey, Buffer.concat([a, b, group.generator]))).toBe(false);
    });

    test("contracts in another order", () => {
      const [a, b, c] = split(group, contracts.points) as [Uint8Array, Uint8Array, Uint8Array];
      const [ia, ib, ic] = [0, 32, 64].map((at) => contracts.ids.slice(at, at + 32)) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      const turned = { ...contracts, ids: Buffer.concat([ib, ia, ic]), points: Buffer.concat([b, a, c]) };
      const [pa, pb, pc] = split(group, partials) as [Uint8Array, Uint8Array, Uint8Array];
      expect(holds({ contracts: turned }, 7, publicKey, Buffer.concat([pb, pa, pc]))).toBe(false);
    });
  });

  describe("has a nonce", () => {
    const statement = new PartialStatement(requestFor(contracts), 1, publicKey, partials);
    const other = new PartialStatement(requestFor(contracts, { nonce: named("other") }), 1, publicKey, partials);

    test("that is another one each time", () => {
      const nonces = Array.from({ length: 20 }, () => numberOf(group, statement.nonce(k)));
      expect(new Set(nonces).size).toBe(20);
    });

    test("that differs between statements and secrets even if randomness repeats itself", () => {
      const secrets = [k, group.scalars.random()];
      vi.spyOn(crypto, "randomFillSync").mockImplementation((bytes) => bytes);
      syncBuiltinESMExports();
      const nonces = [statement, other].flatMap((each) => secrets.map((secret) => each.nonce(secret)));
      expect(new Set(nonces.map((nonce) => numberOf(group, nonce))).size).toBe(4);
      // The same statement under the same secret: the same proof, which tells nothing new.
      expect(hex(prove(statement, k))).toBe(hex(prove(statement, k)));
    });

    test("that is not the secret, and does not wipe it", () => {
      const before = numberOf(group, k);
      expect(numberOf(group, statement.nonce(k))).not.toBe(before);
      expect(numberOf(group, k)).toBe(before);
    });
  });
});

test("a proof in one key suite is none in another, were the elements the same", () => {
  const group = COMPRESSED_SECP256K1_GROUP;
  const renamed = new NobleGroup(2, secp256k1.Point, secp256k1_hasher, SECP256K1_SCALARS);
  const contracts = contractsOf(group, 2);
  const k = group.scalars.random();
  const statementIn = (suite: typeof group): PartialStatement => {
    const partials = group.multiplyAll(contracts.points, k);
    return new PartialStatement(requestFor({ ...contracts, group: suite }), 1, group.multiplyBase([k]), partials);
  };
  const proof = generateProof(statementIn(group), k, group.scalars.random());
  expect(verifyProof(statementIn(group), proof)).toBe(true);
  expect(verifyProof(statementIn(renamed), proof)).toBe(false);
});
