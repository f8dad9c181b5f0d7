/**
 * Whether a quote is right: @phala/dcap-qvl decides, of what was found here before to be Intel's.
 *
 * Evidence comes from anybody, and brings its own proof of what Intel says along. So first everything in it that Intel
 * signs is checked: certificates and lists of revoked ones, TCB info and QE identity, and the times within which they
 * hold. Only then the library sees it. It never parses ASN.1 or JSON that somebody else made, which bounds its time, and
 * what it takes for granted is so: it does not check who signed a list of revoked certificates, nor whether it is out of
 * date or can be read at all. Nor does it look at the TDX module; that is done here after it.
 *
 * What Intel said stays true for these times, 30 days at the most: within them, evidence may choose an older word of it.
 */
import { X509Certificate, verify } from "node:crypto";
import { createRequire } from "node:module";
import * as v from "valibot";
import type { DcapEvidence } from "./attestation.ts";
import { TCB_STATUSES, type TcbStatus } from "./attestation-policy.ts";
import { type DcapQuote, type TdxModule, pem } from "./dcap-quote.ts";
import { Failure, ensure } from "./draft.ts";
import { type Validity, issuedCertificate, issuedRevocations, serialOf, validityOf } from "./intel-certificates.ts";
import { INTEL_ROOT } from "./intel-root.ts";

/** As much as is used of it; its own types lack this path. */
interface QuoteVerificationLibrary {
  readonly QuoteVerifier: {
    newWithRootCa(der: Buffer): {
      verify(quote: Buffer, collateral: object, seconds: number): { readonly status: string };
    };
  };
}

/** What the library's message begins with where everything is right but for the state of the platform. */
const STATUS_MESSAGES = ["TCB status is invalid", "No matching TCB level found"];

const moduleSchema = v.object({ mrsigner: v.string(), attributes: v.string(), attributesMask: v.string() });
const validitySchema = v.object({ issueDate: v.string(), nextUpdate: v.string() });
const tcbInfoSchema = v.object({
  tdxModule: v.optional(moduleSchema),
  tdxModuleIdentities: v.optional(
    v.array(
      v.object({
        id: v.string(),
        ...moduleSchema.entries,
        tcbLevels: v.array(v.object({ tcb: v.object({ isvsvn: v.number() }), tcbStatus: v.string() })),
      }),
    ),
    [],
  ),
});

const require = createRequire(import.meta.url);

/** Loaded when it is needed first: that takes longer than most commands. Its other half, which has a network, is not. */
function quoteVerification(): QuoteVerificationLibrary {
  return require("@phala/dcap-qvl/src/verify.js") as QuoteVerificationLibrary;
}

/**
 * Makes sure that a quote is right, and what else there is to say of where it was made.
 * @param quote - what `readQuote` found in `evidence.quote`.
 * @param timestamp - milliseconds since 1970.
 * @returns in what states the platform and, for TDX, its module are.
 * @throws Failure QuoteInvalid, CertificateRevoked, CollateralExpired, TcbNotAccepted
 */
export function verifyQuote(evidence: DcapEvidence, quote: DcapQuote, timestamp: number): readonly TcbStatus[] {
  const { collateral } = evidence;
  const root = new X509Certificate(INTEL_ROOT);
  const [pckDer, authorityDer, rootDer] = quote.pckChain;
  ensure(root.raw.equals(rootDer), "QuoteInvalid");
  const pckAuthority = issuedCertificate(authorityDer, root, true);
  const pck = issuedCertificate(pckDer, pckAuthority, false);
  const tcbSigner = issuedCertificate(collateral.tcbInfoSigner, root, false);
  const qeSigner = issuedCertificate(collateral.qeIdentitySigner, root, false);
  const rootRevocations = issuedRevocations(collateral.rootCaCrl, root);
  const pckRevocations = issuedRevocations(collateral.pckCrl, pckAuthority);
  const tcbInfo = signedJson(collateral.tcbInfo, collateral.tcbInfoSignature, tcbSigner);
  const qeIdentity = signedJson(collateral.qeIdentity, collateral.qeIdentitySignature, qeSigner);
  const issuedByRoot = [root, pckAuthority, tcbSigner, qeSigner];
  const revoked =
    issuedByRoot.some((certificate) => rootRevocations.serials.has(serialOf(certificate))) ||
    pckRevocations.serials.has(serialOf(pck));
  ensure(!revoked, "CertificateRevoked");
  const validities = [
    ...[...issuedByRoot, pck].map(validityOf),
    rootRevocations,
    pckRevocations,
    jsonValidity(tcbInfo),
    jsonValidity(qeIdentity),
  ];
  ensure(
    validities.every(({ from, until }) => from <= timestamp && timestamp <= until),
    "CollateralExpired",
  );
  const platform = platformStatus(evidence, pem(INTEL_ROOT), timestamp);
  return quote.module === null ? [platform] : [platform, moduleStatus(tcbInfo, quote.module)];
}

