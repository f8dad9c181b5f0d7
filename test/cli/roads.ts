/**
 * The roads by which somebody who has taken copies of a network may come to its contracts' states: with the store's records, the
 * chain, all that went from node to node, and whatever secrets he has. Each is walked to its end with what there is; nothing is
 * given up early because something does not look right. Written on noble and node:crypto where that is no more work.
 */
import { createDecipheriv } from "node:crypto";
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { fromHex, toHex } from "../../src/bytes.ts";
import { CONTEXT } from "../../src/context.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { COMMANDS_PATH } from "../../src/gatekeeper/message-transport.ts";
import { storePath } from "../../src/gatekeeper/local-network.ts";
import { contractEcdhKey } from "../../src/keys/contract-ecdh-key.ts";
import { contractKeyInfo, expandContractKey } from "../../src/keys/contract-key.ts";
import { openCommand, readCommandHeader } from "../../src/keys/sealed-command.ts";
import { Share } from "../../src/keys/shamir.ts";
import { decodeKeyValueRequest } from "../../src/protocol/key-value-messages.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import type { Hex } from "../../src/protocol/scale.ts";
import { Secret, secretCopy } from "../../src/secret.ts";
import { openStore } from "../../src/store/embedded.ts";
import { recordsOf } from "../../src/store/page.ts";
import { interpolated } from "../keys/interpolation.ts";
import type { Exchange } from "./recorded-network.ts";
import { type History, sharesFromDealings } from "./dealings.ts";
import { type Spoil, of } from "./spoils.ts";
import { prfsOfPartials } from "./wire-partials.ts";

/** secp256k1, and AES-256-GCM. */
const SUITE = 1;
const GROUP = ledgerGroup(SUITE);

type Of<K extends Spoil["kind"]> = Extract<Spoil, { readonly kind: K }>;

/** A sealed state as it lies in a store. */
export interface SealedRecord {
  readonly contract: Hex;
  readonly key: Uint8Array;
  readonly sealed: Uint8Array;
}

/** What is public, or was taken without anybody's secret. */
export interface Evidence {
  /** Of one generation of the MasterKey. */
  readonly rotationId: number;
  readonly records: readonly SealedRecord[];
  readonly history: History;
  readonly traffic: readonly Exchange[];
}

/** How many records, or commands of users, are opened by each road. */
export interface Opened {
  /** Shares are put together. */
  readonly shares: number;
  /** Sub-shares on the chain are opened with dealing keys, and put together. */
  readonly dealings: number;
  /** Partials on the wire are opened with EcdhKeys, and put together. */
  readonly partials: number;
  /** With what was derived from the MasterKey. */
  readonly derived: number;
  /** Commands on the wire are opened with contracts' EcdhKeys. */
  readonly commands: number;
}

/** All records of a generation in a copy of a network's store. */
export async function recordsIn(folder: string, rotationId: number): Promise<SealedRecord[]> {
  const store = await openStore({ path: storePath(folder) });
  try {
    const pages = await store.scan({ from: null, to: null }, null, Number.MAX_SAFE_INTEGER);
    return pages
      .flatMap((page) =>
        [...recordsOf(page)].map(({ key, sealed }) => ({
          contract: toHex(page.contract),
          key: Uint8Array.from(key),
          sealed: Uint8Array.from(sealed),
        })),
      )
      .filter(({ sealed }) => Buffer.from(sealed).readUInt32LE(2) === rotationId);
  } finally {
    await store.close();
  }
}

/** Walks all roads with these secrets. */
export function walk(evidence: Evidence, spoils: readonly Spoil[]): Opened {
  const { history } = evidence;
  const dealt = sharesFromDealings(history, spoils);
  const open = (found: readonly Spoil[]): number => openedWith(evidence, found).size;
  return {
    shares: open(prfsOfShares(evidence, spoils)),
    dealings: open(prfsOfShares(evidence, dealt)),
    partials: open(prfsOfPartials(evidence, history, spoils)),
    derived: open(spoils),
    commands: commandsOpened(evidence, spoils),
  };
}

/** The plaintexts that are opened by keys of contracts, or what they are derived from; by place in the records. */
export function openedWith({ rotationId, records }: Evidence, spoils: readonly Spoil[]): Map<number, Buffer> {
  const keys = [...of(spoils, "contract key"), ...of(spoils, "x(P)").map((prf) => contractKeyOf(prf, rotationId))];
  const opened = new Map<number, Buffer>();
  for (const [at, record] of records.entries()) {
    for (const key of keys) {
      const text = key.contract === record.contract ? (opened.get(at) ?? openRecord(record, key.bytes)) : null;
      if (text !== null && text !== undefined) opened.set(at, text);
    }
  }
  return opened;
}

