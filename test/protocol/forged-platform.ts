/**
 * A platform of our own that makes quotes as Intel's do, with a root of its own: what a real one never shows can be made
 * there. A test puts `FORGED_ROOT` into the place of Intel's root.
 */
import { type KeyObject, createHash, generateKeyPairSync, sign } from "node:crypto";
import { type DcapCollateral, type DcapEvidence, encodeAttestation } from "../../src/protocol/attestation.ts";
import { pem } from "../../src/protocol/dcap-quote.ts";

/** Everything that is signed here holds for these three months. */
export const ISSUED = Date.parse("2026-01-01T00:00:00Z");
export const MIDDLE = Date.parse("2026-02-15T00:00:00Z");
export const EXPIRES = Date.parse("2026-04-01T00:00:00Z");

type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
export type Kind = "sgx" | "tdx" | "tdx5" | "tdx15";
type Json = Record<string, unknown>;

const newPair = (): Pair => generateKeyPairSync("ec", { namedCurve: "P-256" });
const PAIRS = {
  root: newPair(),
  authority: newPair(),
  pck: newPair(),
  signer: newPair(),
  attestation: newPair(),
  stranger: newPair(),
};
type Name = keyof typeof PAIRS;

/** What is to be otherwise. */
export interface Forgery {
  /** Changes the report before it is signed. */
  readonly report?: (body: Buffer) => void;
  /** Changes the header before it is signed. */
  readonly header?: (header: Buffer) => void;
  /** Changes the quoting enclave's report before it is signed. */
  readonly qeReport?: (body: Buffer) => void;
  /** Other fields, or another text. */
  readonly tcbInfo?: Json | string;
  readonly qeIdentity?: Json | string;
  /** Serial numbers of certificates: `SERIALS`. */
  readonly revokedByRoot?: readonly number[];
  readonly revokedByAuthority?: readonly number[];
  readonly rootList?: readonly [from: number, until: number];
  readonly authorityList?: readonly [from: number, until: number];
  readonly certificates?: { readonly [N in Name]?: Partial<Issue> };
  /** Who signs instead: lists, JSON, reports. */
  readonly signs?: { readonly [what in "rootList" | "authorityList" | "tcbInfo" | "qeIdentity" | "qeReport"]?: Name };
  /** Whether the quote has the very root, or another certificate of the same key and name. */
  readonly sameRoot?: boolean;
  /** Changes to what comes out. */
  readonly collateral?: Partial<DcapCollateral>;
  readonly quote?: (quote: Buffer) => Uint8Array;
}

interface Issue {
  readonly issuer: Name;
  /** Who signs in its name: the issuer itself, if nobody else. */
  readonly signer: Name;
  readonly authority: boolean;
  readonly from: number;
  readonly until: number;
}

export const SERIALS = { root: 1, authority: 2, pck: 0xfedc_ba98, signer: 4, attestation: 5, stranger: 6 } as const;
const FMSPC = "00906ED50000";
const OID = {
  ecdsa: "06082a8648ce3d040302",
  commonName: "0603550403",
  constraints: "0603551d13",
  sgx: "06092a864886f84d010d01",
} as const;

const hex = (digits: string): Buffer => Buffer.from(digits, "hex");

/** A value in DER. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const time = (milliseconds: number): Buffer => {
  const digits = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(digits.slice(2)));
};
const integer = (value: number): Buffer => {
  const digits = value.toString(16);
  const bytes = hex(digits.length % 2 === 0 ? digits : `0${digits}`);
  return der(0x02, bytes[0]! < 0x80 ? bytes : Buffer.concat([Buffer.alloc(1), bytes]));
};
const nameOf = (name: Name): Buffer =>
  sequence(der(0x31, sequence(hex(OID.commonName), der(0x0c, Buffer.from(`Forged ${name}`)))));
const ALGORITHM = sequence(hex(OID.ecdsa));

function signed(content: Buffer, by: Name): Buffer {
  const signature = sign("sha256", content, PAIRS[by].privateKey);
  return sequence(content, ALGORITHM, der(0x03, Buffer.alloc(1), signature));
}

const rawSignature = (content: Uint8Array, by: Name): Buffer =>
  sign("sha256", content, { key: PAIRS[by].privateKey, dsaEncoding: "ieee-p1363" });

/** A certificate in DER. Each call signs anew: another one for the same. */
export function certificate(name: Name, issue: Partial<Issue> = {}, extensions: readonly Buffer[] = []): Buffer {
  const { issuer = "root", signer = issuer, authority = false, from = ISSUED, until = EXPIRES } = issue;
  const constraints = authority ? sequence(der(0x01, Uint8Array.of(0xff))) : sequence();
  const content = sequence(
    der(0xa0, integer(2)),
    integer(SERIALS[name]),
    ALGORITHM,
    nameOf(issuer),
    sequence(time(from), time(until)),
    nameOf(name),
    PAIRS[name].publicKey.export({ format: "der", type: "spki" }),
    der(0xa3, sequence(sequence(hex(OID.constraints), der(0x04, constraints)), ...extensions)),
  );
  return signed(content, signer);
}

