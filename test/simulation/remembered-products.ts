/**
 * Products of secp256k1 that a run asks for again, computed once: each receiver opens a sub-share twice, each proof is
 * checked against keys that were made from the same secrets, and a signature is
 * verified by who makes it and by all who read it. They are functions of their arguments alone.
 */
import { Secp256k1Group } from "../../src/keys/secp256k1-group.ts";
import { type Points, Secp256k1 } from "../../src/engine/secp256k1.ts";
import type { Secret } from "../../src/secret.ts";
import { RememberedSignatures } from "./remembered-signatures.ts";

const { multiplyBase, multiplyAll, multiScalar, hashToGroup } = Secp256k1Group.prototype;
const { invalidSignatures, publicKeys } = Secp256k1.prototype;

/** Remembers what all instances compute until it is disposed. */
export class RememberedProducts implements Disposable {
  readonly #known = new Map<string, Uint8Array<ArrayBuffer> | null>();
  readonly #signatures = new RememberedSignatures();
  /** Of scalars, most of them a pRuntime's own again and again. */
  readonly #points = new Map<string, Points>();

  constructor() {
    const once = this.#once.bind(this);
    const known = this.#signatures;
    const points = this.#points;
    Object.assign(Secp256k1.prototype, {
      invalidSignatures(this: Secp256k1, hashes: Uint8Array, signatures: Uint8Array, publicKeys: Uint8Array) {
        const batch = [parts(hashes, 32), parts(signatures, 64), parts(publicKeys, 33)] as const;
        const of = (at: number) => batch.map((each) => each[at]!) as [Uint8Array, Uint8Array, Uint8Array];
        const fresh = [...batch[0].keys()].filter((at) => !known.isRight(...of(at)));
        if (fresh.length === 0) return [];
        const [first, second, third] = batch.map((each) => Buffer.concat(fresh.map((at) => each[at]!)));
        const wrong = invalidSignatures.call(this, first!, second!, third!).map((index) => fresh[index]!);
        for (const at of fresh) if (!wrong.includes(at)) known.note(...of(at));
        return wrong;
      },
      publicKeys(this: Secp256k1, scalars: Uint8Array) {
        const key = `${this.form} ${hex(scalars)}`;
        const found = points.get(key) ?? publicKeys.call(this, scalars);
        points.set(key, { points: found.points.slice(), invalid: found.invalid });
        if (this.form === "compressed" && found.invalid.length === 0) {
          const made = parts(found.points, 33);
          for (const [at, scalar] of parts(scalars, 32).entries()) known.learn(scalar, made[at]!);
        }
        return { points: found.points.slice(), invalid: found.invalid };
      },
    });
    Object.assign(Secp256k1Group.prototype, {
      multiplyBase(this: Secp256k1Group, scalars: readonly Secret[]) {
        return once(["base", this.elementBytes, ...scalars.map(hexOf)], () => multiplyBase.call(this, scalars));
      },
      multiplyAll(this: Secp256k1Group, elements: Uint8Array, k: Secret) {
        return once(["all", hex(elements), hexOf(k)], () => multiplyAll.call(this, elements, k));
      },
      multiScalar(this: Secp256k1Group, elements: Uint8Array, weights: Uint8Array) {
        return once(["sum", hex(elements), hex(weights)], () => multiScalar.call(this, elements, weights));
      },
      hashToGroup(this: Secp256k1Group, messages: Uint8Array, messageBytes: number, dst: Uint8Array) {
        const key = ["hash", this.elementBytes, hex(messages), messageBytes, hex(dst)];
        return once(key, () => hashToGroup.call(this, messages, messageBytes, dst));
      },
    });
  }

  [Symbol.dispose](): void {
    Object.assign(Secp256k1Group.prototype, { multiplyBase, multiplyAll, multiScalar, hashToGroup });
    Object.assign(Secp256k1.prototype, { invalidSignatures, publicKeys });
  }

  /** A copy, which the caller may wipe. */
  #once(arguments_: readonly (string | number)[], compute: () => Uint8Array<ArrayBuffer> | null) {
    const key = arguments_.join();
    let result = this.#known.get(key);
    if (result === undefined) {
      result = compute();
      this.#known.set(key, result);
    }
    return result?.slice() ?? null;
  }
}

function parts(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: bytes.length / size }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const hexOf = (secret: Secret): string => secret.use(hex);
