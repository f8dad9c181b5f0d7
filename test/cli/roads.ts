/**
 * The roads by which somebody who has taken copies of a network may come to its contracts' states: with the store's records, the
 * chain, all that went from node to node, and whatever secrets he has. Each is walked to its end with what there is; nothing is
 * given up early because something does not look right. Written on noble and node:crypto where that is no more work.
 */
import { createDecipheriv } from "node:crypto";
import { join } from "node:path";
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { fromHex, toHex } from "../../src/bytes.ts";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { CONTEXT } from "../../src/context.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { COMMANDS_PATH, MESSAGES_PATH } from "../../src/gatekeeper/message-transport.ts";
import { storePath } from "../../src/gatekeeper/local-network.ts";
import { contractEcdhKey } from "../../src/keys/contract-ecdh-key.ts";
import { contractKeyInfo, expandContractKey } from "../../src/keys/contract-key.ts";
import { reweighting } from "../../src/keys/lagrange.ts";
import { type DealtSubShare, combineSubShares, openSubShare } from "../../src/keys/receiver.ts";
import { openCommand, readCommandHeader } from "../../src/keys/sealed-command.ts";
import { Share } from "../../src/keys/shamir.ts";
import type { PublicKey } from "../../src/protocol/account.ts";
import { replicaCurve } from "../../src/protocol/curve.ts";
import type { KeySession } from "../../src/protocol/key-session.ts";
import { decodeKeyValueRequest } from "../../src/protocol/key-value-messages.ts";
import { ledgerGroup, qualifiedDealings, termsOf } from "../../src/protocol/key-terms.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { Replica } from "../../src/protocol/replica.ts";
import type { Hex } from "../../src/protocol/scale.ts";
import type { Sharing } from "../../src/protocol/sharing.ts";
import { type PartialsRequest, decodePeerMessage } from "../../src/pruntime/peer-message.ts";
import { readMessageHeader } from "../../src/pruntime/sealed-message.ts";
import { Secret, secretCopy } from "../../src/secret.ts";
import { openStore } from "../../src/store/embedded.ts";
import { recordsOf } from "../../src/store/page.ts";
import { interpolated } from "../keys/interpolation.ts";
import { referenceOpen } from "../pruntime/reference-message.ts";
import type { Exchange } from "./recorded-network.ts";
import type { Spoil } from "./spoils.ts";

/** secp256k1, and AES-256-GCM. */
const SUITE = 1;
const ORDER = secp256k1.Point.Fn.ORDER;
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
  /** Folder with a copy of the chain. */
  readonly chain: string;
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
  const history = historyOf(evidence.chain);
  const dealt = sharesFromDealings(history, spoils);
  const open = (found: readonly Spoil[]): number => openedWith(evidence, found).size;
  return {
    shares: open(prfsOfShares(evidence, spoils)),
    dealings: open(prfsOfShares(evidence, dealt)),
    partials: open(prfsFromPartials(evidence, history, of(spoils, "EcdhKey")).prfs),
    derived: open(spoils),
    commands: commandsOpened(evidence, spoils),
  };
}