/** What Intel's platform certificates say besides: FMSPC and SVNs. */
function sgxExtension(): Buffer {
  const entry = (arc: string, value: Buffer): Buffer => sequence(hex(arc), value);
  const tcb = "060a2a864886f84d010d0102";
  const svn = (arc: string, value: Buffer): Buffer => entry(`060b${tcb.slice(4)}${arc}`, value);
  const list = sequence(
    entry("060a2a864886f84d010d0101", der(0x04, Buffer.alloc(16, 7))),
    entry(tcb, sequence(svn("11", integer(10)), svn("12", der(0x04, Buffer.alloc(16, 5))))),
    entry("060a2a864886f84d010d0103", der(0x04, Buffer.alloc(2))),
    entry("060a2a864886f84d010d0104", der(0x04, hex(FMSPC))),
    entry("060a2a864886f84d010d0105", der(0x0a, Buffer.alloc(1))),
  );
  return sequence(hex(OID.sgx), der(0x04, list));
}

/** A list of revoked certificates in DER. */
export function revocations(
  by: Name,
  serials: readonly number[],
  [from, until]: readonly [number, number],
  signer: Name,
): Buffer {
  const entries = serials.map((serial) => sequence(integer(serial), time(ISSUED)));
  const list = entries.length === 0 ? [] : [sequence(...entries)];
  const content = sequence(integer(1), ALGORITHM, nameOf(by), time(from), time(until), ...list, der(0xa0, sequence()));
  return signed(content, signer);
}

/** The root, which signs itself; each time it is another one. */
const newRoot = (): Uint8Array => certificate("root", { authority: true, until: Date.parse("2049-01-01") });
export const FORGED_ROOT = newRoot();

const levelOf = (svn: number, tcbStatus: string): Json => ({
  tcb: {
    sgxtcbcomponents: Array.from({ length: 16 }, () => ({ svn })),
    tdxtcbcomponents: Array.from({ length: 16 }, (_, at) => ({ svn: at === 1 ? 0 : svn })),
    pcesvn: 10,
  },
  tcbDate: "2025-01-01T00:00:00Z",
  tcbStatus,
});
const moduleOf = (more: Json = {}): Json => ({
  mrsigner: "00".repeat(48),
  attributes: "00".repeat(8),
  attributesMask: "FF".repeat(8),
  ...more,
});
const moment = (milliseconds: number): string => new Date(milliseconds).toISOString().replace(".000", "");

/** TCB info of a platform in this state, with a module in that. */
export function tcbInfoOf(tcbStatus = "UpToDate", moduleStatus = "UpToDate"): Json {
  return {
    tcbLevels: [levelOf(5, tcbStatus), levelOf(2, "OutOfDate")],
    tdxModule: moduleOf(),
    tdxModuleIdentities: [moduleOf({ id: "TDX_01", tcbLevels: [{ tcb: { isvsvn: 5 }, tcbStatus: moduleStatus }] })],
  };
}

/** What a quoting enclave in this state is. */
export function qeIdentityOf(tcbStatus = "UpToDate"): Json {
  return {
    tcbLevels: [
      { tcb: { isvsvn: 8 }, tcbStatus },
      { tcb: { isvsvn: 3 }, tcbStatus: "OutOfDate" },
    ],
  };
}

const BODY_BYTES = { sgx: 384, tdx: 584, tdx5: 584, tdx15: 648 } as const;

/** Where the report begins in a quote. */
export const reportAt = (kind: Kind): number => (kind === "tdx5" || kind === "tdx15" ? 54 : 48);
/** Where 64 bytes of the enclave's own choice lie in its report. */
export const reportDataAt = (kind: Kind): number => (kind === "sgx" ? 320 : 520);

function quoteOf(kind: Kind, reportData: Uint8Array, forgery: Forgery, chain: readonly Uint8Array[]): Buffer {
  const tdx = kind !== "sgx";
  const version = { sgx: 3, tdx: 4, tdx5: 5, tdx15: 5 }[kind];
  const header = Buffer.alloc(48);
  header.writeUInt16LE(version, 0);
  header.writeUInt16LE(2, 2);
  header.writeUInt32LE(tdx ? 0x81 : 0, 4);
  hex("939a7233f79c4ca9940a0db3957f0607").copy(header, 12);
  forgery.header?.(header);
  const body = Buffer.alloc(BODY_BYTES[kind]);
  if (tdx) {
    body.fill(5, 0, 16).writeUInt8(1, 1);
    // SEPT_VE_DISABLE.
    body.writeUInt8(0x10, 123);
    body.fill(0xa1, 136, 184);
    for (const register of [0, 1, 2, 3]) body.fill(0xb0 + register, 328 + 48 * register, 376 + 48 * register);
  } else {
    body.writeUInt8(0x05, 48);
    body.fill(0xc1, 64, 96).fill(0xc2, 128, 160);
  }
  Buffer.from(reportData).copy(body, reportDataAt(kind));
  forgery.report?.(body);
  const type = Buffer.from([...(kind === "tdx15" ? [3, 0] : [2, 0]), ...u32(body.length)]);
  const content = Buffer.concat([header, ...(version === 5 ? [type] : []), body]);
  const part = signaturePart(content, version, forgery, chain);
  return Buffer.concat([content, u32(part.length), part]);
}

