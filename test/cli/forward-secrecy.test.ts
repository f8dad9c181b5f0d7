/**
 * What somebody can read of a network's states who took copies of everything: of the store, before a rotation, and of the chain and
 * all traffic, from the beginning on; and of the files and the memory of all processes, either before the rotation or after it.
 * Before, every road leads to every state. After, when the old MasterKey is abandoned, none leads to any.
 */
import { createCipheriv, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { execute } from "../../src/cli/contract-commands.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import { storePath } from "../../src/gatekeeper/local-network.ts";
import { openStore } from "../../src/store/embedded.ts";
import { useFolder } from "../pruntime/folder.ts";
import { type Secrets, canRead, foundIn, heldBy } from "../pruntime/known-secrets.ts";
import { historyOf, subShares } from "./dealings.ts";
import { RecordedNetwork } from "./recorded-network.ts";
import {
  type Evidence,
  contractEcdhKeyOf,
  contractKeyOf,
  contractPoint,
  openedWith,
  prfsOfShares,
  recordsIn,
  walk,
  xOf,
} from "./roads.ts";
import { type Spoil, filesIn, nameOf, namelessFilesOf, of, sealedBytes, spoilsOf } from "./spoils.ts";
import { partialsOf } from "./wire-partials.ts";

const at = useFolder();
const SIZE = {
  gatekeepers: 3,
  threshold: 2,
  candidates: 0,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 200,
  refreshBlocks: 100_000,
  rotationBlocks: 0,
  port: 7_560,
};
const CONTRACTS = ["shop", "bank"];
const VALUES = 6;
const PATIENCE_MILLISECONDS = 180_000;
/** Of what is looked for. */
const PATTERN_BYTES = 32;

const ORDER = secp256k1.Point.Fn.ORDER;

/** Secrets that are no spoils, because nothing is opened with them by themselves; and what is looked for as well. */
function otherSecrets(evidence: Evidence, spoils: readonly Spoil[], plaintexts: ReadonlyMap<number, Buffer>): Secrets {
  const secrets: Record<string, Uint8Array> = {};
  const { history } = evidence;
  const dealt = subShares(history, spoils);
  for (const { dealer, receiver, bytes } of dealt) secrets[`sub-share of ${dealer} for ${receiver}`] = bytes;
  for (const dealer of new Set(dealt.map((each) => each.dealer))) {
    // Its polynomial is of degree 1.
    const [one, two] = dealt
      .filter((each) => each.dealer === dealer && each.receiver <= 2)
      .sort((a, b) => a.receiver - b.receiver)
      .map(({ bytes }) => SECP256K1_SCALARS.decode(bytes)!);
    const slope = (two! - one! + ORDER) % ORDER;
    secrets[`slope of dealer ${dealer}`] = SECP256K1_SCALARS.encode(slope);
    secrets[`constant of dealer ${dealer}`] = SECP256K1_SCALARS.encode((one! - slope + ORDER) % ORDER);
  }
  for (const [index, bytes] of partialsOf(evidence, history, spoils).entries())
    secrets[`partial ${index} on the wire`] = bytes;
  for (const { index, bytes } of of(spoils, "share")) {
    for (const contract of new Set(evidence.records.map((record) => record.contract))) {
      const point = contractPoint(contract).multiply(SECP256K1_SCALARS.decode(bytes)!);
      secrets[`partial of ${index} for ${contract}`] = xOf(point);
    }
  }
  for (const { contract, bytes } of of(spoils, "contract key")) {
    secrets[`hash key of ${contract}`] = createCipheriv("aes-256-ecb", bytes, null).update(Buffer.alloc(16));
  }
  for (const [index, text] of plaintexts) {
    const { sealed } = evidence.records[index]!;
    if (text.length < PATTERN_BYTES) continue;
    secrets[`plaintext ${index}`] = text.subarray(0, PATTERN_BYTES);
    secrets[`keystream ${index}`] = Uint8Array.from({ length: PATTERN_BYTES }, (_, i) => sealed[26 + i]! ^ text[i]!);
  }
  return secrets;
}

function named(spoils: readonly Spoil[]): Secrets {
  return Object.fromEntries(spoils.map((spoil) => [nameOf(spoil), spoil.bytes]));
}

/** Of `heldBy`, which says in which form it found something. */
function withoutForm(name: string): string {
  return name.slice(0, name.lastIndexOf(", "));
}

/** What a process was started as. */
function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(1, 6).join(" ");
}

