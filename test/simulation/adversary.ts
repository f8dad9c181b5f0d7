/**
 * The Byzantine gatekeepers, all under one will. They share their secrets, see every message of a block before they speak,
 * and stand before or after all others in it; nothing of theirs is lost or late. Each begins as an honest one would, by a
 * real `Shareholder`, and draws in each phase of each session whether and how it departs from that. What it has had once it
 * keeps, whatever it declares.
 */
import { readSealed } from "./sealed-secrets.ts";
import { Shareholder } from "../../src/pruntime/shareholder.ts";
import { Share } from "../../src/keys/shamir.ts";
import { Secret } from "../../src/secret.ts";
import type { AuthenticMessage } from "../../src/protocol/authenticate.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { KeySession } from "../../src/protocol/key-session.ts";
import { type Network, identity, publicOf } from "../protocol/network.ts";
import type { Seeded } from "../slow/seeded.ts";
import { ATTACKS, ATTACK_NAMES, type AttackName } from "./attacks.ts";
import type { Heard, Said } from "./scene.ts";

/** When in a phase it speaks: at once, after all honest ones, or in the last block. */
const MOMENTS = ["soon", "soon", "last", "deadline"] as const;

/** The attack of who is no receiver, or no dealer. */
const STRANGERS = {
  registration: "dealing key of a stranger",
  dealing: "dealing of a stranger",
  complaint: null,
  confirmation: "confirmation without a share",
} as const;

/** A message of a Byzantine gatekeeper. */
export interface Spoken extends Said {
  readonly message: AuthenticMessage;
}

/** What a Byzantine gatekeeper does in one phase, or with one retired share. */
interface Plan {
  readonly attack: AttackName | null;
  readonly moment: (typeof MOMENTS)[number];
  isDone: boolean;
}

/** Something to be said when a phase is over. */
interface Held {
  readonly name: string;
  readonly said: Said;
  readonly epoch: number;
  readonly phase: KeySession["phase"];
}

export class Adversary implements Disposable {
  /** Names of the attacks that were made. */
  readonly made = new Set<string>();
  readonly #network: Network;
  readonly #random: Seeded;
  readonly #identities: readonly string[];
  readonly #memories: ReadonlyMap<string, Shareholder>;
  readonly #plans = new Map<string, Plan>();
  readonly #shares = new Map<string, { readonly epoch: number; readonly share: Share }[]>();
  readonly #archive: Heard[] = [];
  readonly #favourite: AttackName;
  #held: readonly Held[] = [];

  /**
   * @param names - of stashes.
   * @param favourite - number of the attack that they try more than others.
   */
  constructor(network: Network, names: readonly string[], random: Seeded, favourite: number) {
    this.#favourite = ATTACK_NAMES[favourite % ATTACK_NAMES.length]!;
    this.#network = network;
    this.#random = random;
    this.#identities = names.map((name) => publicOf(identity(name)));
    this.#memories = new Map(names.map((name) => [name, new Shareholder(publicOf(identity(name)))]));
    for (const name of names) this.#shares.set(name, []);
  }

