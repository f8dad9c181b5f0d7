/**
 * What somebody has who took a copy of a network's files: all that their sealing keys open, which lie beside them. Read by the
 * descriptions of bytes in src/pruntime, with nothing else of a pRuntime.
 */
import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { toHex } from "../../src/bytes.ts";
import { CONTEXT } from "../../src/context.ts";
import { localNodes } from "../../src/gatekeeper/local-network.ts";
import type { PublicKey } from "../../src/protocol/account.ts";
import type { Hex } from "../../src/protocol/scale.ts";
import type { SealLabel, Sealer } from "../../src/pruntime/sealer.ts";
import { openSoftwareSealer } from "../../src/pruntime/software-sealer.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { readSealed } from "../simulation/sealed-secrets.ts";

/** A secret, and what it opens something with. */
export type Spoil =
  | { readonly kind: "share"; readonly epoch: number; readonly index: number; readonly bytes: Uint8Array }
  | { readonly kind: "dealing key"; readonly epoch: number; readonly owner: PublicKey; readonly bytes: Uint8Array }
  | { readonly kind: "EcdhKey"; readonly owner: PublicKey; readonly publicKey: PublicKey; readonly bytes: Uint8Array }
  /** Of a contract in one generation of the MasterKey: what its keys are derived from. */
  | { readonly kind: "x(P)"; readonly contract: Hex; readonly bytes: Uint8Array }
  | { readonly kind: "contract key"; readonly contract: Hex; readonly bytes: Uint8Array }
  | { readonly kind: "contract EcdhKey"; readonly contract: Hex; readonly bytes: Uint8Array };

/** Those of a kind. */
export function of<K extends Spoil["kind"]>(spoils: readonly Spoil[], kind: K): Extract<Spoil, { readonly kind: K }>[] {
  return spoils.filter((spoil): spoil is Extract<Spoil, { readonly kind: K }> => spoil.kind === kind);
}

/** Its name among others. */
export function nameOf(spoil: Spoil): string {
  switch (spoil.kind) {
    case "share":
      return `share ${spoil.index} of key session ${spoil.epoch}`;
    case "dealing key":
      return `dealing key of ${spoil.owner} in key session ${spoil.epoch}`;
    case "EcdhKey":
      return `EcdhKey ${spoil.publicKey}`;
    default:
      return `${spoil.kind} of ${spoil.contract}`;
  }
}

const MAGIC = Buffer.from("GKSEAL", "ascii");
const LABELS = [CONTEXT.sealShares, CONTEXT.sealEcdhKeys, CONTEXT.sealProgress, CONTEXT.sealIdentityKey] as const;

/** A sealed file, opened. */
interface Opened {
  readonly label: SealLabel;
  readonly bytes: Uint8Array;
}

/** All that is sealed in a home, whatever its files are called. */
function unsealAll(home: string): Opened[] {
  const folder = join(home, "pruntime");
  using sealer = openSoftwareSealer(join(folder, "key"), null);
  const identity = readFileSync(join(folder, "identity.sealed"));
  using scalar = sealer.unseal(CONTEXT.sealIdentityKey, new Uint8Array(0), identity, "identity.sealed");
  const binding = scalar.use((bytes) => secp256k1.getPublicKey(bytes, true));
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.flatMap((name) => {
    const sealed = bytesIn(join(folder, name));
    if (!sealed?.subarray(0, MAGIC.length).equals(MAGIC)) return [];
    return LABELS.flatMap((label) => unsealed(sealer, label, binding, sealed));
  });
}

/** Null for a folder, and for what is gone meanwhile. */
function bytesIn(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if (["EISDIR", "ENOENT"].includes(String((error as NodeJS.ErrnoException).code))) return null;
    throw error;
  }
}

function unsealed(sealer: Sealer, label: SealLabel, binding: Uint8Array, sealed: Uint8Array): Opened[] {
  const bound = label === CONTEXT.sealIdentityKey ? new Uint8Array(0) : binding;
  try {
    using secret = sealer.unseal(label, bound, sealed, label);
    return [{ label, bytes: secret.use((bytes) => bytes.slice()) }];
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "KEY_UNAVAILABLE") return [];
    throw error;
  }
}

/** What the sealed files of a network's folder hold. @param owners - IdentityKeys of its nodes, in their order. */
export function spoilsOf(folder: string, owners: readonly PublicKey[]): Spoil[] {
  return localNodes(folder).flatMap(({ home }, at) =>
    unsealAll(home).flatMap(({ label, bytes }): Spoil[] => {
      const owner = owners[at]!;
      if (label === CONTEXT.sealShares) return sharesIn(owner, bytes);
      if (label === CONTEXT.sealEcdhKeys) return ecdhKeysIn(owner, bytes);
      return [];
    }),
  );
}

/** Everything that is sealed there, opened, in a row. */
export function sealedBytes(folder: string): Buffer {
  return Buffer.concat(localNodes(folder).flatMap(({ home }) => unsealAll(home).map(({ bytes }) => bytes)));
}

function sharesIn(owner: PublicKey, bytes: Uint8Array): Spoil[] {
  const { dealingKey, shares } = readSealed(bytes);
  const spoils: Spoil[] = shares.map(({ epoch, index, scalar }) => ({ kind: "share", epoch, index, bytes: scalar }));
  if (dealingKey !== null)
    spoils.push({ kind: "dealing key", epoch: dealingKey.epoch, owner, bytes: dealingKey.scalar });
  return spoils;
}

function ecdhKeysIn(owner: PublicKey, bytes: Uint8Array): Spoil[] {
  const [, pending, current, kept] = bytes;
  const sizes = [...Array<number>(pending!).fill(32), ...Array<number>(current! + kept!).fill(36)];
  let at = 4;
  return sizes.map((size) => {
    const scalar = bytes.slice(at, at + 32);
    at += size;
    return { kind: "EcdhKey", owner, publicKey: toHex(secp256k1.getPublicKey(scalar, true)), bytes: scalar };
  });
}

/** All bytes of files below a folder; names are relative to it. */
export function filesIn(folder: string): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const bytes = bytesIn(join(folder, name));
    if (bytes !== null) files.set(name, bytes);
  }
  return files;
}

/** Files that a process has open and that have no name any more. */
export function namelessFilesOf(pid: number): Buffer[] {
  const folder = `/proc/${pid}/fd`;
  const paths = readdirSync(folder).map((name) => join(folder, name));
  return paths
    .filter((path) => readlinkSync(path).endsWith(" (deleted)") && statSync(path).isFile())
    .map((path) => readFileSync(path));
}