/** Those of a kind. */
export function of<K extends Spoil["kind"]>(spoils: readonly Spoil[], kind: K): Of<K>[] {
  return spoils.filter((spoil): spoil is Of<K> => spoil.kind === kind);
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

/** What the chain tells of how MasterKeys were shared. */
interface History {
  readonly genesisHash: Uint8Array;
  /** Key sessions when their dealings were qualified, with the ledger of that block. */
  readonly sessions: readonly { readonly ledger: Ledger; readonly session: KeySession }[];
  /** By epoch. */
  readonly sharings: ReadonlyMap<number, Sharing>;
}

function historyOf(folder: string): History {
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  const replica = new Replica(replicaCurve(), Ledger.atGenesis(chain.genesis));
  const sessions = new Map<number, { ledger: Ledger; session: KeySession }>();
  const sharings = new Map<number, Sharing>();
  for (;;) {
    const blocks = chain.blocks(replica.ledger.state.height + 1);
    if (blocks.length === 0) break;
    for (const block of blocks) {
      replica.follow([block]);
      const { ledger } = replica;
      const { keySession: session } = ledger.state;
      if (session?.phase === "confirmation" && !sessions.has(session.epoch)) {
        sessions.set(session.epoch, { ledger, session });
      }
      for (const sharing of ledger.state.sharings) sharings.set(sharing.epoch, sharing);
    }
  }
  return { genesisHash: replica.ledger.genesisHash, sessions: [...sessions.values()], sharings };
}

/** Sub-shares that dealing keys open, of all dealings on the chain, and the shares that they make. */
export function subShares(
  folder: string,
  spoils: readonly Spoil[],
): { readonly dealer: number; readonly receiver: number; readonly bytes: Uint8Array }[] {
  return openedDealings(historyOf(folder), spoils).flatMap(({ opened }) =>
    opened.map(({ dealer, share }) => ({ dealer, receiver: share.index, bytes: bytesOf(share) })),
  );
}

function sharesFromDealings(history: History, spoils: readonly Spoil[]): Spoil[] {
  return openedDealings(history, spoils).flatMap(({ ledger, session, opened }): Spoil[] => {
    const terms = termsOf(history.genesisHash, ledger.state, session);
    if (terms.kind === "refresh" || opened.length < terms.minShares) return [];
    const share = combineSubShares(terms, opened);
    return [{ kind: "share", epoch: session.epoch, index: share.index, bytes: bytesOf(share) }];
  });
}

/** For each session and each dealing key, even one that is of another session. */
function openedDealings(
  { genesisHash, sessions }: History,
  spoils: readonly Spoil[],
): { readonly ledger: Ledger; readonly session: KeySession; readonly opened: DealtSubShare[] }[] {
  return sessions.flatMap(({ ledger, session }) => {
    const terms = termsOf(genesisHash, ledger.state, session);
    return of(spoils, "dealing key").flatMap(({ owner, bytes }) => {
      const index = session.members.findIndex(({ identityKey }) => identityKey === owner) + 1;
      if (index === 0) return [];
      using secret = new Secret(secretCopy(bytes));
      const opened = qualifiedDealings(ledger.state, session).flatMap(({ dealer, dealing }): DealtSubShare[] => {
        try {
          return [{ dealer, share: openSubShare(terms, dealer, dealing, index, secret) }];
        } catch (error) {
          if (error instanceof GatekeeperError) return [];
          throw error;
        }
      });
      return [{ ledger, session, opened }];
    });
  });
}

function bytesOf({ secret }: Share): Uint8Array {
  return secret.use((bytes) => bytes.slice());
}

/** Partials that were opened, with who gave them. */
interface OpenedPartials {
  readonly request: PartialsRequest;
  readonly index: number;
  readonly partials: Uint8Array;
}

/** Opens all messages that can be opened, and puts partials together, t of each batch. */
export function prfsFromPartials(
  { rotationId, traffic }: Pick<Evidence, "rotationId" | "traffic">,
  { genesisHash, sharings }: History,
  ecdhKeys: readonly Of<"EcdhKey">[],
): { readonly prfs: Of<"x(P)">[]; readonly partials: Uint8Array[] } {
  const requests = new Map<Hex, { readonly request: PartialsRequest; readonly to: PublicKey }>();
  const replies = new Map<Hex, Uint8Array>();
  for (const { path, request, answer } of traffic) {
    if (path !== MESSAGES_PATH) continue;
    for (const bytes of [request, answer]) {
      const message = openMessage(genesisHash, ecdhKeys, bytes);
      if (message?.tag === "partialsRequest") {
        requests.set(message.value.nonce, { request: message.value, to: readMessageHeader(bytes)!.recipient });
      }
      if (message?.tag === "partialsReply") replies.set(message.value.nonce, Uint8Array.from(message.value.partials));
    }
  }
  const batches = new Map<string, OpenedPartials[]>();
  for (const [nonce, { request, to }] of requests) {
    const partials = replies.get(nonce);
    const sharing = sharings.get(request.epoch);
    if (partials === undefined || sharing?.rotationId !== rotationId) continue;
    const index = sharing.members.findIndex(({ identityKey }) => identityKey === to) + 1;
    const batch = `${request.epoch} ${toHex(request.contracts)}`;
    batches.set(batch, [...(batches.get(batch) ?? []), { request, index, partials }]);
  }
  const prfs = [...batches.values()].flatMap((given) => combined(sharings, given));
  return { prfs, partials: [...batches.values()].flat().map(({ partials }) => partials) };
}

function openMessage(
  genesisHash: Uint8Array,
  ecdhKeys: readonly Of<"EcdhKey">[],
  bytes: Uint8Array,
): ReturnType<typeof decodePeerMessage> {
  const header = readMessageHeader(bytes);
  const key = ecdhKeys.find(({ publicKey }) => publicKey === header?.ecdhKey);
  if (key === undefined) return null;
  const { body } = referenceOpen(genesisHash, key.bytes, bytes);
  return decodePeerMessage(new Secret(Uint8Array.from(body)));
}

/** P = Σ λ_i·P_i, over the first t that are there. */
function combined(sharings: ReadonlyMap<number, Sharing>, given: readonly OpenedPartials[]): Of<"x(P)">[] {
  const { contracts, epoch } = given[0]!.request;
  const { threshold } = sharings.get(epoch)!;
  const byIndex = new Map(given.map((each) => [each.index, each]));
  const chosen = [...byIndex.keys()].sort((a, b) => a - b).slice(0, threshold);
  if (chosen.length < threshold) return [];
  const count = contracts.length / 32;
  return Array.from({ length: count }, (_, at) => {
    let sum = secp256k1.Point.ZERO;
    for (const index of chosen) {
      const { request, partials } = byIndex.get(index)!;
      const size = partials.length / count;
      const point = secp256k1.Point.fromBytes(partials.slice(at * size, (at + 1) * size));
      sum = sum.add(point.multiply(reweighting(ORDER, request.quorum, chosen, index)));
    }
    return { kind: "x(P)", contract: toHex(contracts.slice(at * 32, (at + 1) * 32)), bytes: xOf(sum) };
  });
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

/** x-coordinates of partials that were on the wire. */
export function partialsIn(evidence: Evidence, spoils: readonly Spoil[]): Uint8Array[] {
  const history = historyOf(evidence.chain);
  const { partials } = prfsFromPartials(evidence, history, of(spoils, "EcdhKey"));
  const size = 65;
  return partials.flatMap((bytes) =>
    Array.from({ length: bytes.length / size }, (_, at) => bytes.slice(at * size + 1, at * size + 33)),
  );
}
