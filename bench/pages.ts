/**
 * Whole pages as a rotation moves them: bodies in as they were read, bodies out as they are to be written, contract
 * keys derived from their material on the way. Beside it the loop over the same pages with node:crypto.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from "node:crypto";
import { randomFillSync } from "node:crypto";
import { type KeyMaterial, PageEngine, type ReencryptJob, type SealedUnder } from "../src/engine/page-engine.ts";
import { SEALED_HEADER_BYTES, encodeHeader, sealedAad } from "../src/engine/sealed-state.ts";
import { NONCE_BYTES, type Suite, TAG_BYTES, suiteId } from "../src/engine/suite.ts";
import { contractKeyInfo } from "../src/keys/contract-key.ts";
import { KEY_SUITE } from "../src/keys/group.ts";
import { editPage } from "../src/store/page-edit.ts";
import { type PageBody, RecordCursor, recordsOf } from "../src/store/page.ts";
import { NODE } from "./reencrypt.ts";
import type { Table } from "./table.ts";
import { AUTH_TAG, openBox, sealBox } from "./workload.ts";

const PAGE_ENGINE = "PageEngine";
/** Texts of 64 to 200 bytes under keys of 32 bytes, as many as fill about the bytes of a rotation's commit. */
const TEXT_BYTES_MIN = 64;
const TEXT_BYTES_MAX = 200;
const CONTRACTS = 4;
const RECORDS_EACH = 1_200;
const STORAGE_KEY_BYTES = 32;
const FROM = 0;
const TO = 1;
/** The node:crypto loop is timed on every eighth page; its time per record doesn't depend on how many there are. */
const NODE_SHARE = 8;

interface Contract {
  readonly id: Uint8Array;
  readonly materials: readonly [KeyMaterial, KeyMaterial];
  readonly keys: readonly [KeyObject, KeyObject];
}

/** A page with what it must still hold after it was moved. */
interface MadePage extends PageBody {
  readonly owner: Contract;
  readonly plaintexts: readonly Uint8Array[];
}

