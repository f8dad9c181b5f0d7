import { getGenesis } from "@ethereumjs/genesis";
import { describe, expect, test } from "vitest";
import { type GenesisState, genesisAllocJson } from "../../src/cli/demo-genesis.ts";

const text = (state: GenesisState): string => [...genesisAllocJson(state)].join("");

describe("genesisAllocJson", () => {
  test("writes balances, code, storage and nonces as geth does", () => {
    const document = text({
      "0x01": "0x5",
      "0x02": [
        "0x0",
        "0x6000",
        [
          ["0x22", "0xff"],
          ["0x23", "0x"],
        ],
        "0x1",
      ],
      "0x03": ["0x7"],
    });
    expect(JSON.parse(document)).toEqual({
      alloc: {
        "0x01": { balance: "0x5" },
        "0x02": { balance: "0x0", nonce: "0x1", code: "0x6000", storage: { "0x22": "0xff", "0x23": "0x" } },
        "0x03": { balance: "0x7" },
      },
    });
  });

  test("an empty state is an empty alloc", () => {
    expect(JSON.parse(text({}))).toEqual({ alloc: {} });
  });

  test.each([
    [1, 8893],
    [17_000, 317],
    [560_048, 335],
  ])("chain %i has %i accounts, in as many pieces", (chain, accounts) => {
    const state = getGenesis(chain)!;
    const pieces = [...genesisAllocJson(state)];
    expect(pieces).toHaveLength(accounts + 2);
    expect(Object.keys((JSON.parse(pieces.join("")) as { alloc: object }).alloc)).toHaveLength(accounts);
  });
});
