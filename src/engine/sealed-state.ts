/**
 * The bytes of a sealed state:
 *
 *   version 1 | suite 1 | rotation id 4 (LE) | write version 8 (LE) | nonce 12 | ciphertext n | tag 16
 *
 * Its AAD is the first 14 bytes ‖ contract id (32) ‖ storage key, so that it can't be moved, renamed or relabelled
 * unnoticed, nor put back from a rotation that is over. Limits: an older sealed state of the same key and rotation id,
 * put back whole, opens; a store that is to be caught at that needs a witness outside it.
 * assembly/page.ts reads the same bytes for whole pages.
 */
import { GatekeeperError } from "../errors.ts";
import { type Suite, suiteId, suiteOf } from "./suite.ts";

const VERSION = 1;
const CONTRACT_BYTES = 32;

/** Version, suite, rotation id and write version: what comes before the nonce. */
export const SEALED_HEADER_BYTES = 14;
/** What a sealed state is longer than its plaintext. */
export const SEALED_OVERHEAD_BYTES = 42;
/** Rotation ids are u32: sealed states hold them in four bytes. */
export const ROTATION_ID_MAX = 0xffff_ffff;
/** The longest plaintext: 16 MiB. */
export const STATE_BYTES_MAX = 1 << 24;
/** The longest storage key. */
export const STORAGE_KEY_BYTES_MAX = 4_096;

/** What states are sealed under: a suite, and a key of this rotation id. */
export interface SealedUnder {
  readonly suite: Suite;
  readonly rotationId: number;
}

/** What a sealed state says of itself, authenticated by its tag. */
export interface SealedHeader extends SealedUnder {
  /** Raised by every put of the record, kept by re-encryption; u64. */
  readonly writeVersion: bigint;
}

/** The first 14 bytes of a sealed state. */
export function encodeHeader(header: SealedHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SEALED_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, suiteId(header.suite));
  view.setUint32(2, header.rotationId, true);
  view.setBigUint64(6, header.writeVersion, true);
  return bytes;
}

/**
 * Reads the header of a sealed state; only its tag shows whether it is true.
 * @throws GatekeeperError SEALED_STATE_INVALID when it is too short or of an unknown version or suite.
 */
export function decodeHeader(sealed: Uint8Array): SealedHeader {
  if (sealed.length < SEALED_OVERHEAD_BYTES) {
    throw new GatekeeperError(
      "SEALED_STATE_INVALID",
      `a sealed state has at least ${SEALED_OVERHEAD_BYTES} bytes, not ${sealed.length}`,
    );
  }
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const version = view.getUint8(0);
  if (version !== VERSION)
    throw new GatekeeperError("SEALED_STATE_INVALID", `sealed state version ${version} is not known`, { version });
  return {
    suite: suiteOf(view.getUint8(1)),
    rotationId: view.getUint32(2, true),
    writeVersion: view.getBigUint64(6, true),
  };
}

/** The AAD of a sealed state: its header, whose state it is, and under which storage key. */
export function sealedAad(header: Uint8Array, contract: Uint8Array, key: Uint8Array): Uint8Array<ArrayBuffer> {
  const aad = new Uint8Array(SEALED_HEADER_BYTES + CONTRACT_BYTES + key.length);
  aad.set(header.subarray(0, SEALED_HEADER_BYTES));
  aad.set(contract, SEALED_HEADER_BYTES);
  aad.set(key, SEALED_HEADER_BYTES + CONTRACT_BYTES);
  return aad;
}
