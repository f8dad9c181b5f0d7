/**
 * Products of the groups that a run asks for again, computed once: each receiver opens a sub-share twice, each proof is
 * checked against keys that were made from the same secrets, and a signature is
 * verified by all who read it. They are functions of their arguments alone. Signatures are right ones, under nonces of a few.
 */
import { Ecdsa } from "../../src/keys/ecdsa.ts";
import type { Group } from "../../src/keys/group.ts";
import { NobleGroup } from "../../src/keys/noble-group.ts";
import { Secp256k1Group } from "../../src/keys/secp256k1-group.ts";
import { type Points, Secp256k1 } from "../../src/engine/secp256k1.ts";
import type { Secret } from "../../src/secret.ts";
import { PooledNonces } from "./pooled-nonces.ts";
import { RememberedSignatures } from "./remembered-signatures.ts";

const GROUPS = [Secp256k1Group.prototype, NobleGroup.prototype].map((prototype: Group) => {
  const { multiplyBase, multiplyAll, multiScalar, hashToGroup } = prototype;
  return { prototype, products: { multiplyBase, multiplyAll, multiScalar, hashToGroup } };
});
const { invalidSignatures, publicKeys } = Secp256k1.prototype;
const { sign } = Ecdsa.prototype;

/** Remembers what all instances compute until it is disposed. */
export class RememberedProducts implements Disposable {
  readonly #known = new Map<string, Uint8Array<ArrayBuffer> | null>();
  readonly #signatures = new RememberedSignatures();
  /** Of scalars, most of them a pRuntime's own again and again. */
  readonly #points = new Map<string, Points>();

  constructor() {
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
    const nonces = PooledNonces.shared();
    nonces.teach(known);
    Object.assign(Ecdsa.prototype, {
      sign: (key: Secret, hash: Uint8Array) =>
        key.use((bytes) => {
          if (!points.has(`compressed ${hex(bytes)}`)) nonces.meet(bytes);
          return nonces.sign(bytes, hash);
        }),
    });
    for (const { prototype } of GROUPS) this.#rememberFor(prototype);
  }

  [Symbol.dispose](): void {
    for (const { prototype, products } of GROUPS) Object.assign(prototype, products);
    Object.assign(Secp256k1.prototype, { invalidSignatures, publicKeys });
    Object.assign(Ecdsa.prototype, { sign });
  }

  #rememberFor(prototype: Group): void {
    const { multiplyBase, multiplyAll, multiScalar, hashToGroup } = prototype;
    const once = this.#once.bind(this);
    Object.assign(prototype, {
      multiplyBase(this: Group, scalars: readonly Secret[]) {
        return once(["base", ...nameOf(this), ...scalars.map(hexOf)], () => multiplyBase.call(this, scalars));
      },
      multiplyAll(this: Group, elements: Uint8Array, k: Secret) {
        return once(["all", ...nameOf(this), hex(elements), hexOf(k)], () => multiplyAll.call(this, elements, k));
      },
      multiScalar(this: Group, elements: Uint8Array, weights: Uint8Array) {
        const key = ["sum", ...nameOf(this), hex(elements), hex(weights)];
        return once(key, () => multiScalar.call(this, elements, weights));
      },
      hashToGroup(this: Group, messages: Uint8Array, messageBytes: number, dst: Uint8Array) {
        const key = ["hash", ...nameOf(this), hex(messages), messageBytes, hex(dst)];
        return once(key, () => hashToGroup.call(this, messages, messageBytes, dst));
      },
    });
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

const nameOf = ({ keySuite, elementBytes }: Group) => [keySuite, elementBytes];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const hexOf = (secret: Secret): string => secret.use(hex);