/** One row a suite. */
export function pageTable(suites: readonly Suite[]): Table {
  return {
    name: "pages",
    title: `Re-encrypt pages of 16,000 B, records of ${TEXT_BYTES_MIN} to ${TEXT_BYTES_MAX} B`,
    item: "record",
    ours: [PAGE_ENGINE],
    notes: [
      `${PAGE_ENGINE}: PageEngine.reencrypt, one thread; HKDF, key expansion, nonces, parsing and the copy in included`,
      `${NODE}: the careful loop over the same pages, contract keys as KeyObjects at hand`,
    ],
    prepare: async () => {
      const cases = suites.flatMap((suite) => {
        const pages = makePages(suite);
        const engine = new PageEngine();
        const jobs = pages.map(({ owner, body }): ReencryptJob => {
          return { contract: owner.id, body, key: owner.materials[FROM], newKey: owner.materials[TO] };
        });
        const [from, to] = [FROM, TO].map((rotationId) => ({ suite, rotationId })) as [SealedUnder, SealedUnder];
        const fewer = pages.filter((_, index) => index % NODE_SHARE === 0);
        const ours = (): Uint8Array[] => engine.reencrypt(from, to, jobs).map(({ body }) => body);
        const theirs = (): Uint8Array[] => fewer.map((page) => reencryptPage(suite, page));
        checkPages(PAGE_ENGINE, suite, pages, ours());
        checkPages(NODE, suite, fewer, theirs());
        return [
          { row: suite, column: PAGE_ENGINE, items: recordsIn(pages), run: () => void ours() },
          { row: suite, column: NODE, items: recordsIn(fewer), run: () => void theirs() },
        ];
      });
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

function makePages(suite: Suite): MadePage[] {
  return Array.from({ length: CONTRACTS }, () => makeContract(suite)).flatMap((owner) => {
    const plain = Array.from({ length: RECORDS_EACH }, () => {
      const size = TEXT_BYTES_MIN + (randomBytes(1)[0]! % (TEXT_BYTES_MAX - TEXT_BYTES_MIN + 1));
      return { key: randomBytes(STORAGE_KEY_BYTES), text: randomBytes(size) };
    }).sort((a, b) => Buffer.compare(a.key, b.key));
    const edits = plain.map(({ key, text }) => {
      const header = encodeHeader({ suite, rotationId: FROM, writeVersion: 1n });
      const aad = sealedAad(header, owner.id, key);
      const sealed = Buffer.concat([header, sealBox(suite, owner.keys[FROM], randomBytes(NONCE_BYTES), aad, text)]);
      return { key, sealed };
    });
    let next = 0;
    return editPage(owner.id, null, edits, 1n).map((page) => {
      const count = [...recordsOf(page)].length;
      const plaintexts = plain.slice(next, next + count).map(({ text }) => text);
      next += count;
      return { ...page, owner, plaintexts };
    });
  });
}

function makeContract(suite: Suite): Contract {
  const id = randomBytes(32);
  const material = (rotationId: number): KeyMaterial => {
    return { ikm: randomBytes(32), info: contractKeyInfo(KEY_SUITE.secp256k1, suiteId(suite), rotationId, id) };
  };
  const materials = [material(FROM), material(TO)] as const;
  const key = ({ ikm, info }: KeyMaterial): KeyObject =>
    createSecretKey(new Uint8Array(hkdfSync("sha256", ikm, new Uint8Array(0), info, 32)));
  return { id, materials, keys: [key(materials[FROM]), key(materials[TO])] };
}

/** One page by the careful loop; the new body is a new buffer. */
function reencryptPage(suite: Suite, page: MadePage): Uint8Array {
  const algorithm = suite as "aes-256-gcm";
  const { owner } = page;
  const body = Uint8Array.from(page.body);
  const nonces = randomFillSync(new Uint8Array(page.plaintexts.length * NONCE_BYTES));
  const view = new DataView(body.buffer);
  let index = 0;
  for (const at = new RecordCursor({ ...page, body }); at.next(); index++) {
    const text = at.sealedAt + SEALED_HEADER_BYTES + NONCE_BYTES;
    const tag = at.sealedAt + at.sealedLength - TAG_BYTES;
    const key = body.subarray(at.keyAt, at.sealedAt);
    const header = body.subarray(at.sealedAt, at.sealedAt + SEALED_HEADER_BYTES);
    const nonce = body.subarray(at.sealedAt + SEALED_HEADER_BYTES, text);
    const decipher = createDecipheriv(algorithm, owner.keys[FROM], nonce, AUTH_TAG);
    decipher.setAAD(sealedAad(header, owner.id, key));
    decipher.setAuthTag(body.subarray(tag, tag + TAG_BYTES));
    const plaintext = decipher.update(body.subarray(text, tag));
    decipher.final();
    view.setUint32(at.sealedAt + 2, TO, true);
    nonce.set(nonces.subarray(index * NONCE_BYTES, (index + 1) * NONCE_BYTES));
    const cipher = createCipheriv(algorithm, owner.keys[TO], nonce, AUTH_TAG);
    cipher.setAAD(sealedAad(header, owner.id, key));
    body.set(cipher.update(plaintext), text);
    cipher.final();
    body.set(cipher.getAuthTag(), tag);
  }
  return body;
}

/** @throws Error unless every record opens under the new key to what it was, and under nothing but the new id. */
function checkPages(name: string, suite: Suite, pages: readonly MadePage[], bodies: readonly Uint8Array[]): void {
  pages.forEach((page, index) => {
    const records = [...recordsOf({ ...page, body: bodies[index]! })];
    if (records.length !== page.plaintexts.length) throw new Error(`${name}: page ${index} lost records`);
    records.forEach(({ key, sealed }, n) => {
      const header = encodeHeader({ suite, rotationId: TO, writeVersion: 1n });
      const aad = sealedAad(header, page.owner.id, key);
      const plaintext = openBox(suite, page.owner.keys[TO], aad, sealed.subarray(SEALED_HEADER_BYTES));
      const same = Buffer.compare(sealed.subarray(0, SEALED_HEADER_BYTES), header) === 0;
      if (!same || Buffer.compare(plaintext, page.plaintexts[n]!) !== 0) {
        throw new Error(`${name}: record ${n} of page ${index} is not what it was`);
      }
    });
  });
}

function recordsIn(pages: readonly MadePage[]): number {
  return pages.reduce((sum, { plaintexts }) => sum + plaintexts.length, 0);
}
