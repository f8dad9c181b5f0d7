/** What a Byzantine receiver does when dealings are judged. */
import { type Complaint, ComplaintStatement } from "../../src/keys/complaint.ts";
import { generateProof } from "../../src/keys/dleq.ts";
import {
  type Attack,
  type Judging,
  type Said,
  type Scene,
  dealingTerms,
  flippedAt,
  groupOf,
  heard,
  malformed,
  receiverIndex,
} from "./scene.ts";

function judging(scene: Scene, complaints: Judging["value"]["complaints"]): Judging {
  return { tag: "judgeDealings", value: { epoch: scene.session.epoch, complaints } };
}

/** An attack of who may complain. */
function byReceiver(says: (scene: Scene) => readonly Said[] | null): Attack {
  return { phase: "complaint", says: (scene) => (scene.own?.tag === "judgeDealings" ? says(scene) : null) };
}

/** Dealers whose dealings are on chain and who are honest, by index. */
function honestDealers({ ledger, session, byzantine }: Scene): number[] {
  const committee =
    session.kind === "generation"
      ? session.members
      : ledger.state.sharings.find(({ rotationId }) => rotationId === session.rotationId)!.members;
  return [...ledger.state.dealings.values()]
    .map(({ dealer }) => dealer)
    .filter((dealer) => !byzantine.includes(committee[dealer - 1]!.identityKey));
}

/** A complaint with a right point and a right proof, whatever the sub-share is. */
function provedComplaint(scene: Scene, dealer: number): Complaint {
  const dealing = [...scene.ledger.state.dealings.values()].find((each) => each.dealer === dealer)!;
  const key = scene.dealingKey!;
  const point = groupOf(scene).multiplyAll(dealing.ephemeralKey, key);
  const statement = new ComplaintStatement(dealingTerms(scene), dealer, dealing, receiverIndex(scene), point);
  using nonce = statement.nonce(key);
  return { point, proof: generateProof(statement, key, nonce) };
}

export const COMPLAINT_ATTACKS = {
  "silent at complaint": byReceiver(() => []),
  // Bad sub-shares of fellows are not told of.
  "blind eye": byReceiver((scene) => [{ call: judging(scene, []), fate: "any" }]),
  "complaint about a right sub-share": byReceiver((scene) => {
    const dealers = honestDealers(scene);
    if (dealers.length === 0) return null;
    const dealer = scene.random.of(dealers);
    return [{ call: judging(scene, [{ dealer, complaint: provedComplaint(scene, dealer) }]), fate: "convicted" }];
  }),
  "complaint about everybody": byReceiver((scene) => {
    const complaints = honestDealers(scene).map((dealer) => ({ dealer, complaint: provedComplaint(scene, dealer) }));
    return complaints.length === 0 ? null : [{ call: judging(scene, complaints), fate: "convicted" }];
  }),
  "garbage complaint": byReceiver((scene) => {
    const dealers = honestDealers(scene);
    if (dealers.length === 0) return null;
    const dealer = scene.random.of(dealers);
    const group = groupOf(scene);
    const right = provedComplaint(scene, dealer);
    using secret = group.scalars.random();
    const complaint = scene.random.of([
      { ...right, point: group.multiplyBase([secret]) },
      { ...right, point: malformed(group, scene.random) },
      { ...right, proof: flippedAt(right.proof, scene.random.below(64)) },
      { point: group.generator, proof: new Uint8Array(64) },
      { ...right, proof: new Uint8Array(64).fill(0xff) },
    ]);
    return [{ call: judging(scene, [{ dealer, complaint }]), fate: "convicted" }];
  }),
  "borrowed complaint": byReceiver((scene) => {
    const complaints = heard(scene, "judgeDealings").flatMap(({ call }) => call.value.complaints);
    return complaints.length === 0 ? null : [{ call: judging(scene, [complaints[0]!]), fate: "convicted" }];
  }),
  "complaint about nobody": byReceiver((scene) => {
    const [dealer] = honestDealers(scene);
    if (dealer === undefined) return null;
    const complaint = provedComplaint(scene, dealer);
    const nobody = scene.random.of([0, 40, 4_000_000_000]);
    return [{ call: judging(scene, [{ dealer: nobody, complaint }]), fate: "refused" }];
  }),
  "complaints out of order": byReceiver((scene) => {
    const [first, second = first] = honestDealers(scene);
    if (first === undefined || second === undefined) return null;
    const complaints = [second, first].map((dealer) => ({ dealer, complaint: provedComplaint(scene, dealer) }));
    return [{ call: judging(scene, complaints), fate: "refused" }];
  }),
  "late complaint": byReceiver((scene) => {
    const [dealer] = honestDealers(scene);
    const complaints = dealer === undefined ? [] : [{ dealer, complaint: provedComplaint(scene, dealer) }];
    return [{ call: judging(scene, complaints), fate: "refused", held: true }];
  }),
  "two judgements": byReceiver((scene) => [
    { call: judging(scene, []), fate: "any" },
    { call: judging(scene, []), fate: "refused" },
  ]),
} as const satisfies Record<string, Attack>;
