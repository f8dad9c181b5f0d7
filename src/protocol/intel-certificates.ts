/**
 * Certificates that go back to Intel's root, and lists of those that were revoked (RFC 5280, "Intel SGX PCK Certificate
 * and Certificate Revocation List Profile Specification").
 *
 * Evidence brings its own lists along, so who made it chooses them: a list counts only with the signature of who issued
 * the certificates that it is about, and while it is valid. @phala/dcap-qvl looks for serial numbers in whatever it can
 * read as a list, and checks neither.
 */
import { X509Certificate, verify } from "node:crypto";
import { DER_TAG, DerReader, derTime } from "./der.ts";
import { Failure, ensure } from "./draft.ts";

/** AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 §3.2), the only one in Intel's certificates. */
const ECDSA_WITH_SHA256 = Buffer.from("300a06082a8648ce3d040302", "hex");

/** Milliseconds since 1970, from which and until which something holds. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/** Serial numbers of certificates that one issuer has revoked. */
export interface RevocationList extends Validity {
  readonly serials: ReadonlySet<bigint>;
}

/**
 * A certificate that this issuer has signed. Whether it is valid at some time is another question.
 * @param der - of any origin.
 * @param authority - whether it may issue others itself; it has to be told apart from one that may not.
 * @throws Failure QuoteInvalid
 */
export function issuedCertificate(der: Uint8Array, issuer: X509Certificate, authority: boolean): X509Certificate {
  try {
    const certificate = new X509Certificate(der);
    // OpenSSL ignores what follows a certificate.
    const whole = certificate.raw.equals(der);
    const issued = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
    if (whole && issued && certificate.ca === authority) return certificate;
  } catch {
    // What OpenSSL can't read, it can't read: which part of it does not matter.
  }
  throw new Failure("QuoteInvalid");
}

/**
 * The list of revoked certificates that an issuer has signed.
 * @param der - of any origin: until its signature is found to be right, only its outermost layer is read.
 * @throws Failure QuoteInvalid
 */
export function issuedRevocations(der: Uint8Array, issuer: X509Certificate): RevocationList {
  try {
    const list = new DerReader(der);
    const parts = new DerReader(list.take(DER_TAG.sequence).content);
    list.end();
    const signed = parts.take(DER_TAG.sequence);
    const algorithm = parts.take(DER_TAG.sequence);
    const signature = parts.take(DER_TAG.bitString).content;
    parts.end();
    ensure(ECDSA_WITH_SHA256.equals(algorithm.whole) && signature[0] === 0, "QuoteInvalid");
    ensure(verify("sha256", signed.whole, issuer.publicKey, signature.subarray(1)), "QuoteInvalid");
    return revocationsIn(signed.content);
  } catch {
    throw new Failure("QuoteInvalid");
  }
}

/** The serial number of a certificate. */
export function serialOf({ serialNumber }: X509Certificate): bigint {
  return BigInt(`0x${serialNumber}`);
}

/** When a certificate is valid. */
export function validityOf({ validFromDate, validToDate }: X509Certificate): Validity {
  return { from: validFromDate.getTime(), until: validToDate.getTime() };
}

/** TBSCertList, RFC 5280 §5.1. */
function revocationsIn(content: Uint8Array): RevocationList {
  const fields = new DerReader(content);
  fields.take(DER_TAG.integer);
  fields.take(DER_TAG.sequence);
  fields.take(DER_TAG.sequence);
  const from = derTime(fields.take());
  const until = derTime(fields.take());
  const serials = new Set<bigint>();
  if (fields.follows(DER_TAG.sequence)) {
    const entries = new DerReader(fields.take().content);
    while (!entries.done) {
      const entry = new DerReader(entries.take(DER_TAG.sequence).content);
      serials.add(BigInt(`0x${Buffer.from(entry.take(DER_TAG.integer).content).toString("hex")}`));
    }
  }
  if (fields.follows(DER_TAG.explicit0)) fields.take();
  fields.end();
  return { from, until, serials };
}