/** The key that states of a contract are sealed under. */
export function contractKeyOf({ contract, bytes }: Of<"x(P)">, rotationId: number): Of<"contract key"> {
  const info = contractKeyInfo(SUITE, SUITE, rotationId, fromHex(contract, "a contract id"));
  using key = expandContractKey(bytes, info);
  return { kind: "contract key", contract, bytes: key.use((keyBytes) => keyBytes.slice()) };
}

/** The secret of the key that commands to a contract are sealed to. */
export function contractEcdhKeyOf({ contract, bytes }: Of<"x(P)">, rotationId: number): Of<"contract EcdhKey"> {
  const { scalar } = contractEcdhKey(GROUP, bytes, SUITE, rotationId, fromHex(contract, "a contract id"));
  using secret = scalar;
  return { kind: "contract EcdhKey", contract, bytes: secret.use((scalarBytes) => scalarBytes.slice()) };
}

/** src/engine/sealed-state.ts has the places. */
function openRecord({ contract, key, sealed }: SealedRecord, secret: Uint8Array): Buffer | null {
  const decipher = createDecipheriv("aes-256-gcm", secret, sealed.subarray(14, 26), { authTagLength: 16 });
  decipher.setAAD(Buffer.concat([sealed.subarray(0, 14), fromHex(contract, "a contract id"), key]));
  decipher.setAuthTag(sealed.subarray(-16));
  const text = decipher.update(sealed.subarray(26, -16));
  try {
    decipher.final();
    return text;
  } catch {
    return null;
  }
}

/** With the shares of each key session, as many as there are: too few give another number, which opens nothing. */
export function prfsOfShares(evidence: Evidence, spoils: readonly Spoil[]): Of<"x(P)">[] {
  const shares = of(spoils, "share");
  const epochs = new Set(shares.map(({ epoch }) => epoch));
  return [...epochs].flatMap((epoch) => {
    const ofEpoch = new Map(shares.filter((share) => share.epoch === epoch).map(({ index, bytes }) => [index, bytes]));
    const scalar = interpolated(
      GROUP,
      [...ofEpoch].map(([index, bytes]) => new Share(index, new Secret(secretCopy(bytes)))),
      0,
    );
    return scalar === 0n ? [] : prfsOf(contractsOf(evidence), (point) => point.multiply(scalar));
  });
}

type Point = InstanceType<typeof secp256k1.Point>;

/** x(P) of contracts, of what P is. */
function prfsOf(contracts: readonly Hex[], product: (point: Point) => Point): Of<"x(P)">[] {
  return contracts.map((contract) => ({ kind: "x(P)", contract, bytes: xOf(product(contractPoint(contract))) }));
}

/** H, of which P is a multiple. */
export function contractPoint(contract: Hex): Point {
  const { x, y } = secp256k1_hasher
    .hashToCurve(fromHex(contract, "a contract id"), { DST: CONTEXT.contractPoint })
    .toAffine();
  return secp256k1.Point.fromAffine({ x, y });
}

/** The x-coordinate of a point, 32 bytes. */
export function xOf(point: Point): Uint8Array {
  return point.toBytes(true).slice(1);
}

function contractsOf({ records }: Evidence): Hex[] {
  return [...new Set(records.map(({ contract }) => contract))];
}

/** Commands of users to contracts of the generation that are opened: puts, with the very values that became states. */
function commandsOpened({ rotationId, traffic }: Evidence, spoils: readonly Spoil[]): number {
  const keys = [
    ...of(spoils, "contract EcdhKey"),
    ...of(spoils, "x(P)").map((prf) => contractEcdhKeyOf(prf, rotationId)),
  ];
  return traffic.filter(({ path, request }) => {
    const header = path === COMMANDS_PATH ? readCommandHeader(request) : null;
    if (header?.rotationId !== rotationId) return false;
    return keys.some((key) => key.contract === toHex(header.contract) && opensPut(key, request));
  }).length;
}

function opensPut({ bytes }: Of<"contract EcdhKey">, command: Uint8Array): boolean {
  using scalar = new Secret(secretCopy(bytes));
  try {
    using body = openCommand(GROUP, { scalar, publicKey: GROUP.multiplyBase([scalar]) }, command);
    return decodeKeyValueRequest(GROUP, body)?.command.tag === "put";
  } catch (error) {
    if (error instanceof GatekeeperError && error.code === "COMMAND_INVALID") return false;
    throw error;
  }
}
