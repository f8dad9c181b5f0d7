/** Real chain files, read as a user's would be, beside JSON.parse of the same bytes. */
import { holeskyGenesis } from "@ethereumjs/genesis/holesky";
import { hoodiGenesis } from "@ethereumjs/genesis/hoodi";
import { mainnetGenesis } from "@ethereumjs/genesis/mainnet";
import { expect, test } from "vitest";
import { genesisAllocJson } from "../../src/cli/demo-genesis.ts";
import { openImport } from "../../src/gatekeeper/import/open-import.ts";
import { CONTRACT_KIND } from "../../src/contract-id.ts";
import { parse, type Shown, show } from "../gatekeeper/import/parse.ts";
import { describeVectors, readVectors, vectorPath } from "./read.ts";

const { account, pallet, childTrie, wellKnown } = CONTRACT_KIND;

type States = Record<string, string>;
type Raw = { top: States; childrenDefault: Record<string, States> };

/** The states that a spec holds, by the plainest reading of it. */
function expected({ top, childrenDefault }: Raw): Shown[] {
  const bare = (hex: string): string => hex.slice(2);
  const inTop = Object.entries(top).map(([key, value]): Shown => {
    const isPallet = key.length >= 34 && !key.startsWith("0x3a");
    return [isPallet ? pallet : wellKnown, isPallet ? key.slice(2, 34) : "3a", bare(key), bare(value)];
  });
  const inTries = Object.entries(childrenDefault).flatMap(([id, states]) =>
    Object.entries(states).map(([key, value]): Shown => [childTrie, bare(id), bare(key), bare(value)]),
  );
  return [...inTop, ...inTries];
}

async function imported(path: string): Promise<Shown[]> {
  await using files = await openImport([path], { spoolFolder: "/nonexistent" });
  const shown: Shown[] = [];
  for await (const entries of files.read()) shown.push(...entries.map(show));
  return shown;
}

describeVectors("real chain specs", () => {
  test.each([
    ["astar.raw", 74],
    ["khala", 64],
    ["kusama", 3419],
    ["phala_testnet", 179],
    ["rhala", 100],
    ["shiden.raw", 7621],
    ["westend", 93],
  ])("%s: %i states", async (name, count) => {
    const path = `data/state/specs/${name}.json.gz`;
    const { genesis } = JSON.parse(readVectors(path).toString()) as { genesis: { raw: Raw | [States, object] } };
    const raw = Array.isArray(genesis.raw) ? { top: genesis.raw[0], childrenDefault: {} } : genesis.raw;
    const states = await imported(vectorPath(path));
    expect(states).toHaveLength(count);
    expect(states).toEqual(expected(raw));
  });

  test.each(["child-trie-create-one", "child-trie-create-multiple"])("%s: a node's states with child tries", (name) => {
    const raw = JSON.parse(readVectors(`fixtures/state/${name}-nocode.json`).toString()) as Raw;
    const spec = { genesis: { raw: { top: raw.top, childrenDefault: raw.childrenDefault } } };
    for (const chunkBytes of [61, 1 << 18])
      expect(parse(JSON.stringify(spec, null, 1), chunkBytes)).toEqual(expected(raw));
  });
});

test.each([
  ["mainnet", mainnetGenesis, 8893, 8893],
  ["holesky", holeskyGenesis, 317, 317 + 1 + 31],
  ["hoodi", hoodiGenesis, 335, 335 + 5 + 33],
])("@ethereumjs/genesis %s: %#", (_, state, accounts, states) => {
  const shown = parse([...genesisAllocJson(state)].join(""), 4096);
  expect(new Set(shown.map(([, name]) => name)).size).toBe(accounts);
  expect(shown.every(([kind]) => kind === account)).toBe(true);
  expect(shown.filter(([, , key]) => key !== Buffer.from("nonce").toString("hex"))).toHaveLength(states);
});
