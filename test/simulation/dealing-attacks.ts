/** What a Byzantine dealer does. */
import { type Dealing, SUB_SHARE_CIPHERTEXT_BYTES } from "../../src/keys/dealing.ts";
import type { Secret } from "../../src/secret.ts";
import { type Forgery, forgedDealing, rootedConstant } from "./forged-dealing.ts";
import {
  type Attack,
  type Dealt,
  type Said,
  type Scene,
  dealerIndex,
  dealingTerms,
  flippedAt,
  groupOf,
  heard,
  malformed,
  noElement,
  saidBefore,
  withOwn,
} from "./scene.ts";

/** Its own honest dealing, if it deals. */
function own({ own: call }: Scene): Dealt | null {
  return call?.tag === "deal" ? call : null;
}

function changed({ value }: Dealt, changes: Partial<Dealing>): Dealt {
  return { tag: "deal", value: { ...value, dealing: { ...value.dealing, ...changes } } };
}

/** Its own share, which is its constant in a resharing. */
function ownConstant({ session, ledger, shares }: Scene): { readonly constant: Secret } | Record<string, never> {
  if (session.kind !== "resharing") return {};
  const { epoch } = ledger.state.sharings.find(({ rotationId }) => rotationId === session.rotationId)!;
  return { constant: shares.find((held) => held.epoch === epoch)!.share.secret };
}

function forged(scene: Scene, forgery: Forgery): Dealt {
  const dealing = forgedDealing(dealingTerms(scene), dealerIndex(scene), { ...ownConstant(scene), ...forgery });
  return { tag: "deal", value: { epoch: scene.session.epoch, dealing } };
}

/** Receivers that have registered. */
function receivers(scene: Scene): number[] {
  return dealingTerms(scene).receivers.map(({ index }) => index);
}

/** Those of them that are honest. */
function victims(scene: Scene): number[] {
  const { session, byzantine } = scene;
  return receivers(scene).filter((index) => !byzantine.includes(session.members[index - 1]!.identityKey));
}

/** A dealing that anybody sees to be wrong. */
function refused(scene: Scene, call: Dealt): Said[] {
  return withOwn(scene, { call, fate: "refused" });
}

/** An attack of who deals. */
function byDealer(says: (scene: Scene, mine: Dealt) => readonly Said[] | null): Attack {
  return {
    phase: "dealing",
    says(scene) {
      const mine = own(scene);
      return mine === null ? null : says(scene, mine);
    },
  };
}

/**
 * What makes the sum of all commitments at a place a target, or nothing at all: one composed of those of the others, whose
 * secret nobody knows.
 */
function composed(scene: Scene, place: number, target: Uint8Array | null): Uint8Array | null {
  const group = groupOf(scene);
  const size = group.elementBytes;
  const others = heard(scene, "deal").map(({ call }) =>
    call.value.dealing.commitments.subarray(place * size, (place + 1) * size),
  );
  const isWhole = others.every((element) => element.length === size && group.invalid(element).length === 0);
  if (others.length === 0 || !isWhole) return null;
  const minus = others.map(() => group.scalars.order - 1n);
  const { elements, identities } = group.linearCombinations(
    target === null ? others : [target, ...others],
    target === null ? minus : [1n, ...minus],
  );
  return identities.length === 0 ? elements : null;
}