  /** Every share that any of them ever had, by epoch. */
  get loot(): { readonly epoch: number; readonly share: Share }[] {
    return [...this.#shares.values()].flat();
  }

  /** @param pending - of the next block. @returns what comes before them in it, and what after. */
  speak(pending: readonly AuthenticMessage[]): { readonly first: readonly Spoken[]; readonly last: readonly Spoken[] } {
    const spoken = [...this.#memories.keys()].flatMap((name) => {
      const before = this.#network.sequenceOf(identity(name));
      return this.#saidBy(name, pending).map((said, at): Spoken => {
        return { ...said, message: this.#network.unsigned(identity(name), said.call, before + at) };
      });
    });
    const all = [...pending, ...spoken.map(({ message }) => message)];
    this.#archive.push(...all.map(({ signer, call }) => ({ signer, call })));
    // What must be done is said while nothing else can have come between.
    const isFirst = this.#random.below(2) === 0 || spoken.some(({ fate }) => fate === "done");
    return isFirst ? { first: spoken, last: [] } : { first: [], last: spoken };
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memories.values()) memory[Symbol.dispose]();
    for (const { share } of this.loot) share[Symbol.dispose]();
  }

  #saidBy(name: string, pending: readonly Heard[]): readonly Said[] {
    const { ledger } = this.#network;
    const memory = this.#memories.get(name)!;
    memory.follow(ledger);
    this.#keepShares(name);
    return [...this.#release(name), ...this.#newFrom(name, memory, pending)];
  }

  #newFrom(name: string, memory: Shareholder, pending: readonly Heard[]): readonly Said[] {
    const { ledger } = this.#network;
    const session = ledger.state.keySession;
    if (session === null) return this.#afterwards(name, memory.dueCall(ledger));
    const plan = this.#planFor(`${name} ${session.epoch} ${session.phase}`, () => this.#drawAttack(session));
    const isLast = ledger.state.height + 1 >= session.deadline;
    const isEarly =
      (plan.moment === "deadline" && !isLast) ||
      (plan.moment === "last" && !isLast && this.#isAwaited(session, pending));
    if (plan.isDone || isEarly) return [];
    const own = memory.dueCall(ledger);
    if (own !== null && epochOf(own) !== session.epoch) return this.#afterwards(name, own);
    return this.#inSession(name, plan, own, session, pending);
  }

  #inSession(
    name: string,
    plan: Plan,
    own: Call | null,
    session: KeySession,
    pending: readonly Heard[],
  ): readonly Said[] {
    const { ledger } = this.#network;
    // Who has no part in a phase can only act as if it had.
    const attackName = own === null && plan.attack !== null ? STRANGERS[session.phase] : plan.attack;
    const attack = attackName === null ? null : ATTACKS[attackName];
    const sealed = this.#memories.get(name)!.encode();
    const { dealingKey } = sealed.use(readSealed);
    sealed[Symbol.dispose]();
    using key = dealingKey === null ? null : new Secret(dealingKey.scalar);
    const said = attack?.says({
      random: this.#random,
      ledger,
      session,
      identityKey: publicOf(identity(name)),
      byzantine: this.#identities,
      own,
      pending,
      archive: this.#archive,
      dealingKey: key,
      shares: this.#shares.get(name)!,
    });
    if (said === null || said === undefined) {
      // It may have to hear others first.
      const isLast = ledger.state.height + 1 >= session.deadline;
      if (attack !== null && !isLast && this.#isAwaited(session, pending)) return [];
      if (own === null) return [];
      plan.isDone = true;
      // Who speaks in the last block of a phase is heard.
      const isAwaited = plan.moment === "deadline" && session.kind !== "generation";
      return [{ call: own, fate: isAwaited ? "done" : "any" }];
    }
    plan.isDone = true;
    this.made.add(attackName!);
    const { epoch, phase } = session;
    const held = said.filter((each) => each.held).map((each) => ({ name, said: each, epoch, phase }));
    this.#held = [...this.#held, ...held];
    return said.filter((each) => !each.held);
  }

  /** Outside of sessions: shares that were confirmed too late, and shares that are to be destroyed. */
  #afterwards(name: string, own: Call | null): readonly Said[] {
    if (own === null) return [];
    const plan = this.#planFor(`${name} ${own.tag} ${epochOf(own)}`, () => null);
    if (plan.isDone) return [];
    plan.isDone = true;
    if (own.tag !== "declareDestroyed") return [{ call: own, fate: "any" }];
    const sharing = this.#network.state.sharings.at(-1);
    switch (this.#random.below(3)) {
      case 0:
        this.made.add("never declared");
        return [];
      case 1:
        if (sharing === undefined) return [{ call: own, fate: "any" }];
        this.made.add("declared what is in force");
        return [{ call: { tag: "declareDestroyed", value: sharing.epoch }, fate: "refused" }];
      default:
        this.made.add("declared, and kept");
        return [{ call: own, fate: "any" }];
    }
  }

  #release(name: string): readonly Said[] {
    const { keySession, height } = this.#network.state;
    const isOver = ({ epoch, phase }: Held): boolean =>
      keySession?.epoch !== epoch || keySession.phase !== phase || height >= keySession.deadline;
    const released = this.#held.filter((held) => held.name === name && isOver(held));
    this.#held = this.#held.filter((held) => !released.includes(held));
    return released.map(({ said }) => said);
  }

  #planFor(key: string, attack: () => AttackName | null): Plan {
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = { attack: attack(), moment: this.#random.of(MOMENTS), isDone: false };
      this.#plans.set(key, plan);
    }
    return plan;
  }

  #drawAttack({ phase }: KeySession): AttackName | null {
    if (ATTACKS[this.#favourite].phase === phase && this.#random.below(3) > 0) return this.#favourite;
    // Whoever always departs from the rules is soon out, and one without a dealing key can do no more.
    if (this.#random.below(6) < (phase === "registration" ? 5 : 3)) return null;
    return this.#random.of(ATTACK_NAMES.filter((name) => ATTACKS[name].phase === phase));
  }

  /** Whether an honest one has still to speak in this phase, after the coming block. */
  #isAwaited(session: KeySession, pending: readonly Heard[]): boolean {
    const { dealings } = this.#network.state;
    const heard = new Set(pending.map(({ signer }) => signer));
    if (session.phase === "dealing") return dealings.size + heard.size < session.members.length;
    return session.members.some(({ identityKey, dealingKey, judged, confirmed }) => {
      if (heard.has(identityKey) || this.#identities.includes(identityKey)) return false;
      if (session.phase === "registration") return dealingKey === null;
      return dealingKey !== null && !(session.phase === "complaint" ? judged : confirmed);
    });
  }

  #keepShares(name: string): void {
    using sealed = this.#memories.get(name)!.encode();
    const kept = this.#shares.get(name)!;
    for (const { epoch, index, scalar } of sealed.use(readSealed).shares) {
      if (!kept.some((each) => each.epoch === epoch)) kept.push({ epoch, share: new Share(index, new Secret(scalar)) });
    }
  }
}

function epochOf({ tag, value }: Call): number | null {
  if (tag === "declareDestroyed") return value;
  return tag === "registerDealingKey" || tag === "deal" || tag === "judgeDealings" || tag === "confirmShare"
    ? value.epoch
    : null;
}
