/** The one suite of the store contract (src/store/store.ts): every store of the project runs it. */
import { afterEach, beforeEach, describe, it } from "vitest";
import type { StateStore } from "../../src/store/store.ts";
import { cellContract, minimumContract } from "./contract-cells.ts";
import { keepContract } from "./contract-keeping.ts";
import { keepsAsModel } from "./contract-keeping-model.ts";
import { agreesWithMap } from "./contract-model.ts";
import { findContract, scanContract } from "./contract-reading.ts";
import { countContract, limitContract, swapContract } from "./contract-writing.ts";

/** A fresh store under test. */
export interface StoreUnderTest {
  readonly store: StateStore;
  /** Another handle of the same store. */
  second(): Promise<StateStore>;
  /** Closes every handle and leaves nothing behind. */
  dispose(): Promise<void>;
}

/** Runs the suite. */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store contract`, () => {
    let under: StoreUnderTest;
    let store: StateStore;

    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => under.dispose());

    const handle = (): StateStore => store;
    describe("scan", () => scanContract(handle));
    describe("find", () => findContract(handle));
    describe("compare-and-swap", () => swapContract(handle, () => under.second()));
    describe("cells", () => cellContract(handle));
    describe("the minimum rotation id", () => minimumContract(handle));
    describe("contracts and counts", () => countContract(handle));
    describe("limits", () => limitContract(handle));
    describe("kept bodies", () => keepContract(handle, () => under.second()));
    it("agrees with a plain map under random edits", () => agreesWithMap(open));
    it("keeps, drops and restores as a model does", () => keepsAsModel(open));
  });
}
