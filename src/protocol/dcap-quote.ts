/**
 * Quotes as Intel's quoting enclaves make them ("Intel SGX ECDSA QuoteLibReference DCAP API" appendix A.4, "Intel TDX DCAP
 * Quoting Library API" appendix A.3): of SGX enclaves in version 3, of TDX domains in versions 4 and 5, with an ECDSA
 * P-256 attestation key and the chain of the platform's certificate (PCK). Numbers are little-endian.
 *
 *   header 48 | v5: body type 2, body size 4 | report 384, 584 or 648 | size 4 | signature part
 *
 * They are read strictly here, byte for byte: nothing follows, nothing is left out, and what has to be some constant is it.
 */
import { createHash } from "node:crypto";
import { toHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import type { Hex } from "./scale.ts";

/** What a quote says, whether or not it is right. */
export interface DcapQuote {
  /** The enclave can be looked into from outside. */
  readonly debug: boolean;
  /** 64 bytes that the enclave has chosen. */
  readonly reportData: Uint8Array;
  /** What runs in the enclave: `measurementOf`. */
  readonly measurement: Hex;
  /** The TDX module that the domain runs under; null for SGX. */
  readonly module: TdxModule | null;
  /** DER: the PCK certificate, that of the CA that issued it, and the root's. */
  readonly pckChain: readonly [Uint8Array, Uint8Array, Uint8Array];
}

/** A TDX module, by TEE_TCB_SVN, MRSIGNERSEAM and SEAMATTRIBUTES. */
export interface TdxModule {
  readonly version: number;
  readonly svn: number;
  readonly signer: Uint8Array;
  readonly attributes: Uint8Array;
}

type Report = Omit<DcapQuote, "pckChain">;

const HEADER_BYTES = 48;
/** ECDSA-256 with the curve P-256. */
const KEY_TYPE = 2;
const TEE = Object.freeze({ sgx: 0, tdx: 0x81 } as const);
/** `INTEL_QE_VENDOR_ID`. */
const QE_VENDOR = Buffer.from("939a7233f79c4ca9940a0db3957f0607", "hex");
/** Bytes of reports, by the body type that version 5 gives them. */
const BODIES = Object.freeze({ td10: { type: 2, size: 584 }, td15: { type: 3, size: 648 } } as const);
const SGX_REPORT_BYTES = 384;
const SIGNATURE_BYTES = 64;
const REPORT_DATA_BYTES = 64;
/** The quoting enclave's data, which its report stands for together with the attestation key. */
const QE_AUTH_BYTES = 32;
/** Kinds of certification data: a chain of certificates in PEM; a report of the quoting enclave with such. */
const CERTIFICATION = Object.freeze({ chain: 5, qeReport: 6 } as const);
/** What stands for the kind of enclave in a measurement. */
const KIND = Object.freeze({ sgx: 1, tdx: 2 } as const);

/** The quote in these bytes, or null if they are none of those that are known here. */
export function readQuote(bytes: Uint8Array): DcapQuote | null {
  try {
    const cursor = new Cursor(bytes);
    const report = takeReport(cursor);
    const signature = new Cursor(cursor.take(cursor.u32()));
    cursor.end();
    return { ...report.report, pckChain: takeChain(signature, report.version) };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/**
 * A quote without the zeros that drivers leave behind it, in a buffer of one size for all.
 * @returns null if these bytes do not begin with a quote, or something else follows it.
 */
export function withoutPadding(bytes: Uint8Array): Uint8Array | null {
  try {
    const cursor = new Cursor(bytes);
    takeReport(cursor);
    cursor.take(cursor.u32());
    return cursor.rest().every((byte) => byte === 0) ? bytes.subarray(0, cursor.at) : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function takeReport(cursor: Cursor): { readonly version: number; readonly report: Report } {
  const header = new Cursor(cursor.take(HEADER_BYTES));
  const version = header.u16();
  check(header.u16() === KEY_TYPE);
  const tee = header.u32();
  header.take(4);
  check(QE_VENDOR.equals(header.take(QE_VENDOR.length)));
  if (version === 3) {
    check(tee === TEE.sgx);
    return { version, report: sgxReport(cursor.take(SGX_REPORT_BYTES)) };
  }
  check((version === 4 || version === 5) && tee === TEE.tdx);
  const type = version === 4 ? BODIES.td10.type : cursor.u16();
  const body = Object.values(BODIES).find((each) => each.type === type);
  check(body !== undefined);
  check(version === 4 || cursor.u32() === body!.size);
  return { version, report: tdxReport(cursor.take(body!.size)) };
}

/**
 * `sgx_report_body_t`. Measured are ISVEXTPRODID, and everything from MRENCLAVE on to before the report data: MRSIGNER,
 * CONFIGID, ISVPRODID, ISVSVN, CONFIGSVN, ISVFAMILYID, and what is reserved, which is zero.
 *
 * MRENCLAVE alone is not enough. Anybody may sign an enclave anew, under his own MRSIGNER, and what it seals to its signer
 * then opens to his other enclaves; a configuration is what its host chose at launch, and programs read it. What is left
 * out says on which machine it runs, and how that was set up: CPUSVN, which the TCB status judges; MISCSELECT and
 * ATTRIBUTES, which depend on the processor and are bounded by what the signer allows, but for debugging.
 */
function sgxReport(body: Uint8Array): Report {
  return {
    debug: (body[48]! & 0x02) !== 0,
    measurement: measurementOf("sgx", [body.subarray(32, 48), body.subarray(64, SGX_REPORT_BYTES - REPORT_DATA_BYTES)]),
    reportData: body.subarray(SGX_REPORT_BYTES - REPORT_DATA_BYTES),
    module: null,
  };
}

/**
 * `sgx_report2_body_t`. Measured is everything from MRTD on to before the report data: what the domain began with (MRTD),
 * what its host configured it with (MRCONFIGID, MROWNER, MROWNERCONFIG), and what it started since, up to kernel, command
 * line and applications (RTMR0 to RTMR3). The same image started with another configuration is another program to whoever
 * relies on it. Left out are the TDX module, which the TCB status judges, and attributes and XFAM, which depend on the
 * processor: of the attributes, those for debugging are refused here, and the verification of the quote refuses all but
 * SEPT_VE_DISABLE, which it asks for, and the use of protection keys, Key Locker and performance counters.
 */
function tdxReport(body: Uint8Array): Report {
  return {
    // TUD, the attributes under which a domain is untrusted, of which DEBUG is the only one so far.
    debug: body[120] !== 0,
    measurement: measurementOf("tdx", [body.subarray(136, 520)]),
    reportData: body.subarray(520, 520 + REPORT_DATA_BYTES),
    module: { svn: body[0]!, version: body[1]!, signer: body.subarray(64, 112), attributes: body.subarray(112, 120) },
  };
}

/** SHA-256(context ‖ kind ‖ fields of the report). */
function measurementOf(kind: keyof typeof KIND, fields: readonly Uint8Array[]): Hex {
  const sha256 = createHash("sha256").update(CONTEXT.measurement, "ascii").update(Uint8Array.of(KIND[kind]));
  for (const field of fields) sha256.update(field);
  return toHex(sha256.digest());
}

/**
 *   signature 64 | attestation key 64 | v4, v5: type 6, size 4 | QE report 384 | its signature 64 | size 2 | QE data 32 |
 *   type 5 | size 4 | chain
 */
function takeChain(cursor: Cursor, version: number): DcapQuote["pckChain"] {
  cursor.take(2 * SIGNATURE_BYTES);
  let part = cursor;
  if (version > 3) {
    check(cursor.u16() === CERTIFICATION.qeReport);
    part = new Cursor(cursor.take(cursor.u32()));
    cursor.end();
  }
  part.take(SGX_REPORT_BYTES + SIGNATURE_BYTES);
  check(part.u16() === QE_AUTH_BYTES);
  part.take(QE_AUTH_BYTES);
  check(part.u16() === CERTIFICATION.chain);
  const chain = takenChain(part.take(part.u32()));
  part.end();
  return chain;
}

/** A chain as Intel writes it: PEM with lines of 64 digits; a line break and a zero may follow. */
function takenChain(bytes: Uint8Array): DcapQuote["pckChain"] {
  const text = Buffer.from(bytes)
    .toString("latin1")
    .replace(/\n?\0?$/, "");
  const chain = certificatesIn(text);
  check(chain.length === 3 && chain.map(pem).join("\n") === text);
  return chain as unknown as DcapQuote["pckChain"];
}

/** The certificates in PEM in a text, as DER. */
export function certificatesIn(text: string): Uint8Array[] {
  const found = text.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  return [...found].map(([, digits]) => Buffer.from(digits!, "base64"));
}

/** A certificate in PEM, without a line break at the end. @param der - of it. */
export function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----"].join("\n");
}

function check(condition: boolean): void {
  if (!condition) throw new RangeError("no quote");
}

/** A place in bytes; reading beyond them throws a RangeError. */
class Cursor {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  take(size: number): Uint8Array {
    check(this.at + size <= this.#bytes.length);
    this.at += size;
    return this.#bytes.subarray(this.at - size, this.at);
  }

  u16(): number {
    return Buffer.from(this.take(2)).readUInt16LE();
  }

  u32(): number {
    return Buffer.from(this.take(4)).readUInt32LE();
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at);
  }

  end(): void {
    check(this.at === this.#bytes.length);
  }
}
