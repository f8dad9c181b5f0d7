/**
 * How the same work is done from Node without Gatekeeper: one call per record to decrypt, one to encrypt. Each peer is
 * used as well as its interface allows: nonces drawn for all records at once, keys prepared beforehand where that is
 * possible, results written where they are wanted; and none wipes the plaintext that it makes, which Gatekeeper never
 * has.
 */
import { ChaCha20Poly1305, newInstance } from "@chainsafe/as-chacha20poly1305";
import { Zepar } from "@hazae41/zepar";
import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import sodium from "libsodium-wrappers";
import { createCipheriv, createDecipheriv, type KeyObject, randomFillSync } from "node:crypto";
import { NONCE_BYTES, type Suite, TAG_BYTES } from "../src/engine/suite.ts";
import type { Contender, MakeContender } from "./contender.ts";
import { AUTH_TAG, type Side, type Workload, aadOf, keyObjects } from "./workload.ts";

/** One record to be moved; the views reach into the arena. */
interface Move {
  readonly contract: number;
  readonly from: Side;
  readonly to: Side;
  readonly aad: Uint8Array;
  readonly newAad: Uint8Array;
  readonly nonce: Uint8Array;
  readonly newNonce: Uint8Array;
  /** Ciphertext and tag, which the peer replaces. */
  readonly sealed: Uint8Array;
}

/** Walks over a workload record by record; `move` replaces `sealed`, the nonce is replaced here. */
function perRecord(workload: Workload, move: (record: Move) => void): Contender {
  const arena = workload.arena();
  const nonces = new Uint8Array(workload.records.length * NONCE_BYTES);
  return {
    reencrypt: (from) => {
      const to = from === 0 ? 1 : 0;
      randomFillSync(nonces);
      workload.records.forEach((record, index) => {
        const text = record.offset + NONCE_BYTES;
        const nonce = arena.subarray(record.offset, text);
        const newNonce = nonces.subarray(index * NONCE_BYTES, (index + 1) * NONCE_BYTES);
        move({
          contract: record.contract,
          from,
          to,
          aad: aadOf(workload, arena, record, from),
          newAad: aadOf(workload, arena, record, to),
          nonce,
          newNonce,
          sealed: arena.subarray(text, text + record.length + TAG_BYTES),
        });
        nonce.set(newNonce);
      });
    },
    arena: () => arena,
  };
}

/** KeyObjects of both sides, by contract. */
type Keys = readonly [readonly KeyObject[], readonly KeyObject[]];

/** The careful loop: KeyObjects, authTagLength given, tag checked by final() before anything is written. */
export function nodeContender(workload: Workload): Contender {
  const keys: Keys = [keyObjects(workload, 0), keyObjects(workload, 1)];
  return perRecord(workload, (record) => moveWithNode(workload.shape.suite, keys, record));
}

/** The careful loop of whoever has raw keys: each becomes a KeyObject once, within the time taken. */
export function nodeFromRawKeysContender(workload: Workload): Contender {
  let keys: Keys = [[], []];
  const loop = perRecord(workload, (record) => moveWithNode(workload.shape.suite, keys, record));
  return {
    reencrypt: (from) => {
      keys = [keyObjects(workload, 0), keyObjects(workload, 1)];
      loop.reencrypt(from);
    },
    arena: loop.arena,
  };
}

function moveWithNode(suite: Suite, keys: Keys, record: Move): void {
  // Node's types list AEAD algorithms one overload each; both suites are used in the same way.
  const algorithm = suite as "aes-256-gcm";
  const { contract, from, to, aad, newAad, nonce, newNonce, sealed } = record;
  const size = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(algorithm, keys[from][contract]!, nonce, AUTH_TAG);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(size));
  const plaintext = decipher.update(sealed.subarray(0, size));
  decipher.final();
  const cipher = createCipheriv(algorithm, keys[to][contract]!, newNonce, AUTH_TAG);
  cipher.setAAD(newAad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  sealed.set(ciphertext);
  sealed.set(cipher.getAuthTag(), size);
}

/** @noble/ciphers: a cipher object for each record, as its interface binds key, nonce and AAD together. */
export function nobleContender(workload: Workload): Contender {
  const { keys } = workload;
  const cipher = workload.shape.suite === "aes-256-gcm" ? gcm : chacha20poly1305;
  return perRecord(workload, ({ contract, from, to, aad, newAad, nonce, newNonce, sealed }) => {
    const plaintext = cipher(keys[from][contract]!, nonce, aad).decrypt(sealed);
    sealed.set(cipher(keys[to][contract]!, newNonce, newAad).encrypt(plaintext));
  });
}

/** libsodium-wrappers (libsodium in WebAssembly); ChaCha20-Poly1305 only. */
export async function makeLibsodium(): Promise<MakeContender> {
  await sodium.ready;
  return (workload) => {
    const { keys } = workload;
    return perRecord(workload, ({ contract, from, to, aad, newAad, nonce, newNonce, sealed }) => {
      const plaintext = sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        null,
        sealed,
        aad,
        nonce,
        keys[from][contract]!,
      );
      const moved = sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
        plaintext,
        newAad,
        null,
        newNonce,
        keys[to][contract]!,
      );
      sealed.set(moved);
    });
  };
}

/**
 * @hazae41/zepar (RustCrypto in WebAssembly); ChaCha20-Poly1305 without AAD only. Keys are prepared, key, nonce and
 * the plaintext stay in its memory; of what comes out, only the new ciphertext is copied.
 */
export async function makeZepar(): Promise<MakeContender> {
  await Zepar.initBundledOnce();
  return (workload) => {
    if (workload.shape.aad !== "none") throw new Error("@hazae41/zepar takes no AAD");
    const ciphers = workload.keys.map((side) =>
      side.map((key) => new Zepar.ChaCha20Poly1305Cipher(new Zepar.Memory(key))),
    );
    const nonceMemory = new Zepar.Memory(new Uint8Array(NONCE_BYTES));
    return perRecord(workload, ({ contract, from, to, nonce, newNonce, sealed }) => {
      const input = new Zepar.Memory(sealed);
      nonceMemory.bytes.set(nonce);
      const plaintext = ciphers[from]![contract]!.decrypt(input, nonceMemory);
      input.free();
      nonceMemory.bytes.set(newNonce);
      const output = ciphers[to]![contract]!.encrypt(plaintext, nonceMemory);
      plaintext.free();
      sealed.set(output.bytes);
      output.free();
    });
  };
}

/** Longest AAD that @chainsafe/as-chacha20poly1305 takes. */
export const CHAINSAFE_AAD_MAX = 32;

/** @chainsafe/as-chacha20poly1305 (AssemblyScript, no SIMD); results go straight to where they are wanted. */
export function chainsafeContender(workload: Workload): Contender {
  const cipher = new ChaCha20Poly1305(newInstance());
  const { keys } = workload;
  const plaintext = new Uint8Array(workload.shape.size());
  return perRecord(workload, ({ contract, from, to, aad, newAad, nonce, newNonce, sealed }) => {
    const opened = cipher.open(keys[from][contract]!, nonce, sealed, aad, plaintext);
    if (opened === null) throw new Error("a record was refused");
    cipher.seal(keys[to][contract]!, newNonce, plaintext, newAad, sealed);
  });
}
