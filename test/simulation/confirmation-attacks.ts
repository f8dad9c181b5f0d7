/** What a Byzantine receiver does when shares are proved. */
import { proveTrial, type TrialPartial } from "../../src/keys/trial-partial.ts";
import {
  type Attack,
  type Confirming,
  type Said,
  type Scene,
  flippedAt,
  groupOf,
  heard,
  malformed,
  saidBefore,
  sessionOf,
  withOwn,
} from "./scene.ts";

function confirming(scene: Scene, trial: TrialPartial): Confirming {
  return { tag: "confirmShare", value: { epoch: scene.session.epoch, trial } };
}

/** An attack of who has a share. */
function byHolder(says: (scene: Scene, mine: Confirming) => readonly Said[] | null): Attack {
  return {
    phase: "confirmation",
    says: (scene) => (scene.own?.tag === "confirmShare" ? says(scene, scene.own) : null),
  };
}

export const CONFIRMATION_ATTACKS = {
  "silent at confirmation": byHolder(() => []),
  "false trial": byHolder((scene, { value: { trial } }) => {
    const wrong = scene.random.of<TrialPartial>([
      { ...trial, proof: flippedAt(trial.proof, scene.random.below(64)) },
      { ...trial, partial: groupOf(scene).generator },
      { ...trial, partial: malformed(groupOf(scene), scene.random) },
      { ...trial, proof: new Uint8Array(64) },
    ]);
    return withOwn(scene, { call: confirming(scene, wrong), fate: "refused" });
  }),
  "trial of an old share": byHolder((scene) => {
    const old = scene.shares.find(({ epoch }) => epoch !== scene.session.epoch)?.share;
    if (old === undefined) return null;
    const { ledger, session } = scene;
    const trial = proveTrial(groupOf(scene), ledger.genesisHash, sessionOf(scene), session.rotationId, old);
    return withOwn(scene, { call: confirming(scene, trial), fate: "refused" });
  }),
  "trial of an old session": byHolder((scene) => {
    const [before] = saidBefore(scene, "confirmShare").slice(-1);
    if (before === undefined) return null;
    return withOwn(scene, { call: confirming(scene, before.value.trial), fate: "refused" });
  }),
  "two confirmations": byHolder((_, mine) => [
    { call: mine, fate: "any" },
    { call: mine, fate: "refused" },
  ]),
  "confirmation without a share": {
    phase: "confirmation",
    says(scene) {
      const others = heard(scene, "confirmShare");
      if (others.length === 0) return null;
      return withOwn(scene, { call: scene.random.of(others).call, fate: "refused" });
    },
  },
} as const satisfies Record<string, Attack>;
