/**
 * For tests of the rotation: MasterKeys that are kept in memory, a store with a hook before and after every use, and a
 * reader of whole stores that shares no code with the project's: it walks the bytes of pages and sealed states by
 * itself and opens them with node:crypto and noble's curve.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { PageEngine } from "../../src/engine/page-engine.ts";
import type { Suite } from "../../src/engine/suite.ts";
import { Engine } from "../../src/engine/engine.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { contractId } from "../../src/contract-id.ts";
import { generateMasterKey, MasterKey } from "../../src/keys/master-key.ts";
import { ContractStates } from "../../src/pruntime/contract-states.ts";
import type { SweepContext } from "../../src/rotation/sweep.ts";
import { Secret } from "../../src/secret.ts";
import type { ContractName, StateStore } from "../../src/store/store.ts";

export const SUITE: Suite = "aes-256-gcm";
export const ENGINE = new Engine();
const PAGE_ENGINE = new PageEngine();

/** The generations of a test's MasterKey. */
export class Generations {
  readonly scalars = new Map<number, Uint8Array>();
  /** What was asked of it, in order: "new 1", "abandon 0". */
  readonly log: string[] = [];

  constructor() {
    this.#make(0);
  }

  readonly masterKey = async (rotationId: number): Promise<MasterKey> => {
    const scalar = this.scalars.get(rotationId);
    if (scalar === undefined) throw new GatekeeperError("KEY_UNAVAILABLE", `there is no MasterKey ${rotationId}`);
    return new MasterKey(rotationId, new Secret(scalar.slice()));
  };

  readonly newMasterKey = async (rotationId: number): Promise<MasterKey> => {
    this.log.push(`new ${rotationId}`);
    if (!this.scalars.has(rotationId)) this.#make(rotationId);
    return this.masterKey(rotationId);
  };

  readonly abandon = async (rotationId: number): Promise<void> => {
    this.log.push(`abandon ${rotationId}`);
    this.scalars.delete(rotationId);
  };

  #make(rotationId: number): void {
    using key = generateMasterKey(rotationId);
    this.scalars.set(
      rotationId,
      key.use((bytes) => bytes.slice()),
    );
  }
}

/** A test's contract by number. */
export function contractOf(number: number): ContractName {
  const name = new Uint8Array(20);
  new DataView(name.buffer).setUint32(0, number);
  return { id: contractId(1, name), kind: 1, name };
}

/** Bytes of a short text. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** States of a store under a test's generations. */
export function statesOf(store: StateStore, generations: Generations, suite = SUITE): ContractStates {
  return new ContractStates({ store, engine: ENGINE, suite, masterKey: generations.masterKey });
}

/** Puts values, or deletes where the value is null, given by contract number and key. */
export async function put(
  states: ContractStates,
  contract: number,
  values: Readonly<Record<string, string | null>>,
): Promise<void> {
  const edits = Object.entries(values)
    .map(([key, value]) => ({ key: text(key), value: value === null ? null : text(value) }))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  await states.write([{ contract: contractOf(contract), edits }]);
}

/** `count` records named by number, the same for the same prefix. */
export function values(count: number, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => [
      `key ${String(index).padStart(5, "0")}`,
      `${prefix} ${index} ${"x".repeat(index % 90)}`,
    ]),
  );
}

/** What a sweeping thread holds, in this thread. The caller disposes the keys. */
export async function sweepContext(
  store: StateStore,
  generations: Generations,
  to: number,
): Promise<SweepContext & { keys: ContractKeyRing }> {
  using old = await generations.masterKey(to - 1);
  using fresh = await generations.masterKey(to);
  const keys = new ContractKeyRing([old, fresh], 1);
  return { store, engine: PAGE_ENGINE, keys, suite: SUITE, from: to - 1, to, stopped: () => false };
}

/** What runs around a store's use. */
export interface StoreHooks {
  readonly before?: (method: string, args: readonly unknown[]) => Promise<void> | void;
  readonly after?: (method: string, args: readonly unknown[]) => Promise<void> | void;
}

/** The same store, with hooks around every call. */
export function hooked(store: StateStore, hooks: StoreHooks): StateStore {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== "function" || typeof name !== "string") return method;
      return async (...args: unknown[]): Promise<unknown> => {
        await hooks.before?.(name, args);
        const result: unknown = await Reflect.apply(method, target, args);
        await hooks.after?.(name, args);
        return result;
      };
    },
  });
}

/** A record as the independent reader found it; its value is null where nothing that is held opens it. */
export interface FoundRecord {
  readonly rotationId: number;
  readonly writeVersion: bigint;
  readonly value: string | null;
  readonly sealed: Uint8Array;
}

const keys = new Map<string, Uint8Array>();

