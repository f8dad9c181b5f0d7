/** `gatekeeper store`: a network's store, from its file alone. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { hashGenesis } from "../../src/protocol/genesis.ts";
import { openNetworkStore } from "../../src/store/network-store.ts";
import { editPage } from "../../src/store/page-edit.ts";
import { asideCells } from "../../src/store/quarantine.ts";
import { openStore } from "../../src/store/embedded.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { contractId, sealedState, text } from "../store/records.ts";
import { runProgram } from "./transcript.ts";

let chain: FolderChain;
beforeEach(() => {
  chain = new FolderChain();
});
afterEach(() => chain[Symbol.dispose]());

const store = (...args: string[]) => runProgram("gatekeeper", ["store", ...args], { cwd: chain.folder });

test("a store has its id before a pRuntime sees it, and it is the one that its pRuntimes announce", async () => {
  const made = await store("init", "states.sqlite", "--home", chain.folder, "--json");
  const { id } = JSON.parse(made.stdout) as { id: string };
  const genesisHash = hashGenesis(chain.genesis);
  const opened = await openNetworkStore(`${chain.folder}/states.sqlite`, genesisHash);
  expect(opened.id).toBe(id);
  await opened.store.commit({
    groups: [editPage(contractId(1), null, [{ key: text("k"), sealed: sealedState(3, 1) }], 1n)],
    sealedUnder: 3,
  });
  await opened.store.close();
  expect(await store("show", "states.sqlite")).toMatchObject({
    code: 0,
    stdout: `store ${id}\nof the chain with genesis ${toHex(genesisHash)}\n1 record under MasterKey 3\ntakes writes from MasterKey 0 on\n`,
  });
  expect(JSON.parse((await store("show", "states.sqlite", "--json")).stdout)).toEqual({
    id,
    genesisHash: toHex(genesisHash),
    minimumRotationId: 0,
    records: { 3: 1 },
  });
  const again = await store("init", "states.sqlite", "--home", chain.folder);
  expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/^gatekeeper: ALREADY_EXISTS: /)]);
});

test("records that were put aside are listed by their names, with the rotation that did it", async () => {
  const { store: opened } = await openNetworkStore(`${chain.folder}/states.sqlite`, hashGenesis(chain.genesis));
  expect((await store("quarantined", "states.sqlite")).stdout).toBe("nothing was put aside\n");
  expect((await store("quarantined", "states.sqlite", "--json")).stdout).toBe("[]\n");
  const keys = Array.from({ length: 20 }, (_, at) => text(`k${at}`));
  for (const [at, key] of keys.entries()) {
    const cells = await asideCells(opened, contractId(2), [{ key, sealed: sealedState(4, 9) }], 5 + (at % 2));
    await opened.commit({ groups: [], sealedUnder: null, cells });
  }
  await opened.close();
  const contract = toHex(contractId(2));
  const { stdout } = await store("quarantined", "states.sqlite");
  expect(stdout.match(/\n/g)).toHaveLength(20);
  expect(stdout).toContain(
    `contract ${contract} key 0x6b31: ${sealedState(4, 9).length} bytes sealed under MasterKey 4, put aside in rotation 6\n`,
  );
  const listed = JSON.parse((await store("quarantined", "states.sqlite", "--json")).stdout) as { key: string }[];
  expect(listed.map(({ key }) => key).sort()).toEqual(keys.map(toHex).sort());
  expect(listed.find(({ key }) => key === "0x6b30")).toEqual({
    contract,
    key: "0x6b30",
    rotationId: 4,
    since: 5,
    bytes: sealedState(4, 9).length,
  });
});

test("what is no network's store is said to be none", async () => {
  const other = await openStore({ path: `${chain.folder}/other.sqlite`, create: true });
  await other.close();
  for (const [file, code] of [
    ["other.sqlite", "STORE_UNAVAILABLE"],
    ["chain.sqlite", "STORE_UNAVAILABLE"],
    ["none.sqlite", "NOT_FOUND"],
  ]) {
    const { code: exit, stderr } = await store("show", file!);
    expect([exit, stderr]).toEqual([1, expect.stringMatching(new RegExp(`^gatekeeper: ${code}: `))]);
  }
  expect((await store("init", "new.sqlite", "--home", "none")).stderr).toMatch(/^gatekeeper: NOT_FOUND: /);
});
