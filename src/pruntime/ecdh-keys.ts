/**
 * A pRuntime's EcdhKeys: the key pairs of secp256k1 that others seal messages to it with. They come and go, so that
 * what was sealed to one can't be opened any more, by nobody, once that one is destroyed: forward secrecy.
 *
 *   pending  made, and sealed durably, but not yet said to be ours by the ledger
 *   current  what the ledger says is ours
 *   kept     was current, and still opens what was sealed to it, until its height
 *
 * A key must be sealed durably before it is published: a message may be sealed to it as soon as a block has it. So all of
 * them open messages, whatever they are. `published` is told what the ledger says, as often as one likes.
 *
 * Destroying a key is done when `destroyExpired` or `destroyKept` has returned, *and* what `encode` gives then was sealed durably in the
 * place of what it gave before, *and* that is destroyed. Bytes of `encode`:
 *
 *   version 1 (=1) | has pending 1 | has current 1 | number of kept 1 | keys
 *
 * where a key is its scalar (32, big-endian), and behind that of the current one the height since which it is, behind one
 * that is kept the height until which; u32, little-endian. Public keys are computed anew.
 */
import { toHex } from "../bytes.ts";
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { SCALAR_BYTES, SECP256K1_SCALARS } from "../keys/scalars.ts";
import type { PublicKey } from "../protocol/account.ts";
import { ECDH_INTERVALS_KEPT } from "../protocol/genesis.ts";
import { Secret, secretCopy } from "../secret.ts";

/** Keys that are kept at a time: those that a genesis allows, and one whose time is over with the block of the next. */
export const KEPT_ECDH_KEYS_MAX = ECDH_INTERVALS_KEPT + 1;

const VERSION = 1;
const HEAD_BYTES = 4;
const HEIGHT_BYTES = 4;
const HEIGHT_MAX = 0xffff_ffff;

/** A key pair. */
interface KeyPair {
  readonly publicKey: PublicKey;
  readonly secret: Secret;
}

/** A key pair with the height since which it is current, or until which it is kept. */
interface DatedKeyPair extends KeyPair {
  readonly height: number;
}

/** The EcdhKey that the ledger says is ours. */
export interface CurrentEcdhKey {
  readonly publicKey: PublicKey;
  /** Of the block in which it was seen first. */
  readonly since: number;
}

/** Owns their scalars: `using keys = …` or dispose them, and they are wiped. */
export class EcdhKeys implements Disposable {
  readonly #curve: Secp256k1;
  readonly #overlap: number;
  #pending: KeyPair | null = null;
  #current: DatedKeyPair | null = null;
  /** The oldest first. */
  #kept: readonly DatedKeyPair[] = [];

  private constructor(curve: Secp256k1, overlap: number) {
    this.#curve = curve;
    this.#overlap = checkedHeight(overlap);
  }

  /**
   * With a first key, pending.
   * @param curve - of compressed points; lent for as long as they live.
   * @param overlap - blocks for which a key is kept after the next one was published; u32.
   */
  static create(curve: Secp256k1, overlap: number): EcdhKeys {
    const keys = new EcdhKeys(curve, overlap);
    keys.rotate();
    return keys;
  }