function contractKey(scalar: Uint8Array, suite: number, rotationId: number, contract: Uint8Array): Uint8Array {
  const name = `${Buffer.from(scalar).toString("hex")} ${suite} ${rotationId} ${Buffer.from(contract).toString("hex")}`;
  const known = keys.get(name);
  if (known !== undefined) return known;
  const DST = "gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_";
  const point = secp256k1_hasher.hashToCurve(contract, { DST }).toAffine();
  const product = secp256k1.Point.fromAffine(point).multiply(BigInt(`0x${Buffer.from(scalar).toString("hex")}`));
  const info = Buffer.alloc(26 + 2 + 4 + 32);
  info.write("gatekeeper/v1 contract key", "ascii");
  info[26] = 1;
  info[27] = suite;
  info.writeUInt32LE(rotationId, 28);
  info.set(contract, 32);
  const key = new Uint8Array(hkdfSync("sha256", product.toBytes(true).subarray(1), new Uint8Array(0), info, 32));
  keys.set(name, key);
  return key;
}

function open(scalar: Uint8Array, contract: Uint8Array, key: Uint8Array, sealed: Buffer): string | null {
  const suite = sealed[1]!;
  const secret = contractKey(scalar, suite, sealed.readUInt32LE(2), contract);
  const name = suite === 1 ? "aes-256-gcm" : "chacha20-poly1305";
  const decipher = createDecipheriv(name as "aes-256-gcm", secret, sealed.subarray(14, 26), { authTagLength: 16 });
  decipher.setAAD(Buffer.concat([sealed.subarray(0, 14), contract, key]));
  decipher.setAuthTag(sealed.subarray(-16));
  const plain = decipher.update(sealed.subarray(26, -16));
  try {
    decipher.final();
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
  return plain.toString();
}

/** A sealed state of AES-256-GCM that whoever has the generation's MasterKey can make. */
export function seal(
  generations: Generations,
  rotationId: number,
  contract: Uint8Array,
  key: Uint8Array,
  writeVersion: bigint,
  value: string,
): Uint8Array {
  const header = Buffer.alloc(14);
  header.set([1, 1]);
  header.writeUInt32LE(rotationId, 2);
  header.writeBigUInt64LE(writeVersion, 6);
  const nonce = randomBytes(12);
  const secret = contractKey(generations.scalars.get(rotationId)!, 1, rotationId, contract);
  const cipher = createCipheriv("aes-256-gcm", secret, nonce, { authTagLength: 16 });
  cipher.setAAD(Buffer.concat([header, contract, key]));
  const sealed = [header, nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()];
  return Uint8Array.from(Buffer.concat(sealed));
}

/** Every record of a store, by `CONTRACT ID IN HEX/KEY AS TEXT`. */
export async function readAll(store: StateStore, generations: Generations): Promise<Map<string, FoundRecord>> {
  const found = new Map<string, FoundRecord>();
  for (const page of await store.scan({ from: null, to: null }, null, Number.MAX_SAFE_INTEGER)) {
    const body = Buffer.from(page.body);
    let at = 16;
    for (let left = body.readUInt32LE(4); left > 0; left--) {
      const key = body.subarray(at + 6, at + 6 + body.readUInt16LE(at));
      const sealed = body.subarray(at + 6 + key.length, at + 6 + key.length + body.readUInt32LE(at + 2));
      at += 6 + key.length + sealed.length;
      const rotationId = sealed.readUInt32LE(2);
      const scalar = generations.scalars.get(rotationId);
      const value = scalar === undefined ? null : open(scalar, page.contract, key, sealed);
      const name = `${Buffer.from(page.contract).toString("hex")}/${key.toString()}`;
      if (found.has(name)) throw new Error(`${name} lies in two pages`);
      found.set(name, { rotationId, writeVersion: sealed.readBigUInt64LE(6), value, sealed: Uint8Array.from(sealed) });
    }
    if (at !== body.length) throw new Error("bytes follow a page's last record");
  }
  return found;
}

/** The name that `readAll` gives to a record. */
export function nameOf(contract: number, key: string): string {
  return `${Buffer.from(contractOf(contract).id).toString("hex")}/${key}`;
}

/** Only the values of what `readAll` found. */
export function plain(found: ReadonlyMap<string, FoundRecord>): Map<string, string | null> {
  return new Map([...found].map(([name, { value }]) => [name, value]));
}

/** The number of records by rotation id, counted anew. */
export function recount(found: ReadonlyMap<string, FoundRecord>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { rotationId } of found.values()) counts.set(rotationId, (counts.get(rotationId) ?? 0) + 1);
  return new Map([...counts].sort(([a], [b]) => a - b));
}

/** Rewrites a record's bytes behind everybody's back, as a disk that fails would. */
export async function damage(
  store: StateStore,
  contract: number,
  key: string,
  change: (sealed: Uint8Array) => void,
): Promise<Uint8Array> {
  const page = (await store.find(contractOf(contract).id, text(key)))!;
  const body = Buffer.from(page.body);
  const at = body.indexOf(key) + Buffer.byteLength(key);
  const sealed = body.subarray(at, at + body.readUInt32LE(at - Buffer.byteLength(key) - 4));
  change(sealed);
  const write = { contract: page.contract, lowerBound: page.lowerBound, expected: page.version, body, counts: [] };
  await store.commit({ groups: [[write]], sealedUnder: null });
  return Uint8Array.from(sealed);
}
