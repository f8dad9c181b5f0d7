/** What the key-value contract does with its states: under which names, and in how many writes. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import type { ContractEdit } from "../../src/pruntime/contract-states.ts";
import { KeyValueContract } from "../../src/pruntime/key-value-contract.ts";
import type { ContractName } from "../../src/store/store.ts";
import { get, put, remove, said } from "./contract-user.ts";
import { refusedWith } from "./refused.ts";

const nameOf = (byte: number): ContractName => ({
  id: new Uint8Array(32).fill(byte),
  kind: 5,
  name: Uint8Array.of(byte),
});
const SHOP = nameOf(1);
const NAMING = Uint8Array.of(0);

/** States in memory, and what was written. */
class States {
  readonly values = new Map<string, Uint8Array>();
  readonly writes: (readonly ContractEdit[])[] = [];

  get = async (contract: Uint8Array, key: Uint8Array): Promise<Uint8Array | null> =>
    this.values.get(toHex(contract) + toHex(key))?.slice() ?? null;

  write = async (edits: readonly ContractEdit[]) => {
    this.writes.push(edits.map((each) => ({ ...each, edits: each.edits.map((edit) => ({ ...edit })) })));
    let deleted = 0;
    for (const { contract, edits: some } of edits) {
      for (const { key, value } of some) {
        const place = toHex(contract.id) + toHex(key);
        if (value === null) deleted += Number(this.values.delete(place));
        else this.values.set(place, value.slice());
      }
    }
    return { written: 0, bytes: 0, unchanged: 0, deleted };
  };

  /** The naming secret of a contract. */
  secretOf({ id }: ContractName): Uint8Array {
    return this.values.get(toHex(id) + toHex(NAMING))!;
  }

  /** The value that lies under a user's key, by the description of the file. */
  valueOf(contract: ContractName, key: string): string | undefined {
    const hmac = createHmac("sha256", this.secretOf(contract));
    const name = hmac.update("gatekeeper/v1 name of a key-value state").update(key).digest();
    const value = this.values.get(toHex(contract.id) + toHex(name));
    return value === undefined ? undefined : Buffer.from(value).toString();
  }
}

describe("the program", () => {
  test("stores a value under the HMAC of its key, with a secret that the contract's first put draws, in one write", async () => {
    const states = new States();
    const program = new KeyValueContract(states);
    // Until then there is nothing, and nothing is written.
    expect(said(await program.execute(SHOP, get("a")))).toBe("nothing");
    expect(said(await program.execute(SHOP, remove("a")))).toBe("nothing");
    expect(states.writes).toEqual([]);
    expect(said(await program.execute(SHOP, put("a", "one")))).toBe("done");
    expect(states.writes).toHaveLength(1);
    const secret = states.secretOf(SHOP);
    expect(secret).toHaveLength(32);
    expect(secret.some((byte) => byte !== 0)).toBe(true);
    await program.execute(SHOP, put("b", "two"));
    await program.execute(SHOP, put("a", "three"));
    expect(states.secretOf(SHOP)).toEqual(secret);
    expect([states.valueOf(SHOP, "a"), states.valueOf(SHOP, "b")]).toEqual(["three", "two"]);
    expect(states.values.size).toBe(3);
    expect(states.writes.slice(1).map(([edit]) => edit!.edits.length)).toEqual([1, 1]);
    expect(said(await program.execute(SHOP, remove("a")))).toBe("done");
    expect([states.valueOf(SHOP, "a"), states.values.size]).toEqual([undefined, 2]);
  });

  test("writes in the order of names, whatever secret was drawn", async () => {
    for (let round = 1; round <= 20; round++) {
      const states = new States();
      await new KeyValueContract(states).execute(nameOf(round), put("a", "one"));
      const [edit] = states.writes[0]!;
      const keys = edit!.edits.map(({ key }) => toHex(key));
      expect(keys).toEqual(keys.toSorted());
      expect(keys).toHaveLength(2);
    }
  });

  test("has another secret for each contract, and wipes none that it has stored", async () => {
    const states = new States();
    const program = new KeyValueContract(states);
    await program.execute(SHOP, put("a", "one"));
    await program.execute(nameOf(2), put("a", "one"));
    expect(states.secretOf(nameOf(2))).not.toEqual(states.secretOf(SHOP));
    const names = new Set([...states.values.keys()].map((place) => place.slice(66)));
    expect(names.size).toBe(3);
  });

  test("finds nothing under its secret's own name, which is no user's", async () => {
    const states = new States();
    const program = new KeyValueContract(states);
    await program.execute(SHOP, put("a", "one"));
    for (const key of ["\0", "", toHex(NAMING)]) expect(said(await program.execute(SHOP, get(key)))).toBe("nothing");
    await program.execute(SHOP, put("\0", "other"));
    expect(said(await program.execute(SHOP, get("a")))).toBe("one");
  });

  test("does not go on with a secret that is none", async () => {
    const states = new States();
    const program = new KeyValueContract(states);
    await program.execute(SHOP, put("a", "one"));
    states.values.set(toHex(SHOP.id) + toHex(NAMING), new Uint8Array(31));
    await expect(program.execute(SHOP, put("a", "two"))).rejects.toThrow(refusedWith("STORE_CORRUPT"));
    expect(states.writes).toHaveLength(1);
  });
});
