/**
 * Contract ids: one 32-byte name for everything that has states of its own, whatever the chain calls it.
 *
 * Contract id = SHA-256("gatekeeper/v1 contract id" ‖ kind ‖ native name). The kind comes first and the name last, so
 * different pairs never hash the same bytes. Ids and names are public.
 */
import { createHash } from "node:crypto";
import { GatekeeperError } from "./errors.ts";
import { CONTEXT } from "./context.ts";

/** Bytes of a contract id. */
export const CONTRACT_ID_BYTES = 32;

/** What kind of native name a contract has; the number is hashed and stored, so it never changes its meaning. */
export const CONTRACT_KIND = Object.freeze({
  /** An account, by its 20-byte address. */
  account: 1,
  /** A Substrate pallet's states, by their 16-byte storage prefix. */
  pallet: 2,
  /** A Substrate child trie, by its trie id, which may be any bytes. */
  childTrie: 3,
  /** Substrate's top-level keys that begin with ':' or are shorter than a pallet prefix; the name is ":". */
  wellKnown: 4,
  /** A contract of this network: its owner's account id, and the name that he gives it. Nobody can take another's. */
  deployed: 5,
} as const);

export type ContractKind = (typeof CONTRACT_KIND)[keyof typeof CONTRACT_KIND];

/** Bytes of the account id that a deployed contract's native name begins with. */
const OWNER_BYTES = 32;
/** Bytes of the name that an owner gives a contract, at most. */
export const DEPLOYED_NAME_BYTES_MAX = 64;

/** Bytes of native names: at least and at most. */
const NAME_BYTES: Readonly<Record<ContractKind, readonly [least: number, most: number]>> = {
  1: [20, 20],
  2: [16, 16],
  3: [0, Number.MAX_SAFE_INTEGER],
  4: [1, 1],
  5: [OWNER_BYTES, OWNER_BYTES + DEPLOYED_NAME_BYTES_MAX],
};
const COLON = 0x3a;

/** @throws GatekeeperError INVALID_ARGUMENT when a contract id has not 32 bytes. */
export function checkContractId(id: Uint8Array): void {
  if (id.length !== CONTRACT_ID_BYTES) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a contract id has ${CONTRACT_ID_BYTES} bytes, not ${id.length}`);
  }
}

/**
 * The contract id (32 bytes) of a native name.
 * @throws GatekeeperError INVALID_ARGUMENT when the kind is unknown or the name is not one of that kind.
 */
export function contractId(kind: ContractKind, nativeName: Uint8Array): Uint8Array<ArrayBuffer> {
  if (!Object.hasOwn(NAME_BYTES, kind)) {
    throw new GatekeeperError("INVALID_ARGUMENT", `contract kind ${String(kind)} is unknown`, { kind });
  }
  const [least, most] = NAME_BYTES[kind];
  if (nativeName.length < least || nativeName.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `a native name of contract kind ${kind} has ${wanted} bytes, not ${nativeName.length}`,
      { kind, bytes: nativeName.length },
    );
  }
  if (kind === CONTRACT_KIND.wellKnown && nativeName[0] !== COLON) {
    throw new GatekeeperError("INVALID_ARGUMENT", 'the only native name of contract kind 4 is ":"', { kind });
  }
  const hash = createHash("sha256").update(CONTEXT.contractId, "ascii").update(Uint8Array.of(kind)).update(nativeName);
  return Uint8Array.from(hash.digest());
}

/**
 * The native name of a deployed contract.
 * @param owner - an account id, 32 bytes.
 * @param name - what its owner calls it, 0 to DEPLOYED_NAME_BYTES_MAX bytes.
 * @throws GatekeeperError INVALID_ARGUMENT when either has another length.
 */
export function deployedName(owner: Uint8Array, name: Uint8Array): Uint8Array<ArrayBuffer> {
  if (owner.length !== OWNER_BYTES || name.length > DEPLOYED_NAME_BYTES_MAX) {
    throw new GatekeeperError(
      "INVALID_ARGUMENT",
      `a contract is named by an account id of ${OWNER_BYTES} bytes and a name of at most ${DEPLOYED_NAME_BYTES_MAX}`,
      { owner: owner.length, name: name.length },
    );
  }
  const native = new Uint8Array(OWNER_BYTES + name.length);
  native.set(owner);
  native.set(name, OWNER_BYTES);
  return native;
}
