/** What holds of shares after every block: who has them, what they make, and what is gone. Each check throws. */
import { createHash } from "node:crypto";
import { fromHex, toHex } from "../../src/bytes.ts";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { combinePartials } from "../../src/keys/combination.ts";
import { hashContracts } from "../../src/keys/contract-points.ts";
import { type Group, KEY_SUITE } from "../../src/keys/group.ts";
import { lagrangeCoefficient } from "../../src/keys/lagrange.ts";
import { evaluatePartials, sortReplies } from "../../src/keys/partial.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { Secp256k1Group } from "../../src/keys/secp256k1-group.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import type { Ledger } from "../../src/protocol/ledger.ts";
import type { Sharing } from "../../src/protocol/sharing.ts";
import type { Network } from "../protocol/network.ts";
import type { Seeded } from "../slow/seeded.ts";
import type { Adversary } from "./adversary.ts";
import type { HonestPRuntime } from "./honest-pruntime.ts";
import { type Made, ensure } from "./invariants.ts";
import { readSealed } from "./sealed-secrets.ts";

/** Of partials, whose form on the way to workers is the longer one. */
const UNCOMPRESSED = new Secp256k1Group("uncompressed");
const UNCOMPRESSED_CURVE = new Secp256k1("uncompressed");
/** A contract, and what it is asked with. */
const CONTRACT = createHash("sha256").update("a contract of the simulation").digest();
const NONCE = createHash("sha256").update("a request of the simulation").digest();

export class SharingInvariants {
  readonly #network: Network;
  readonly #pRuntimes: ReadonlyMap<string, HonestPRuntime>;
  readonly #adversary: Adversary;
  readonly #random: Seeded;
  /** The sharing in force that was looked at last. */
  #sharing: Sharing | null = null;
  /** What the PRF of the contract was, by rotation id: a hash. */
  readonly #prf = new Map<number, string>();
  /** What was looked at on each disk. */
  readonly #looked = new Map<string, { readonly shares: Uint8Array | null; readonly sharing: Sharing | null }>();
  /** Epochs whose shares somebody has declared to be destroyed. */
  readonly #declared = new Map<string, Set<number>>();

  constructor(network: Network, pRuntimes: readonly HonestPRuntime[], adversary: Adversary, random: Seeded) {
    this.#network = network;
    this.#pRuntimes = new Map(pRuntimes.map((pRuntime) => [pRuntime.identityKey, pRuntime]));
    this.#adversary = adversary;
    this.#random = random;
  }

