/** The last step of a contract key: HKDF-SHA256 of 32 bytes of key material, no salt, and the key's own info. */
import { createHmac, createSecretKey, hkdfSync, randomBytes } from "node:crypto";
import { Kernels } from "../src/engine/kernels.ts";
import { CONTRACT_KEY_BYTES, CONTRACT_KEY_INFO_BYTES, PRF_BYTES, contractKeyInfo } from "../src/keys/contract-key.ts";
import { KEY_SUITE } from "../src/keys/group.ts";
import type { Case, Table } from "./table.ts";

const KERNEL = "kernel";
const KEYS = 1_024;
/** The peers derive fewer in a call; their time per key doesn't depend on how many there are. */
const PEER_KEYS = 128;
const NO_SALT = new Uint8Array(0);
/** As KeyObjects, without which createHmac takes five times as long. */
const ZERO_SALT = createSecretKey(new Uint8Array(32));

interface Material {
  readonly ikm: Uint8Array;
  readonly info: Uint8Array;
}

/** Somebody who derives the keys of the first `items` materials. */
interface Contender {
  readonly column: string;
  readonly items: number;
  /** What is timed. */
  readonly derive: () => unknown;
  /** What `derive` gives, key by key. */
  readonly keys: () => readonly Uint8Array[];
}

/** Derivation of many contract keys. */
export function contractKeyTable(): Table {
  return {
    name: "contract-keys",
    title: "Contract key by HKDF-SHA256",
    item: "key",
    ours: [KERNEL],
    notes: [
      `${KERNEL}: hkdfSha256Batch, extract and expand; arena in, arena out, both copies included`,
      "createHmac: one to extract, one to expand, as RFC 5869 says, their keys as KeyObjects",
    ],
    prepare: async () => {
      const materials = Array.from({ length: KEYS }, (): Material => {
        return { ikm: randomBytes(32), info: contractKeyInfo(KEY_SUITE.secp256k1, 1, 7, randomBytes(32)) };
      });
      const some = materials.slice(0, PEER_KEYS);
      const derive = kernelDeriver(materials);
      const contenders: Contender[] = [
        { column: KERNEL, items: KEYS, derive, keys: () => keysOf(derive()) },
        peer("createHmac", () => some.map(deriveByHmac)),
        peer("hkdfSync", () => some.map(deriveByHkdf)),
      ];
      const cases = contenders.map(({ column, items, derive, keys }): Case => {
        const derived = keys();
        if (derived.length !== items) throw new Error(`${column}: ${derived.length} keys instead of ${items}`);
        derived.forEach((key, index) => {
          const expected = deriveByHkdf(materials[index]!);
          if (Buffer.compare(key, expected) !== 0) throw new Error(`${column}: key ${index} is wrong`);
        });
        return { row: "32 B", column, items, run: () => void derive() };
      });
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

/** A contender whose interface gives one key at a time. */
function peer(column: string, derive: () => Uint8Array[]): Contender {
  return { column, items: PEER_KEYS, derive, keys: derive };
}

function deriveByHkdf({ ikm, info }: Material): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", ikm, NO_SALT, info, CONTRACT_KEY_BYTES));
}

function deriveByHmac({ ikm, info }: Material): Uint8Array {
  const key = createSecretKey(createHmac("sha256", ZERO_SALT).update(ikm).digest());
  return createHmac("sha256", key).update(info).update(Uint8Array.of(1)).digest();
}

/**
 * The kernel over materials that lie one after the other, as a batch is handed in: every call copies them in and all
 * the keys out, one after the other too, while the rows, which only say where things lie, are written once.
 */
function kernelDeriver(materials: readonly Material[]): () => Uint8Array {
  const kernels = new Kernels();
  const ikms = Buffer.concat(materials.map(({ ikm }) => ikm));
  const infos = Buffer.concat(materials.map(({ info }) => info));
  const ikmAt = kernels.alloc(ikms.length);
  const infoAt = kernels.alloc(infos.length);
  const out = kernels.alloc(materials.length * CONTRACT_KEY_BYTES);
  const rows = kernels.put(contractKeyRows(materials.length, ikmAt, infoAt, out));
  return () => {
    kernels.bytes.set(ikms, ikmAt);
    kernels.bytes.set(infos, infoAt);
    kernels.call("hkdfSha256Batch", rows, materials.length);
    return kernels.bytes.slice(out, out + materials.length * CONTRACT_KEY_BYTES);
  };
}

/** The kernel's rows for keys of which all materials, all infos and all outputs lie one after the other. */
export function contractKeyRows(count: number, ikm: number, info: number, out: number): Uint8Array {
  const words = Array.from({ length: count }, (_, i) => [
    ikm + i * PRF_BYTES,
    PRF_BYTES,
    0,
    0,
    info + i * CONTRACT_KEY_INFO_BYTES,
    CONTRACT_KEY_INFO_BYTES,
    out + i * CONTRACT_KEY_BYTES,
    CONTRACT_KEY_BYTES,
  ]);
  return new Uint8Array(Uint32Array.from(words.flat()).buffer);
}

function keysOf(arena: Uint8Array): Uint8Array[] {
  return Array.from({ length: arena.length / CONTRACT_KEY_BYTES }, (_, index) =>
    arena.subarray(index * CONTRACT_KEY_BYTES, (index + 1) * CONTRACT_KEY_BYTES),
  );
}
