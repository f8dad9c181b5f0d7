/**
 * The baseline of a rotation: sealed states one a row, re-encrypted one by one with node:crypto. It is written as a
 * careful engineer would write it: WAL, one transaction for about a mebibyte, prepared statements, a key cursor, a
 * version column for compare-and-swap, contract keys kept as KeyObjects.
 */
import { createSecretKey, type KeyObject, randomBytes, randomFillSync } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { SEALED_HEADER_BYTES, encodeHeader, sealedAad } from "../dist/engine/sealed-state.js";
import { NONCE_BYTES, type Suite, suiteId } from "../dist/engine/suite.js";
import { ContractKeyRing } from "../dist/keys/contract-key-ring.js";
import { type MasterKey, generateMasterKey } from "../dist/keys/master-key.js";
import type { ContractName } from "../dist/store/store.js";
import { openBox, sealBox } from "./workload.ts";

/** One record of the data that both stores are filled with. */
export interface PlainRecord {
  readonly contract: ContractName;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const TRANSACTION_BYTES = 1 << 20;
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS record (
    contract BLOB NOT NULL, key BLOB NOT NULL, rotation INTEGER NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (contract, key)
  ) WITHOUT ROWID`;

interface Row {
  readonly contract: Uint8Array;
  readonly key: Uint8Array;
  readonly version: number;
  readonly sealed: Uint8Array;
}

/** A store of rows and the MasterKey that they are under. */
export class RowStore implements Disposable {
  readonly #database: DatabaseSync;
  readonly #suite: Suite;
  #masterKey: MasterKey = generateMasterKey(0);
  #records = 0;

  private constructor(path: string, suite: Suite) {
    this.#database = new DatabaseSync(path);
    this.#database.exec(SCHEMA);
    this.#suite = suite;
  }

  static fill(path: string, suite: Suite, records: Iterable<PlainRecord>): RowStore {
    const store = new RowStore(path, suite);
    using keys = new RowKeys(store.#masterKey, store.#masterKey, suite);
    const insert = store.#database.prepare("INSERT INTO record VALUES (?, ?, 0, 1, ?)");
    store.#database.exec("BEGIN IMMEDIATE");
    for (const { contract, key, value } of records) {
      const header = encodeHeader({ suite, rotationId: 0, writeVersion: 1n });
      const aad = sealedAad(header, contract.id, key);
      const box = sealBox(suite, keys.of(0, contract.id), randomBytes(NONCE_BYTES), aad, value);
      insert.run(contract.id, key, Buffer.concat([header, box]));
      store.#records++;
    }
    store.#database.exec("COMMIT");
    return store;
  }

  /** Re-encrypts every row under a new MasterKey and checks that none is left. */
  rotate(): void {
    const database = this.#database;
    const from = this.#masterKey.rotationId;
    const next = generateMasterKey(from + 1);
    using keys = new RowKeys(this.#masterKey, next, this.#suite);
    const [first] = database.prepare("SELECT length(sealed) AS bytes FROM record LIMIT 1").all();
    const limit = Math.ceil(TRANSACTION_BYTES / Number(first?.["bytes"] ?? TRANSACTION_BYTES));
    const scan = database.prepare(
      "SELECT contract, key, version, sealed FROM record WHERE (contract, key) > (?, ?) AND rotation = ? LIMIT ?",
    );
    const update = database.prepare(
      "UPDATE record SET sealed = ?, rotation = ?, version = version + 1 WHERE contract = ? AND key = ? AND version = ?",
    );
    let cursor: Pick<Row, "contract" | "key"> = { contract: new Uint8Array(0), key: new Uint8Array(0) };
    for (;;) {
      const rows = scan.all(cursor.contract, cursor.key, from, limit) as unknown as Row[];
      if (rows.length === 0) break;
      const nonces = randomFillSync(Buffer.alloc(rows.length * NONCE_BYTES));
      database.exec("BEGIN IMMEDIATE");
      rows.forEach((row, index) => {
        const nonce = nonces.subarray(index * NONCE_BYTES, (index + 1) * NONCE_BYTES);
        const sealed = this.#reencrypt(keys, row, from, nonce);
        update.run(sealed, from + 1, row.contract, row.key, row.version);
      });
      database.exec("COMMIT");
      cursor = rows.at(-1)!;
    }
    this.#masterKey[Symbol.dispose]();
    this.#masterKey = next;
    this.check();
  }

  /** @throws Error unless all rows are under the current rotation id. */
  check(): void {
    const statement = this.#database.prepare("SELECT count(*) AS rows FROM record WHERE rotation = ?");
    if (statement.get(this.#masterKey.rotationId)?.["rows"] !== this.#records)
      throw new Error("the baseline lost rows");
  }

  #reencrypt(keys: RowKeys, { contract, key, sealed }: Row, from: number, nonce: Uint8Array): Uint8Array {
    const aad = sealedAad(sealed, contract, key);
    const plaintext = openBox(this.#suite, keys.of(from, contract), aad, sealed.subarray(SEALED_HEADER_BYTES));
    const header = Uint8Array.from(sealed.subarray(0, SEALED_HEADER_BYTES));
    new DataView(header.buffer).setUint32(2, from + 1, true);
    const newAad = sealedAad(header, contract, key);
    return Buffer.concat([header, sealBox(this.#suite, keys.of(from + 1, contract), nonce, newAad, plaintext)]);
  }

  [Symbol.dispose](): void {
    this.#masterKey[Symbol.dispose]();
    this.#database.close();
  }
}

/** Contract keys of two generations, each derived once. */
class RowKeys implements Disposable {
  readonly #ring: ContractKeyRing;
  readonly #objects = new Map<string, KeyObject>();

  constructor(from: MasterKey, to: MasterKey, suite: Suite) {
    this.#ring = new ContractKeyRing([from, to], suiteId(suite));
  }

  of(rotationId: number, contract: Uint8Array): KeyObject {
    const name = `${rotationId} ${Buffer.from(contract).toString("latin1")}`;
    let object = this.#objects.get(name);
    if (object === undefined) {
      using key = this.#ring.keys(rotationId, [contract])[0]!;
      object = key.use((bytes) => createSecretKey(bytes));
      this.#objects.set(name, object);
    }
    return object;
  }

  [Symbol.dispose](): void {
    this.#ring[Symbol.dispose]();
  }
}
