/** Large stores, made fast: full pages, sealed in bulk, written without comparing them with anything. */
import { randomFillSync } from "node:crypto";
import { Engine } from "../../src/engine/engine.ts";
import { ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { generateMasterKey } from "../../src/keys/master-key.ts";
import { type PlainState, sealStates } from "../../src/pruntime/state-sealer.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import { EMBEDDED_STORE, openStoreAt } from "../../src/store/location.ts";
import { editPage } from "../../src/store/page-edit.ts";
import { contractOf } from "../rotation/sealed-store.ts";

const VALUE_BYTES = 200;
const BATCH_RECORDS = 4_096;
const GROUPS_PER_COMMIT = 256;

/**
 * Makes an embedded store of records of 200 random bytes, in order of 8-byte keys.
 * @returns the scalar of its MasterKey 0, in hex.
 */
export async function makeLargeStore(path: string, contracts: number, recordsEach: number): Promise<string> {
  const store = await openStoreAt({ module: EMBEDDED_STORE, options: { path, create: true } });
  await initialiseStore(store);
  const engine = new Engine();
  using masterKey = generateMasterKey(0);
  using keys = new ContractKeyRing([masterKey], 1);
  const value = randomFillSync(new Uint8Array(VALUE_BYTES));
  for (let number = 0; number < contracts; number++) {
    const contract = contractOf(number).id;
    const plain = Array.from({ length: recordsEach }, (_, index): PlainState => {
      const key = new Uint8Array(8);
      new DataView(key.buffer).setUint32(4, index);
      return { contract, key, value, writeVersion: 1n };
    });
    const records: { key: Uint8Array; sealed: Uint8Array }[] = [];
    for (let at = 0; at < plain.length; at += BATCH_RECORDS) {
      const batch = plain.slice(at, at + BATCH_RECORDS);
      const sealed = sealStates(engine, { keys: keys.keys.bind(keys), suite: () => "aes-256-gcm" }, 0, batch);
      records.push(...batch.map(({ key }, index) => ({ key, sealed: sealed[index]! })));
    }
    const pages = editPage(contract, null, records, 1n).map((write) => [write]);
    for (let at = 0; at < pages.length; at += GROUPS_PER_COMMIT) {
      await store.commit({ groups: pages.slice(at, at + GROUPS_PER_COMMIT), sealedUnder: 0 });
    }
  }
  await store.close();
  return masterKey.use((scalar) => Buffer.from(scalar).toString("hex"));
}