function signaturePart(content: Buffer, version: number, forgery: Forgery, chain: readonly Uint8Array[]): Buffer {
  const { x, y } = PAIRS.attestation.publicKey.export({ format: "jwk" });
  const key = Buffer.concat([Buffer.from(x!, "base64url"), Buffer.from(y!, "base64url")]);
  const qeData = Buffer.from(Array.from({ length: 32 }, (_, at) => at));
  const qeReport = Buffer.alloc(384);
  qeReport.writeUInt8(0x15, 48);
  qeReport.fill(0xd1, 128, 160);
  qeReport.writeUInt16LE(version === 3 ? 1 : 2, 256);
  qeReport.writeUInt16LE(8, 258);
  createHash("sha256").update(key).update(qeData).digest().copy(qeReport, 320);
  forgery.qeReport?.(qeReport);
  const certificates = Buffer.from(`${chain.map(pem).join("\n")}\n\0`);
  const qe = Buffer.concat([
    qeReport,
    rawSignature(qeReport, forgery.signs?.qeReport ?? "pck"),
    Buffer.from([32, 0]),
    qeData,
    Buffer.from([5, 0, ...u32(certificates.length)]),
    certificates,
  ]);
  const wrapped = version === 3 ? [qe] : [Buffer.from([6, 0, ...u32(qe.length)]), qe];
  return Buffer.concat([rawSignature(content, "attestation"), key, ...wrapped]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function document(fields: Json, changes: Json | string = {}): Buffer {
  if (typeof changes === "string") return Buffer.from(changes);
  return Buffer.from(JSON.stringify({ issueDate: moment(ISSUED), nextUpdate: moment(EXPIRES), ...fields, ...changes }));
}

/** Evidence of this platform, right but for what is asked to be otherwise. */
export function forgedEvidence(kind: Kind, reportData: Uint8Array, forgery: Forgery = {}): DcapEvidence {
  const { certificates = {}, signs = {} } = forgery;
  const authority = certificate("authority", { authority: true, ...certificates.authority });
  const pck = certificate("pck", { issuer: "authority", ...certificates.pck }, [sgxExtension()]);
  const signer = certificate("signer", certificates.signer);
  const tcbInfo = document(
    {
      id: kind === "sgx" ? "SGX" : "TDX",
      version: 3,
      fmspc: FMSPC,
      pceId: "0000",
      tcbType: 0,
      ...tcbInfoOf(),
    },
    forgery.tcbInfo,
  );
  const qeIdentity = document(
    {
      id: kind === "sgx" ? "QE" : "TD_QE",
      version: 2,
      miscselect: "00000000",
      miscselectMask: "FFFFFFFF",
      attributes: "11000000000000000000000000000000",
      attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
      mrsigner: "D1".repeat(32),
      isvprodid: kind === "sgx" ? 1 : 2,
      ...qeIdentityOf(),
    },
    forgery.qeIdentity,
  );
  const quote = quoteOf(kind, reportData, forgery, [
    pck,
    authority,
    forgery.sameRoot === false ? newRoot() : FORGED_ROOT,
  ]);
  return {
    quote: forgery.quote?.(quote) ?? quote,
    collateral: {
      rootCaCrl: revocations(
        "root",
        forgery.revokedByRoot ?? [],
        forgery.rootList ?? [ISSUED, EXPIRES],
        signs.rootList ?? "root",
      ),
      pckCrl: revocations(
        "authority",
        forgery.revokedByAuthority ?? [],
        forgery.authorityList ?? [ISSUED, EXPIRES],
        signs.authorityList ?? "authority",
      ),
      tcbInfo,
      tcbInfoSignature: rawSignature(tcbInfo, signs.tcbInfo ?? "signer"),
      tcbInfoSigner: signer,
      qeIdentity,
      qeIdentitySignature: rawSignature(qeIdentity, signs.qeIdentity ?? "signer"),
      qeIdentitySigner: signer,
      ...forgery.collateral,
    },
  };
}

/** The same as an attestation. */
export function forgedAttestation(kind: Kind, reportData: Uint8Array, forgery: Forgery = {}): Uint8Array {
  return encodeAttestation({ tag: "dcap", value: forgedEvidence(kind, reportData, forgery) });
}