  /**
   * What `encode` gave.
   * @param curve, overlap - as for `create`.
   * @param encoded - stays the caller's.
   * @throws GatekeeperError KEY_UNAVAILABLE when they are other bytes.
   */
  static decode(curve: Secp256k1, overlap: number, encoded: Secret): EcdhKeys {
    const keys = new EcdhKeys(curve, overlap);
    try {
      encoded.use((bytes) => keys.#read(bytes));
    } catch (error) {
      keys[Symbol.dispose]();
      throw error;
    }
    return keys;
  }

  /** The key that is to be published. */
  get pending(): PublicKey | null {
    return this.#pending?.publicKey ?? null;
  }

  get current(): CurrentEcdhKey | null {
    return this.#current && { publicKey: this.#current.publicKey, since: this.#current.height };
  }

  /**
   * A next key, pending, or the one that is pending already: an attempt to publish it can be repeated. The caller seals
   * what `encode` gives before it is published.
   * @throws GatekeeperError INVALID_ARGUMENT when as many are kept as may be: rotate less often, or shorten the overlap.
   */
  rotate(): PublicKey {
    if (this.#pending === null) {
      if (this.#kept.length >= KEPT_ECDH_KEYS_MAX) {
        throw new GatekeeperError(
          "INVALID_ARGUMENT",
          `${KEPT_ECDH_KEYS_MAX} former EcdhKeys are kept, and none expired`,
        );
      }
      this.#pending = this.#pair(SECP256K1_SCALARS.random());
    }
    return this.#pending.publicKey;
  }

  /**
   * What the ledger says is ours: what was pending becomes current, and what was current is kept for the overlap.
   * @param height - the ledger's.
   * @throws GatekeeperError KEY_UNAVAILABLE when it is neither the pending nor the current one: these are older than what
   * was published, or somebody else acts under our IdentityKey.
   */
  published(publicKey: PublicKey, height: number): void {
    checkedHeight(height);
    if (publicKey === this.#current?.publicKey) return;
    if (this.#pending === null || publicKey !== this.#pending.publicKey) {
      throw new GatekeeperError(
        "KEY_UNAVAILABLE",
        `the ledger's EcdhKey of this pRuntime, ${publicKey}, is not held here`,
      );
    }
    if (this.#current !== null) {
      const until = Math.min(height + this.#overlap, HEIGHT_MAX);
      this.#kept = [...this.#kept, { ...this.#current, height: until }];
    }
    this.#current = { ...this.#pending, height };
    this.#pending = null;
  }

  /**
   * Wipes the keys that are kept until this height or a lower one.
   * @returns their public keys; where there are any, the caller seals what `encode` gives now, and destroys what it gave
   * before.
   */
  destroyExpired(height: number): readonly PublicKey[] {
    checkedHeight(height);
    return this.#destroy(this.#kept.filter((key) => key.height <= height));
  }

  /** Wipes all keys that are kept, before their time. @returns as `destroyExpired` does. */
  destroyKept(): readonly PublicKey[] {
    return this.#destroy(this.#kept);
  }

  /** The scalar of one of these keys, lent: neither kept nor disposed by who asks. Undefined when it is none, or no more. */
  secretOf(publicKey: PublicKey): Secret | undefined {
    return this.#all().find((key) => key.publicKey === publicKey)?.secret;
  }

  /** All of them, to be sealed; the caller owns it. */
  encode(): Secret {
    const dated = [...(this.#current === null ? [] : [this.#current]), ...this.#kept];
    const pending = this.#pending === null ? 0 : 1;
    const size = HEAD_BYTES + pending * SCALAR_BYTES + dated.length * (SCALAR_BYTES + HEIGHT_BYTES);
    const bytes = new Uint8Array(new ArrayBuffer(size));
    bytes.set([VERSION, pending, this.#current === null ? 0 : 1, this.#kept.length]);
    let at = HEAD_BYTES;
    if (this.#pending !== null) {
      this.#pending.secret.use((scalar) => bytes.set(scalar, at));
      at += SCALAR_BYTES;
    }
    const view = new DataView(bytes.buffer);
    for (const { secret, height } of dated) {
      secret.use((scalar) => bytes.set(scalar, at));
      view.setUint32(at + SCALAR_BYTES, height, true);
      at += SCALAR_BYTES + HEIGHT_BYTES;
    }
    return new Secret(bytes);
  }

  [Symbol.dispose](): void {
    for (const { secret } of this.#all()) secret[Symbol.dispose]();
    this.#pending = null;
    this.#current = null;
    this.#kept = [];
  }

  #destroy(keys: readonly DatedKeyPair[]): readonly PublicKey[] {
    this.#kept = this.#kept.filter((key) => !keys.includes(key));
    for (const { secret } of keys) secret[Symbol.dispose]();
    return keys.map(({ publicKey }) => publicKey);
  }

  #all(): readonly KeyPair[] {
    return [this.#pending, this.#current, ...this.#kept].filter((key) => key !== null);
  }

  #read(bytes: Uint8Array<ArrayBuffer>): void {
    const [version, pending, current, kept] = bytes;
    if (
      bytes.length < HEAD_BYTES ||
      version !== VERSION ||
      pending! > 1 ||
      current! > 1 ||
      kept! > KEPT_ECDH_KEYS_MAX
    ) {
      throw malformed();
    }
    const dated = current! + kept!;
    const size = HEAD_BYTES + pending! * SCALAR_BYTES + dated * (SCALAR_BYTES + HEIGHT_BYTES);
    if (bytes.length !== size || pending! + current! === 0 || (current === 0 && kept! > 0)) throw malformed();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = HEAD_BYTES;
    const pair = (): KeyPair => {
      const read = this.#pair(new Secret(secretCopy(bytes.subarray(at, at + SCALAR_BYTES))));
      at += SCALAR_BYTES;
      return read;
    };
    const datedPair = (): DatedKeyPair => {
      const read = pair();
      const height = view.getUint32(at, true);
      at += HEIGHT_BYTES;
      return { ...read, height };
    };
    if (pending === 1) this.#pending = pair();
    if (current === 1) this.#current = datedPair();
    for (let i = 0; i < kept!; i++) this.#kept = [...this.#kept, datedPair()];
  }

  /** @param secret - taken over, also when this throws. @throws GatekeeperError KEY_UNAVAILABLE when it is no scalar. */
  #pair(secret: Secret): KeyPair {
    const { points, invalid } = secret.use((scalar) => this.#curve.publicKeys(scalar));
    if (invalid.length === 0) return { publicKey: toHex(points), secret };
    secret[Symbol.dispose]();
    throw malformed();
  }
}

function malformed(): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", "sealed EcdhKeys are malformed, or of another version");
}

function checkedHeight(height: number): number {
  if (Number.isInteger(height) && height >= 0 && height <= HEIGHT_MAX) return height;
  throw new GatekeeperError("INVALID_ARGUMENT", `${height} is no height or number of blocks below 2^32`);
}