/** Adds those that are not there yet. */
function keep(spoils: Map<string, Spoil>, more: readonly Spoil[]): void {
  for (const spoil of more) spoils.set(nameOf(spoil), spoil);
}

test.skipIf(process.platform !== "linux" || !canRead(process.pid))(
  "when a MasterKey is abandoned no state opens that was sealed under it, whatever was copied before and is seized now",
  { timeout: 600_000 },
  async () => {
    const folder = at("network");
    await using network = await RecordedNetwork.start(folder, SIZE);
    const { chain } = network;
    const owners = chain.genesis.workers.map(({ identityKey }) => identityKey);

    // Whatever lies in sealed files from the first block on: dealing keys are gone when shares are there.
    const everSealed = new Map<string, Spoil>();
    const collect = (): void => keep(everSealed, spoilsOf(folder, owners));
    await chain.until(() => {
      collect();
      return chain.all("SharingAdopted").length > 0;
    }, PATIENCE_MILLISECONDS);
    const contracts: string[] = [];
    for (const name of CONTRACTS) contracts.push(await chain.deploy(name, PATIENCE_MILLISECONDS));
    const values = new Map<string, Buffer>();
    for (const contract of contracts) {
      for (let key = 0; key < VALUES; key++) {
        const value = randomBytes(40);
        values.set(`${contract}/key ${key}`, value);
        const command = { tag: "put", value: { key: Buffer.from(`key ${key}`), value } } as const;
        await execute({ home: folder }, contract, command, AbortSignal.timeout(PATIENCE_MILLISECONDS));
      }
    }

    // Somebody has the store open all the time: else its log would go when the last of its processes closes it.
    const reader = await openStore({ path: storePath(folder) });
    await using _ = { [Symbol.asyncDispose]: () => reader.close() };
    expect([...(await reader.countByRotationId()).keys()]).toEqual([0]);

    // Before the rotation.
    const before = await network.halt();
    network.copyTo(at("before"));
    collect();
    const evidence: Evidence = {
      rotationId: 0,
      records: await recordsIn(at("before"), 0),
      history: historyOf(at("before")),
      traffic: [...network.traffic],
    };
    expect(evidence.records).toHaveLength(CONTRACTS.length * (VALUES + 1));
    const everything = evidence.records.length;
    const oldRecordsIn = (copy: string): string[] => {
      const sealed = evidence.records.map(
        (record, index) => [`record ${index}`, record.sealed.subarray(14, 58)] as const,
      );
      const files = [...filesIn(copy)].filter(([name]) => name.startsWith("states.sqlite"));
      return files.flatMap(([, bytes]) => foundIn(bytes, Object.fromEntries(sealed)));
    };
    expect(oldRecordsIn(at("before"))).toHaveLength(everything);
    const ofFiles = [...everSealed.values()];
    const puts = CONTRACTS.length * VALUES;
    expect(walk(evidence, ofFiles)).toEqual({
      shares: everything,
      dealings: everything,
      partials: everything,
      derived: 0,
      commands: 0,
    });
    const prfs = prfsOfShares(evidence, ofFiles);
    const derived: Spoil[] = [
      ...prfs,
      ...prfs.map((prf) => contractKeyOf(prf, 0)),
      ...prfs.map((prf) => contractEcdhKeyOf(prf, 0)),
    ];
    expect(walk(evidence, derived)).toMatchObject({ derived: everything, commands: puts });
    const plaintexts = openedWith(evidence, derived);
    for (const value of values.values()) {
      expect([...plaintexts.values()].filter((text) => text.equals(value))).toHaveLength(1);
    }
    const known = [...ofFiles, ...derived];
    const secrets = { ...named(known), ...otherSecrets(evidence, known, plaintexts) };
    const heldBefore = new Map(before.map((pid) => [pid, heldBy(pid, secrets).map(withoutForm)]));
    const inMemory = new Set([...heldBefore.values()].flat());
    const ofMemory = known.filter((spoil) => inMemory.has(nameOf(spoil)));
    expect(walk(evidence, ofMemory)).toMatchObject({
      shares: everything,
      partials: everything,
      derived: everything,
      commands: puts,
    });
    network.resume();

    // The rotation; EcdhKeys that come meanwhile may have old keys sealed to them.
    await network.order({ tag: "rotate", value: undefined });
    const later = new Map<string, Spoil>();
    await chain.until(() => {
      const spoils = spoilsOf(folder, owners);
      chain.follow();
      // Of what was read while the abandonment began some may be new.
      if (chain.state.rotation?.phase === "abandonment") return true;
      keep(later, spoils);
      return false;
    }, PATIENCE_MILLISECONDS);
    await chain.until(() => chain.all("MasterKeyAbandoned").length > 0, PATIENCE_MILLISECONDS);
    expect(chain.all("MasterKeyAbandoned")).toMatchObject([{ rotationId: 0, outstanding: [] }]);

    // After it.
    const after = await network.halt();
    network.copyTo(at("after"));
    const nameless = after.flatMap(namelessFilesOf);
    const now: Evidence = { ...evidence, history: historyOf(at("after")), traffic: [...network.traffic] };
    const users = new Set([...chain.state.keyUsers.values()].map(({ identityKey }) => identityKey));
    expect(users).toContain(owners.at(-1));
    const toBeGone: Secrets = {
      ...secrets,
      ...named(of([...later.values()], "EcdhKey")),
    };
    const mayStay = of([...everSealed.values(), ...later.values()], "EcdhKey").filter(({ owner }) => !users.has(owner));
    for (const spoil of mayStay) delete (toBeGone as Record<string, Uint8Array>)[nameOf(spoil)];
    // Processes of which the memory had something live no more, wiped or not.
    expect(after.filter((pid) => (heldBefore.get(pid) ?? []).length > 0)).toEqual([]);
    const held = after.flatMap((pid) => heldBy(pid, toBeGone).map((name) => `${commandOf(pid)}: ${name}`));
    expect(held).toEqual([]);
    for (const [name, bytes] of filesIn(at("after")))
      expect({ [name]: foundIn(bytes, toBeGone) }).toEqual({ [name]: [] });
    expect(nameless.flatMap((bytes) => foundIn(bytes, toBeGone))).toEqual([]);
    expect(foundIn(sealedBytes(at("after")), toBeGone)).toEqual([]);
    expect(oldRecordsIn(at("after"))).toEqual([]);
    const left = [...spoilsOf(at("after"), owners), ...mayStay];
    expect(left.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["share", "EcdhKey"]));
    expect(walk(now, left)).toEqual({ shares: 0, dealings: 0, partials: 0, derived: 0, commands: 0 });

    // And what users have put is there.
    network.resume();
    const read = async (contract: string, key: string): Promise<Uint8Array | null> => {
      const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
      const command = { tag: "get", value: Buffer.from(key) } as const;
      const answer = await execute({ home: folder }, contract, command, signal);
      return answer.tag === "value" ? answer.value : null;
    };
    for (const [name, value] of values) {
      const [contract, key] = name.split("/");
      // Its pRuntime is a new one, which has to be given the contract's keys.
      await chain.until(() => read(contract!, key!).then(Boolean, () => false), PATIENCE_MILLISECONDS);
      expect(Buffer.from((await read(contract!, key!))!)).toEqual(value);
    }
  },
);
