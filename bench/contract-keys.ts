/** The last step of a contract key: HKDF-SHA256 of 32 bytes of key material, no salt, and the key's own info. */
import { createHmac, hkdfSync, randomBytes } from "node:crypto";
import { Kernels } from "../src/engine/kernels.ts";
import { CONTRACT_KEY_BYTES, contractKeyInfo } from "../src/keys/contract-key.ts";
import type { Case, Table } from "./table.ts";

const KERNEL = "kernel";
const KEYS = 1_024;
/** The peers derive fewer in a call; their time per key doesn't depend on how many there are. */
const PEER_KEYS = 128;
const NO_SALT = new Uint8Array(0);
const ZERO_SALT = new Uint8Array(32);

interface Material {
  readonly ikm: Uint8Array;
  readonly info: Uint8Array;
}

/** Derivation of many contract keys. */
export function contractKeyTable(): Table {
  return {
    name: "contract-keys",
    title: "Contract key by HKDF-SHA256",
    item: "key",
    ours: [KERNEL],
    notes: [
      `${KERNEL}: hkdfSha256Batch, extract and expand; copies in and out included`,
      "createHmac: one call to extract, one to expand, as RFC 5869 says",
    ],
    prepare: async () => {
      const materials = Array.from({ length: KEYS }, (): Material => {
        return { ikm: randomBytes(32), info: contractKeyInfo(1, 7, randomBytes(32)) };
      });
      const kernels = new Kernels();
      const contenders: Record<string, (of: readonly Material[]) => Uint8Array[]> = {
        [KERNEL]: (of) => deriveInKernel(kernels, of),
        createHmac: (of) => of.map(deriveByHmac),
        hkdfSync: (of) => of.map(deriveByHkdf),
      };
      const cases = Object.entries(contenders).map(([column, derive]): Case => {
        const of = column === KERNEL ? materials : materials.slice(0, PEER_KEYS);
        derive(of).forEach((key, index) => {
          if (Buffer.compare(key, deriveByHkdf(of[index]!)) !== 0) throw new Error(`${column}: key ${index} is wrong`);
        });
        return { row: "32 B", column, items: of.length, run: () => void derive(of) };
      });
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

function deriveByHkdf({ ikm, info }: Material): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", ikm, NO_SALT, info, CONTRACT_KEY_BYTES));
}

function deriveByHmac({ ikm, info }: Material): Uint8Array {
  const key = createHmac("sha256", ZERO_SALT).update(ikm).digest();
  return createHmac("sha256", key).update(info).update(Uint8Array.of(1)).digest();
}

function deriveInKernel(kernels: Kernels, of: readonly Material[]): Uint8Array[] {
  kernels.reset();
  const out = kernels.alloc(of.length * CONTRACT_KEY_BYTES);
  const words = new Uint32Array(of.length * 8);
  of.forEach(({ ikm, info }, index) => {
    const key = out + index * CONTRACT_KEY_BYTES;
    words.set([kernels.put(ikm), ikm.length, 0, 0, kernels.put(info), info.length, key, CONTRACT_KEY_BYTES], index * 8);
  });
  kernels.call("hkdfSha256Batch", kernels.put(new Uint8Array(words.buffer)), of.length);
  const keys = kernels.bytes.slice(out, out + of.length * CONTRACT_KEY_BYTES);
  return of.map((_, index) => keys.subarray(index * CONTRACT_KEY_BYTES, (index + 1) * CONTRACT_KEY_BYTES));
}