export const DEALING_ATTACKS = {
  "silent at dealing": byDealer(() => []),
  "late dealing": byDealer((_, mine) => [{ call: mine, fate: "refused", held: true }]),
  "two dealings": byDealer((scene, mine) => [
    { call: mine, fate: "any" },
    { call: forged(scene, {}), fate: "refused" },
  ]),
  "bad sub-share to one": byDealer((scene, mine) => {
    const [victim, ...rest] = victims(scene);
    if (victim === undefined) return null;
    const chosen = scene.random.of([victim, ...rest]);
    const place = receivers(scene).indexOf(chosen);
    const spoils = [chosen];
    if (scene.random.below(2) === 0) {
      return [
        { call: forged(scene, { at: (index) => (index === chosen ? index + 100 : index) }), fate: "any", spoils },
      ];
    }
    const at = place * SUB_SHARE_CIPHERTEXT_BYTES + scene.random.below(SUB_SHARE_CIPHERTEXT_BYTES);
    const call = changed(mine, { ciphertexts: flippedAt(mine.value.dealing.ciphertexts, at) });
    return [{ call, fate: "any", spoils }];
  }),
  "bad sub-shares to all": byDealer((scene, mine) => {
    const ciphertexts = mine.value.dealing.ciphertexts.map((byte) => byte ^ 0x55);
    return [{ call: changed(mine, { ciphertexts }), fate: "any", spoils: receivers(scene) }];
  }),
  "sub-shares of the next index": byDealer((scene) => [
    { call: forged(scene, { at: (index) => index + 1 }), fate: "any", spoils: receivers(scene) },
  ]),
  "a sub-share of zero": byDealer((scene) => {
    const chosen = victims(scene)[0];
    const { threshold, kind } = scene.session;
    if (chosen === undefined || kind !== "generation") return null;
    const terms = dealingTerms(scene);
    const others = Array.from({ length: threshold - 1 }, () => terms.group.scalars.random());
    const constant = rootedConstant(terms, others, chosen);
    return [{ call: forged(scene, { constant, others }), fate: "any", spoils: [chosen] }];
  }),
  "a degree too high": byDealer((scene) => {
    const { scalars } = groupOf(scene);
    const others = Array.from({ length: scene.session.threshold }, () => scalars.random());
    if (scene.random.below(2) === 0) return refused(scene, forged(scene, { others }));
    // Sub-shares of the polynomial, under the commitments to its first coefficients.
    const { commitments } = forged(scene, { others }).value.dealing;
    const cut = commitments.slice(0, commitments.length - groupOf(scene).elementBytes);
    if (cut.length === 0) return null;
    return [{ call: forged(scene, { others, commitments: cut }), fate: "any", spoils: receivers(scene) }];
  }),
  "a degree too low": byDealer((scene) => {
    const { threshold, kind } = scene.session;
    if (threshold < (kind === "refresh" ? 3 : 2)) return null;
    const { scalars } = groupOf(scene);
    const others = Array.from({ length: threshold - 2 }, () => scalars.random());
    return refused(scene, forged(scene, { others }));
  }),
  "another constant": byDealer((scene) => {
    const { kind } = scene.session;
    if (kind === "generation") return null;
    const constant = groupOf(scene).scalars.random();
    if (kind === "resharing") return refused(scene, forged(scene, { constant }));
    // A refresh that would change the key: no commitment says so, so nobody's sub-share is what they say.
    return [{ call: forged(scene, { constant }), fate: "any", spoils: receivers(scene) }];
  }),
  "rogue key": byDealer((scene, mine) => {
    if (scene.session.kind !== "generation") return null;
    const group = groupOf(scene);
    using wanted = group.scalars.random();
    const constant = composed(scene, 0, group.multiplyBase([wanted]));
    if (constant === null) return null;
    const rest = mine.value.dealing.commitments.subarray(constant.length);
    const commitments = Buffer.concat([constant, rest]);
    return refused(scene, forged(scene, { constant: wanted, commitments }));
  }),
  "cancelled coefficient": byDealer((scene, mine) => {
    const group = groupOf(scene);
    const { kind } = scene.session;
    if (kind === "resharing") return null;
    const place = kind === "generation" ? 1 : 0;
    const element = composed(scene, place, null);
    if (element === null) return null;
    const constant = group.scalars.random();
    const before = place === 1 ? group.multiplyBase([constant]) : new Uint8Array(0);
    const after = mine.value.dealing.commitments.subarray((place + 1) * group.elementBytes);
    const forgery = { commitments: Buffer.concat([before, element, after]), ...(place === 1 ? { constant } : {}) };
    return [{ call: forged(scene, forgery), fate: "any", spoils: receivers(scene) }];
  }),
  "copied dealing": byDealer((scene) => {
    const others = heard(scene, "deal");
    if (others.length === 0) return null;
    return refused(scene, scene.random.of(others).call);
  }),
  "copied constant": byDealer((scene, mine) => {
    const others = heard(scene, "deal");
    if (others.length === 0 || scene.session.kind !== "generation") return null;
    const { commitments, possession } = scene.random.of(others).call.value.dealing;
    return refused(scene, changed(mine, { commitments, possession }));
  }),
  // Whoever complains about it reveals the point that another's sub-share is encrypted under.
  "copied ephemeral key": byDealer((scene, mine) => {
    const others = heard(scene, "deal").filter(({ signer }) => !scene.byzantine.includes(signer));
    if (others.length === 0) return null;
    const { ephemeralKey, ephemeralProof, ciphertexts } = scene.random.of(others).call.value.dealing;
    const copied = { ephemeralKey, ciphertexts };
    return refused(scene, changed(mine, scene.random.below(2) === 0 ? copied : { ...copied, ephemeralProof }));
  }),
  "dealing of an old session": byDealer((scene, mine) => {
    const [before] = saidBefore(scene, "deal").slice(-1);
    if (before === undefined) return null;
    return refused(scene, changed(mine, before.value.dealing));
  }),
  "dealing as another": byDealer((scene) => {
    const provedAs = (dealerIndex(scene) % scene.session.members.length) + 1;
    return provedAs === dealerIndex(scene) ? null : refused(scene, forged(scene, { provedAs }));
  }),
  "malformed dealing": byDealer((scene, mine) => {
    const { dealing } = mine.value;
    const group = groupOf(scene);
    const wrong = malformed(group, scene.random);
    const changes: Partial<Dealing>[] = [
      { ephemeralKey: wrong },
      { ephemeralProof: new Uint8Array(64).fill(scene.random.of([0, 0xff])) },
      { ciphertexts: dealing.ciphertexts.slice(1) },
      {
        ciphertexts: Buffer.concat([dealing.ciphertexts, dealing.ciphertexts.subarray(0, SUB_SHARE_CIPHERTEXT_BYTES)]),
      },
      { ciphertexts: new Uint8Array(0) },
      { commitments: new Uint8Array(0) },
      { possession: new Uint8Array(scene.session.kind === "refresh" ? 64 : 0) },
    ];
    return refused(scene, changed(mine, scene.random.of(changes)));
  }),
  "a commitment that is no element": byDealer((scene, mine) => {
    const group = groupOf(scene);
    const commitments = mine.value.dealing.commitments.slice();
    const place = scene.random.below(commitments.length / group.elementBytes);
    commitments.set(
      scene.random.of([noElement(group), new Uint8Array(group.elementBytes)]),
      place * group.elementBytes,
    );
    // All else is proved for these commitments.
    return refused(scene, forged(scene, { commitments }));
  }),
  "dealing of a stranger": {
    phase: "dealing",
    says(scene) {
      const others = heard(scene, "deal");
      if (own(scene) !== null || others.length === 0) return null;
      return [{ call: scene.random.of(others).call, fate: "refused" }];
    },
  },
} as const satisfies Record<string, Attack>;