/** What the library says, which checks everything that the chains above are there for. */
function platformStatus({ quote, collateral }: DcapEvidence, rootPem: string, timestamp: number): TcbStatus {
  const chain = (signer: Uint8Array) => `${pem(signer)}\n${rootPem}\n`;
  const given = {
    // It would parse them anew for each certificate that it meets; none of those is in them.
    root_ca_crl: [],
    pck_crl: [],
    tcb_info_issuer_chain: chain(collateral.tcbInfoSigner),
    tcb_info: Buffer.from(collateral.tcbInfo).toString("utf8"),
    tcb_info_signature: collateral.tcbInfoSignature,
    qe_identity_issuer_chain: chain(collateral.qeIdentitySigner),
    qe_identity: Buffer.from(collateral.qeIdentity).toString("utf8"),
    qe_identity_signature: collateral.qeIdentitySignature,
  };
  const { QuoteVerifier } = quoteVerification();
  let status: string;
  try {
    const verifier = QuoteVerifier.newWithRootCa(Buffer.from(INTEL_ROOT));
    ({ status } = verifier.verify(Buffer.from(quote), given, Math.floor(timestamp / 1_000)));
  } catch (error) {
    // Whatever it trips over, the quote is to blame: everything else is Intel's.
    const message = error instanceof Error ? error.message : "";
    const ofStatus = STATUS_MESSAGES.some((beginning) => message.startsWith(beginning));
    throw new Failure(ofStatus ? "TcbNotAccepted" : "QuoteInvalid");
  }
  return accepted(status);
}

/**
 * The state of the TDX module that a domain runs under, as Intel's own library finds it ("Intel TDX DCAP Quoting Library
 * API", TDX module TCB): who signed it and its attributes have to be those that TCB info has for its version, and from
 * version 1 on its SVN has a state of its own.
 */
function moduleStatus(tcbInfo: unknown, { version, svn, signer, attributes }: TdxModule): TcbStatus {
  const { tdxModule, tdxModuleIdentities } = parsed(tcbInfoSchema, tcbInfo);
  const id = `TDX_${version.toString(16).padStart(2, "0")}`;
  const identity = tdxModuleIdentities.find((each) => each.id.toLowerCase() === id.toLowerCase());
  const expected = version === 0 ? tdxModule : identity;
  ensure(expected !== undefined, "TcbNotAccepted");
  const mask = Buffer.from(expected.attributesMask, "hex");
  const masked = attributes.map((byte, at) => byte & (mask[at] ?? 0xff));
  const same =
    Buffer.from(expected.mrsigner, "hex").equals(signer) && Buffer.from(expected.attributes, "hex").equals(masked);
  ensure(same, "QuoteInvalid");
  if (version === 0) return "UpToDate";
  const level = identity!.tcbLevels.find(({ tcb }) => svn >= tcb.isvsvn);
  ensure(level !== undefined, "TcbNotAccepted");
  return accepted(level.tcbStatus);
}

/** A state that is not listed was revoked, or is one that Intel has thought of since. @throws Failure TcbNotAccepted */
function accepted(status: string): TcbStatus {
  const found = TCB_STATUSES.find((known) => known === status);
  ensure(found !== undefined, "TcbNotAccepted");
  return found;
}

/** JSON that the holder of this certificate has signed. @throws Failure QuoteInvalid */
function signedJson(bytes: Uint8Array, signature: Uint8Array, { publicKey }: X509Certificate): unknown {
  ensure(verify("sha256", bytes, { key: publicKey, dsaEncoding: "ieee-p1363" }, signature), "QuoteInvalid");
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw new Failure("QuoteInvalid");
  }
}

function jsonValidity(json: unknown): Validity {
  const { issueDate, nextUpdate } = parsed(validitySchema, json);
  return { from: timeOf(issueDate), until: timeOf(nextUpdate) };
}

/** In the one form that means the same time on every machine. */
function timeOf(text: string): number {
  ensure(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text), "QuoteInvalid");
  return Date.parse(text);
}

function parsed<T extends v.GenericSchema>(schema: T, json: unknown): v.InferOutput<T> {
  const { success, output } = v.safeParse(schema, json);
  ensure(success, "QuoteInvalid");
  return output as v.InferOutput<T>;
}
