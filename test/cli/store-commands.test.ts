/** `gatekeeper store`: a network's store, from its file alone. */
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { hashGenesis } from "../../src/protocol/genesis.ts";
import { openNetworkStore } from "../../src/store/network-store.ts";
import { editPage } from "../../src/store/page-edit.ts";
import { asideCells, asidePageCells } from "../../src/store/quarantine.ts";
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
    malformed: [],
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

test("a page that makes no sense is named, and listed once it was put aside", async () => {
  const path = `${chain.folder}/states.sqlite`;
  const made = await openNetworkStore(path, hashGenesis(chain.genesis));
  const group = editPage(contractId(1), null, [{ key: text("k"), sealed: sealedState(3, 1) }], 1n);
  await made.store.commit({ groups: [group], sealedUnder: 3 });
  await made.store.close();
  const database = new DatabaseSync(path);
  database.prepare("UPDATE page SET body = ?").run(Uint8Array.of(1, 2, 3));
  database.close();
  const contract = toHex(contractId(1));
  expect((await store("show", "states.sqlite")).stdout).toContain(
    `contract ${contract} page from key 0x makes no sense\n`,
  );
  const shown = JSON.parse((await store("show", "states.sqlite", "--json")).stdout) as object;
  expect(shown).toMatchObject({ malformed: [{ contract, lowerBound: "0x" }] });
  const { store: opened } = await openNetworkStore(path, hashGenesis(chain.genesis));
  const page = (await opened.find(contractId(1), text("k")))!;
  await opened.commit({ groups: [], sealedUnder: null, cells: await asidePageCells(opened, page, 7) });
  await opened.close();
  const said = `contract ${contract} page from key 0x: 3 bytes that make no sense, put aside in rotation 7\n`;
  expect((await store("quarantined", "states.sqlite")).stdout).toContain(said);
  const listed = JSON.parse((await store("quarantined", "states.sqlite", "--json")).stdout) as object[];
  expect(listed).toContainEqual({ contract, lowerBound: "0x", since: 7, bytes: 3 });
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
