/** What a Byzantine receiver does when dealing keys are registered. */
import { dealingKeyContext } from "../../src/keys/dealing.ts";
import { provePossession } from "../../src/keys/possession.ts";
import {
  type Attack,
  type Registering,
  type Said,
  type Scene,
  flippedAt,
  groupOf,
  heard,
  malformed,
  receiverIndex,
  saidBefore,
  sessionOf,
  withOwn,
} from "./scene.ts";

/** Its own registration, if it is to be registered. */
function own({ own: call }: Scene): Registering | null {
  return call?.tag === "registerDealingKey" ? call : null;
}

function changed(call: Registering, changes: Partial<Registering["value"]>): Registering {
  return { ...call, value: { ...call.value, ...changes } };
}

/** An attack of who is to be registered. */
function byReceiver(says: (scene: Scene, mine: Registering) => readonly Said[] | null): Attack {
  return {
    phase: "registration",
    says(scene) {
      const mine = own(scene);
      return mine === null ? null : says(scene, mine);
    },
  };
}

const STRANGER: Attack = {
  phase: "registration",
  says(scene) {
    const others = heard(scene, "registerDealingKey");
    if (receiverIndex(scene) > 0 || others.length === 0) return null;
    return [{ call: scene.random.of(others).call, fate: "refused" }];
  },
};

export const REGISTRATION_ATTACKS = {
  "silent at registration": byReceiver(() => []),
  "copied dealing key": byReceiver((scene, mine) => {
    const others = heard(scene, "registerDealingKey");
    if (others.length === 0) return null;
    const { dealingKey, proof } = scene.random.of(others).call.value;
    const copied = scene.random.of([changed(mine, { dealingKey, proof }), changed(mine, { dealingKey })]);
    return withOwn(scene, { call: copied, fate: "refused" });
  }),
  "malformed dealing key": byReceiver((scene, mine) => {
    const wrong = scene.random.of([
      { dealingKey: malformed(groupOf(scene), scene.random) },
      { proof: flippedAt(mine.value.proof, scene.random.below(64)) },
      { proof: new Uint8Array(64).fill(0xff) },
      { proof: new Uint8Array(64) },
    ]);
    return withOwn(scene, { call: changed(mine, wrong), fate: "refused" });
  }),
  "dealing key of an old session": byReceiver((scene, mine) => {
    const [before] = saidBefore(scene, "registerDealingKey").slice(-1);
    if (before === undefined) return null;
    const { dealingKey, proof } = before.value;
    return withOwn(scene, { call: changed(mine, { dealingKey, proof }), fate: "refused" });
  }),
  "dealing key for another's place": byReceiver((scene, mine) => {
    const place = (receiverIndex(scene) % scene.session.members.length) + 1;
    const key = scene.dealingKey!;
    const context = dealingKeyContext(scene.ledger.genesisHash, sessionOf(scene), place);
    const proof = provePossession(groupOf(scene), context, key, mine.value.dealingKey);
    return withOwn(scene, { call: changed(mine, { proof }), fate: "refused" });
  }),
  "two dealing keys": byReceiver((scene, mine) => {
    const group = groupOf(scene);
    using key = group.scalars.random();
    const dealingKey = group.multiplyBase([key]);
    const context = dealingKeyContext(scene.ledger.genesisHash, sessionOf(scene), receiverIndex(scene));
    const proof = provePossession(group, context, key, dealingKey);
    return [
      { call: mine, fate: "any" },
      { call: changed(mine, { dealingKey, proof }), fate: "refused" },
    ];
  }),
  "late dealing key": byReceiver((_, mine) => [{ call: mine, fate: "refused", held: true }]),
  "dealing key of a stranger": STRANGER,
} as const satisfies Record<string, Attack>;
