/** What is in the bytes that a Shareholder has sealed, read by the description of them in src/pruntime/shareholder.ts. */

interface SealedDealingKey {
  readonly epoch: number;
  readonly scalar: Uint8Array;
}

export interface SealedShare {
  readonly epoch: number;
  readonly index: number;
  readonly scalar: Uint8Array;
}

interface SealedSecrets {
  readonly dealingKey: SealedDealingKey | null;
  readonly shares: readonly SealedShare[];
}

/** @param bytes - stay as they are; what is returned is a copy. */
export function readSealed(bytes: Uint8Array): SealedSecrets {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 3;
  let dealingKey: SealedDealingKey | null = null;
  if (bytes[1] === 1) {
    dealingKey = { epoch: view.getUint32(at, true), scalar: bytes.slice(at + 5, at + 37) };
    at += 37;
  }
  const shares: SealedShare[] = [];
  for (; at < bytes.length; at += 39) {
    const index = view.getUint16(at + 5, true);
    shares.push({ epoch: view.getUint32(at, true), index, scalar: bytes.slice(at + 7, at + 39) });
  }
  return { dealingKey, shares };
}
