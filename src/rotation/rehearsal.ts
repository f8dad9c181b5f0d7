/**
 * What a thread does before its first lease of a large store: it rotates a small one in memory, there and back, and verifies each
 * time what it did.
 *
 * A thread that has just begun computes nearly ten times as slowly as it does in a second, as its code is not compiled yet and its
 * memory not mapped; between the promise of a lease and the switch block there is time for that. Measured: a thread's first
 * 200,000 records cost it a quarter less. And it tests this machine from the cipher to the verdict: OpenSSL
 * seals the states that the kernels move.
 */
import { createCipheriv, randomBytes } from "node:crypto";
import { CONTRACT_ID_BYTES } from "../contract-id.ts";
import type { PageEngine } from "../engine/page-engine.ts";
import { encodeHeader, sealedAad } from "../engine/sealed-state.ts";
import { NONCE_BYTES, TAG_BYTES, suiteId } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { PRF_BYTES, contractKeyInfo, expandContractKey } from "../keys/contract-key.ts";
import { MemoryStore } from "../store/memory.ts";
import { editPage, type RecordEdit } from "../store/page-edit.ts";
import { sweepLeased } from "./leased-partition.ts";
import { type Generation, PartitionKeys, sharePartitionKeys } from "./partition-keys.ts";
import { dropKept, verifyLeased } from "./verify-leased.ts";

const CONTRACTS = 4;
const RECORDS_EACH = 512;
const STORAGE_KEY_BYTES = 32;
const TEXT_BYTES = 200;
/** Rotations: with half as many again a thread's first partition is no faster. */
const ROTATIONS = 16;
const RECORDS = CONTRACTS * RECORDS_EACH;
const WHOLE = { from: null, to: null };
/** Of nobody. */
const IDENTITY = new Uint8Array(33);

/** A contract of the rehearsal, and what its keys are derived from: no secret, as nothing is sealed with it but zeros. */
interface RehearsedContract {
  readonly id: Uint8Array;
  readonly prf: Uint8Array;
}

/**
 * Rehearses the way from a generation to another one, with keys and states of its own.
 * @param engine - of the thread.
 * @throws GatekeeperError KERNEL_SELF_TEST_FAILED where it comes out wrong: nothing that this machine computes is to be used.
 */
export async function rehearse(engine: PageEngine, from: Generation, to: Generation): Promise<void> {
  const store = new MemoryStore();
  const generation = (rotationId: number): Generation => ({ ...(rotationId % 2 === 0 ? from : to), rotationId });
  const contracts = Array.from({ length: CONTRACTS }, (): RehearsedContract => {
    return { id: randomBytes(CONTRACT_ID_BYTES), prf: randomBytes(PRF_BYTES) };
  });
  const groups = contracts.map((contract) => editPage(contract.id, null, statesOf(contract, generation(0)), 1n));
  await store.commit({ groups, sealedUnder: 0 });
  const prfs = contracts.map(({ id, prf }) => ({ contract: id, from: prf, to: prf }));
  for (let rotationId = 0; rotationId < ROTATIONS; rotationId++) {
    const keys = new PartitionKeys(sharePartitionKeys(generation(rotationId), generation(rotationId + 1), prfs));
    const context = { store, engine, keys, identity: IDENTITY, stopped: () => false };
    const swept = await sweepLeased(context, { ...WHOLE, index: 0, attempt: 0 });
    if (swept.end !== "done") throw failedRehearsal(`a sweep that ended with "${swept.end}"`);
    if (swept.receipt.records !== RECORDS)
      throw failedRehearsal(`a sweep of ${swept.receipt.records} of ${RECORDS} records`);
    const verified = await verifyLeased(context, WHOLE, swept.receipt, IDENTITY);
    if (verified.end !== "verdict") throw failedRehearsal(`a verification that ended with "${verified.end}"`);
    const { verdict, records } = verified;
    if (verdict !== "sound" || records !== RECORDS) throw failedRehearsal(`${records} records that are ${verdict}`);
    await dropKept(store, WHOLE);
  }
}

/** KERNEL_SELF_TEST_FAILED, for a rehearsal that gave something else than it should have. */
export function failedRehearsal(what: string, cause?: unknown): GatekeeperError {
  const message = `the rehearsal of a rotation gave ${what}: this machine miscomputes, or the installation is damaged; do not use it`;
  return new GatekeeperError("KERNEL_SELF_TEST_FAILED", message, {}, { cause });
}

/** States of zeros, sealed by OpenSSL. */
function statesOf({ id, prf }: RehearsedContract, { suite, keySuite, rotationId }: Generation): RecordEdit[] {
  using secret = expandContractKey(prf, contractKeyInfo(keySuite, suiteId(suite), rotationId, id));
  return secret.use((raw) =>
    Array.from({ length: RECORDS_EACH }, (_, number): RecordEdit => {
      const key = new Uint8Array(STORAGE_KEY_BYTES);
      new DataView(key.buffer).setUint32(0, number);
      const header = encodeHeader({ suite, rotationId, writeVersion: 1n });
      const nonce = randomBytes(NONCE_BYTES);
      // Both ciphers have a nonce, and AAD, and a tag; the types know that of the one.
      const cipher = createCipheriv(suite as "aes-256-gcm", raw, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(sealedAad(header, id, key));
      const text = Buffer.concat([cipher.update(new Uint8Array(TEXT_BYTES)), cipher.final()]);
      return { key, sealed: Buffer.concat([header, nonce, text, cipher.getAuthTag()]) };
    }),
  );
}