  check({ effects }: Made): void {
    const before = this.#sharing;
    const sharing = this.#network.state.sharings.at(-1) ?? null;
    for (const effect of effects) {
      if (effect.kind !== "ShareDestroyed") continue;
      const epochs = this.#declared.get(effect.identityKey) ?? new Set();
      this.#declared.set(effect.identityKey, epochs.add(effect.epoch));
    }
    this.#sharing = sharing;
    this.#checkDisks(sharing);
    if (sharing === null || sharing === before) return;
    this.#checkHolders(sharing);
    if (sharing.epoch !== before?.epoch) {
      this.#checkPublic(sharing);
      if (before !== null) this.#checkMixed(before, sharing);
      this.#checkLoot(sharing);
    }
    this.checkDerivation(this.#honestHolders(sharing));
  }

  /**
   * What an honest pRuntime has on its disk, once it has done what a ledger asks for, is no more than what it should have, and
   * no less: whoever has judged gets a share of what qualified.
   */
  checkSealed({ disk, identityKey }: HonestPRuntime, { state: { sharings, keySession } }: Ledger): void {
    if (disk.shares === null) return;
    const { dealingKey, shares } = readSealed(disk.shares);
    const underWay = keySession?.epoch ?? null;
    ensure(dealingKey === null || dealingKey.epoch === underWay, "a dealing key was kept after its session");
    for (const { epoch } of shares) {
      const isDue = epoch === underWay || sharings.some((sharing) => sharing.epoch === epoch);
      ensure(isDue, "an old share was kept");
    }
    if (keySession?.phase !== "confirmation") return;
    const member = keySession.members.find((each) => each.identityKey === identityKey);
    if (member?.judged !== true) return;
    ensure(
      shares.some(({ epoch }) => epoch === underWay),
      "no share could be made of what qualified",
    );
  }

  /** Any t of them make the contract's PRF what it was, and the MasterKey's public key. */
  checkDerivation(holders: readonly HonestPRuntime[]): void {
    const sharing = this.#sharing!;
    const { keySuite, threshold, rotationId } = sharing;
    ensure(holders.length >= threshold, `${holders.length} honest ones hold shares, of ${threshold} that it takes`);
    const group = keySuite === KEY_SUITE.ristretto255 ? RISTRETTO255_GROUP : UNCOMPRESSED;
    const request = {
      genesis: this.#network.ledger.genesisHash,
      nonce: NONCE,
      rotationId,
      session: fromHex(sharing.session, "a session"),
      quorum: null,
      contracts: hashContracts(group, CONTRACT),
    };
    const replies = this.#sampled(holders, threshold).map((holder) => {
      using memory = holder.fromDisk();
      return evaluatePartials(request, memory.share(sharing.epoch)!);
    });
    const shares = sharing.members.flatMap(({ verificationShare }, at) =>
      verificationShare === null ? [] : [[at + 1, inForm(group, verificationShare)] as const],
    );
    const sorted = sortReplies(request, new Map(shares), replies);
    using prf = combinePartials(threshold, sorted);
    for (const verified of sorted.verified) verified[Symbol.dispose]();
    const digest = prf.use((bytes) => createHash("sha256").update(bytes).digest("hex"));
    const known = this.#prf.get(rotationId) ?? digest;
    ensure(known === digest, "a contract's key is another than it was");
    this.#prf.set(rotationId, known);
  }

  /** Whoever has confirmed, and is honest, has its share on its disk, and it is the one that everybody expects. */
  #checkDisks(sharing: Sharing | null): void {
    for (const pRuntime of this.#pRuntimes.values()) {
      const { identityKey, disk } = pRuntime;
      const looked = this.#looked.get(identityKey);
      if (looked?.shares === disk.shares && looked.sharing === sharing) continue;
      this.#looked.set(identityKey, { shares: disk.shares, sharing });
      const sealed = disk.shares === null ? null : readSealed(disk.shares);
      const declared = this.#declared.get(identityKey);
      for (const { epoch } of sealed?.shares ?? [])
        ensure(!declared?.has(epoch), "a share was declared to be destroyed");
      const member = sharing?.members.find((each) => each.identityKey === identityKey);
      if (member?.confirmed !== true) continue;
      using memory = pRuntime.fromDisk();
      const share = memory.share(sharing!.epoch);
      ensure(share !== null, "a share was confirmed, and is not sealed");
      const publicShare = toHex(ledgerGroup(sharing!.keySuite).multiplyBase([share!.secret]));
      ensure(publicShare === member.verificationShare, "a share is another than its verification share says");
      ensure(share!.index === sharing!.members.indexOf(member) + 1, "a share has another's index");
    }
  }

  /** So many hold shares that t honest ones stay, whoever else falls silent. */
  #checkHolders({ members, threshold }: Sharing): void {
    const holders = members.filter(({ confirmed }) => confirmed);
    ensure(holders.length >= 2 * threshold - 1, `a key is in force with ${holders.length} holders`);
    ensure(
      holders.every(({ verificationShare }) => verificationShare !== null),
      "somebody confirmed without a share",
    );
  }

  /** Any t verification shares, those of Byzantine members too, are of one polynomial, whose constant is the key. */
  #checkPublic({ members, threshold, publicKey, keySuite }: Sharing): void {
    const shares = publicShares(members);
    ensure(shares.length >= threshold, "too few have shares");
    const quorum = this.#sampled(shares, threshold);
    ensure(interpolated(ledgerGroup(keySuite), quorum) === publicKey, "shares do not make the MasterKey");
  }

  /** t − 1 shares of the sharing before and t − 1 of this one, those of Byzantine members first, do not make the key. */
  #checkMixed(before: Sharing, { members, threshold, publicKey, keySuite }: Sharing): void {
    const stolen = new Set(this.#adversary.loot.map(({ share, epoch }) => `${epoch} ${share.index}`));
    const some = (shares: readonly PublicShare[], epoch: number): PublicShare[] => {
      const theirs = shares.filter(({ index }) => stolen.has(`${epoch} ${index}`));
      const others = shares.filter((share) => !theirs.includes(share));
      return [...theirs, ...this.#sampled(others, others.length)].slice(0, threshold - 1);
    };
    const old = some(publicShares(before.members), before.epoch);
    const fresh = some(publicShares(members), this.#sharing!.epoch);
    const group = ledgerGroup(keySuite);
    for (const quorum of quorums([...old, ...fresh], threshold)) {
      if (new Set(quorum.map(({ index }) => index)).size < threshold) continue;
      ensure(interpolated(group, quorum) !== publicKey, "old and new shares make the MasterKey together");
    }
  }

  /** Nothing that the Byzantine ones ever held makes the key: of no session they have t shares. */
  #checkLoot({ keySuite, publicKey, threshold }: Sharing): void {
    const group = ledgerGroup(keySuite);
    const loot = this.#adversary.loot
      .slice(-2 * threshold)
      .map(({ share }) => ({ index: share.index, element: group.multiplyBase([share.secret]) }));
    for (const quorum of quorums(loot, threshold)) {
      if (new Set(quorum.map(({ index }) => index)).size < threshold) continue;
      ensure(interpolated(group, quorum) !== publicKey, "the Byzantine ones have the MasterKey");
    }
  }

  #honestHolders({ members }: Sharing): HonestPRuntime[] {
    return members.flatMap(({ identityKey, confirmed }) => {
      const pRuntime = confirmed ? this.#pRuntimes.get(identityKey) : undefined;
      return pRuntime === undefined ? [] : [pRuntime];
    });
  }

  #sampled<T>(from: readonly T[], count: number): T[] {
    const rest = [...from];
    return Array.from({ length: count }, () => rest.splice(this.#random.below(rest.length), 1)[0]!);
  }
}

interface PublicShare {
  readonly index: number;
  readonly element: Uint8Array;
}

function publicShares(members: Sharing["members"]): PublicShare[] {
  return members.flatMap(({ verificationShare }, at) =>
    verificationShare === null ? [] : [{ index: at + 1, element: fromHex(verificationShare, "a verification share") }],
  );
}

/** The public key of the polynomial through these. */
function interpolated(group: Group, shares: readonly PublicShare[]): string {
  const quorum = shares.map(({ index }) => index).sort((a, b) => a - b);
  const { elements } = group.linearCombinations(
    shares.map(({ element }) => element),
    shares.map(({ index }) => lagrangeCoefficient(group.scalars.order, quorum, index)),
  );
  return toHex(elements);
}

/** Every choice of so many. */
function quorums<T>(from: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return from.flatMap((first, at) => quorums(from.slice(at + 1), count - 1).map((rest) => [first, ...rest]));
}

/** An element of the ledger in the form of partials. */
function inForm(group: Group, element: string): Uint8Array {
  const bytes = fromHex(element, "an element");
  return group === UNCOMPRESSED ? UNCOMPRESSED_CURVE.convert(bytes, "compressed").points.slice() : bytes;
}
