/**
 * The MasterKeys of a run, put together from the shares that lie on disks: what no pRuntime ever has. With them it is known of any
 * sealed state what is in it: it is read and opened by its description alone, without the project's code for that.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { toHex } from "../../../src/bytes.ts";
import { suiteId } from "../../../src/engine/suite.ts";
import { contractKeyInfo, expandContractKey, prfOutputs } from "../../../src/keys/contract-key.ts";
import { hashContracts } from "../../../src/keys/contract-points.ts";
import type { KeySuite } from "../../../src/keys/group.ts";
import { Share } from "../../../src/keys/shamir.ts";
import { ledgerGroup } from "../../../src/protocol/key-terms.ts";
import { partialGroup } from "../../../src/protocol/partial-groups.ts";
import type { Sharing } from "../../../src/protocol/sharing.ts";
import { Secret } from "../../../src/secret.ts";
import { secretOf } from "../../keys/groups.ts";
import { interpolated } from "../../keys/interpolation.ts";
import { ensure } from "../invariants.ts";
import { readSealed } from "../sealed-secrets.ts";
import type { Disk } from "./disk.ts";

const HEAD_BYTES = 14;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const TAG_LENGTH = { authTagLength: TAG_BYTES };

/** By the number that sealed states have of them. */
const CIPHERS = [null, "aes-256-gcm", "chacha20-poly1305"] as const;

interface KnownKey {
  readonly keySuite: KeySuite;
  /** What states are sealed with under it. */
  readonly cipherSuite: number;
  readonly scalar: bigint;
}

/** What a sealed state says of itself. */
export interface SealedHead {
  readonly rotationId: number;
  readonly writeVersion: bigint;
}

export class KnownKeys {
  /** By rotation id. */
  readonly #masterKeys = new Map<number, KnownKey>();
  /** By rotation id and contract. */
  readonly #contractKeys = new Map<string, Uint8Array>();
  /** What was opened before: null where nothing opens it. */
  readonly #opened = new Map<string, string | null>();

  /** Learns the MasterKey of a sharing, from t shares that are sealed. */
  learn(sharing: Sharing, disks: readonly Disk[]): void {
    const { rotationId, keySuite, threshold, publicKey } = sharing;
    const group = ledgerGroup(keySuite);
    const shares = disks.flatMap(({ sealed }) =>
      readSealed(sealed.shares)
        .shares.filter(({ epoch }) => epoch === sharing.epoch)
        .map(({ index, scalar }) => new Share(index, new Secret(scalar))),
    );
    ensure(shares.length >= threshold, "a sharing is in force of which too few shares are sealed");
    const scalar = interpolated(group, shares.slice(-threshold), 0);
    using secret = secretOf(group, scalar);
    ensure(toHex(group.multiplyBase([secret])) === publicKey, "shares make another MasterKey than the chain has");
    const known = this.#masterKeys.get(rotationId);
    ensure(known === undefined || known.scalar === scalar, "a MasterKey is another than it was");
    this.#masterKeys.set(rotationId, { keySuite, cipherSuite: suiteId(sharing.cipherSuite), scalar });
    for (const share of shares) share[Symbol.dispose]();
  }

  /** A generation was called off: what has its number next is another. */
  forget(rotationId: number): void {
    this.#masterKeys.delete(rotationId);
    for (const name of this.#contractKeys.keys()) {
      if (name.startsWith(`${rotationId} `)) this.#contractKeys.delete(name);
    }
  }

  /** What is in a sealed state; null where no key that was ever in force opens it. */
  open(contract: Uint8Array, key: Uint8Array, sealed: Uint8Array): string | null {
    const name = `${latin1(contract)} ${latin1(key)} ${latin1(sealed)}`;
    let text = this.#opened.get(name);
    if (text === undefined) {
      text = this.#open(contract, key, sealed);
      this.#opened.set(name, text);
    }
    return text;
  }

  /** Seals a text as who has the contract's key can. */
  seal(head: SealedHead, contract: Uint8Array, key: Uint8Array, text: string, nonce: Uint8Array): Uint8Array {
    const { cipherSuite } = this.#masterKeys.get(head.rotationId)!;
    const header = Buffer.alloc(HEAD_BYTES);
    header[0] = 1;
    header[1] = cipherSuite;
    header.writeUInt32LE(head.rotationId, 2);
    header.writeBigUInt64LE(head.writeVersion, 6);
    const contractKey = this.#keyOf(head.rotationId, contract)!;
    const cipher = createCipheriv(CIPHERS[cipherSuite] as "chacha20-poly1305", contractKey, nonce, TAG_LENGTH);
    cipher.setAAD(Buffer.concat([header, contract, key]), { plaintextLength: text.length });
    const body = Buffer.concat([cipher.update(text, "latin1"), cipher.final()]);
    return Uint8Array.from(Buffer.concat([header, nonce, body, cipher.getAuthTag()]));
  }

  #open(contract: Uint8Array, key: Uint8Array, sealed: Uint8Array): string | null {
    const { rotationId } = headOf(sealed);
    const contractKey = this.#keyOf(rotationId, contract);
    const cipherSuite = this.#masterKeys.get(rotationId)?.cipherSuite;
    if (contractKey === null || sealed[0] !== 1 || cipherSuite === undefined || sealed[1] !== cipherSuite) return null;
    const nonceEnd = HEAD_BYTES + NONCE_BYTES;
    const nonce = sealed.subarray(HEAD_BYTES, nonceEnd);
    const decipher = createDecipheriv(CIPHERS[cipherSuite] as "chacha20-poly1305", contractKey, nonce, TAG_LENGTH);
    const plaintextLength = sealed.length - nonceEnd - TAG_BYTES;
    decipher.setAAD(Buffer.concat([sealed.subarray(0, HEAD_BYTES), contract, key]), { plaintextLength });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const text = decipher.update(sealed.subarray(nonceEnd, -TAG_BYTES));
    try {
      decipher.final();
      return text.toString("latin1");
    } catch {
      return null;
    }
  }

  #keyOf(rotationId: number, contract: Uint8Array): Uint8Array | null {
    const name = `${rotationId} ${latin1(contract)}`;
    const known = this.#contractKeys.get(name);
    if (known !== undefined) return known;
    const masterKey = this.#masterKeys.get(rotationId);
    if (masterKey === undefined) return null;
    const { keySuite, cipherSuite, scalar } = masterKey;
    const group = partialGroup(keySuite);
    using secret = secretOf(group, scalar);
    using element = new Secret(group.multiplyAll(hashContracts(group, contract).points, secret));
    using prf = prfOutputs(group, element);
    using key = prf.use((x) => expandContractKey(x, contractKeyInfo(keySuite, cipherSuite, rotationId, contract)));
    const bytes = key.use((each) => each.slice());
    this.#contractKeys.set(name, bytes);
    return bytes;
  }
}

/** What a sealed state claims, whatever its tag says. */
export function headOf(sealed: Uint8Array): SealedHead {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
  return { rotationId: bytes.readUInt32LE(2), writeVersion: bytes.readBigUInt64LE(6) };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
