/** Partials on the wire: what EcdhKeys open of all that went from node to node, put together. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { toHex } from "../../src/bytes.ts";
import { MESSAGES_PATH } from "../../src/gatekeeper/message-transport.ts";
import { reweighting } from "../../src/keys/lagrange.ts";
import type { PublicKey } from "../../src/protocol/account.ts";
import type { Hex } from "../../src/protocol/scale.ts";
import type { Sharing } from "../../src/protocol/sharing.ts";
import { type PartialsRequest, decodePeerMessage } from "../../src/pruntime/peer-message.ts";
import { readMessageHeader } from "../../src/pruntime/sealed-message.ts";
import { Secret } from "../../src/secret.ts";
import { referenceOpen } from "../pruntime/reference-message.ts";
import type { History } from "./dealings.ts";
import type { Exchange } from "./recorded-network.ts";
import { type Spoil, of } from "./spoils.ts";

const ORDER = secp256k1.Point.Fn.ORDER;
/** Of a partial, uncompressed. */
const POINT_BYTES = 65;

type EcdhKey = Extract<Spoil, { readonly kind: "EcdhKey" }>;
type Prf = Extract<Spoil, { readonly kind: "x(P)" }>;

/** What is known of the wire. */
export interface Wire {
  readonly rotationId: number;
  readonly traffic: readonly Exchange[];
}

/** Partials that were opened, with who gave them. */
interface OpenedPartials {
  readonly request: PartialsRequest;
  readonly index: number;
  readonly partials: Uint8Array;
}

/** What partials make, t of each batch. */
export function prfsOfPartials(wire: Wire, history: History, spoils: readonly Spoil[]): Prf[] {
  return [...openedBatches(wire, history, spoils).values()].flatMap((given) => combined(history.sharings, given));
}

/** x-coordinates of all partials that are opened. */
export function partialsOf(wire: Wire, history: History, spoils: readonly Spoil[]): Uint8Array[] {
  const all = [...openedBatches(wire, history, spoils).values()].flat();
  return all.flatMap(({ partials }) =>
    Array.from({ length: partials.length / POINT_BYTES }, (_, at) =>
      partials.slice(at * POINT_BYTES + 1, at * POINT_BYTES + 33),
    ),
  );
}

/** Opens all messages that can be opened. @returns partials by what they are of. */
function openedBatches(
  { rotationId, traffic }: Wire,
  { genesisHash, sharings }: History,
  spoils: readonly Spoil[],
): ReadonlyMap<string, readonly OpenedPartials[]> {
  const ecdhKeys = of(spoils, "EcdhKey");
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
  return batches;
}

function openMessage(
  genesisHash: Uint8Array,
  ecdhKeys: readonly EcdhKey[],
  bytes: Uint8Array,
): ReturnType<typeof decodePeerMessage> {
  const header = readMessageHeader(bytes);
  const key = ecdhKeys.find(({ publicKey }) => publicKey === header?.ecdhKey);
  if (key === undefined) return null;
  const { body } = referenceOpen(genesisHash, key.bytes, bytes);
  return decodePeerMessage(new Secret(Uint8Array.from(body)));
}

/** P = Σ λ_i·P_i, over the first t that are there. */
function combined(sharings: ReadonlyMap<number, Sharing>, given: readonly OpenedPartials[]): Prf[] {
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
    return {
      kind: "x(P)",
      contract: toHex(contracts.slice(at * 32, (at + 1) * 32)),
      bytes: sum.toBytes(true).slice(1),
    };
  });
}
