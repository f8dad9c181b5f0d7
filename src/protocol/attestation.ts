/**
 * What proves that a pRuntime is what it says, and whether it does. The ledger itself verifies it, so this is a function of
 * bytes, and of the time that a block gives itself: every replica finds the same, for ever.
 */
import { createHash } from "node:crypto";
import { type Codec, Enum } from "scale-ts";
import { fromHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { type PublicKey, hashCodec } from "./account.ts";
import type { AttestationPolicy } from "./attestation-policy.ts";
import { ATTESTATION_BYTES_MAX } from "./call.ts";
import { readQuote } from "./dcap-quote.ts";
import { verifyQuote } from "./dcap-verification.ts";
import { Failure, ensure } from "./draft.ts";
import type { FailureReason } from "./effect.ts";
import { type Hex, boundedBytes, decode, encode, exactBytes, struct } from "./scale.ts";

const QUOTE_BYTES_MAX = 8_192;
const CERTIFICATE_BYTES_MAX = 2_048;
/** Bytes of a list of revoked certificates, or of one of Intel's JSON documents. */
const DOCUMENT_BYTES_MAX = 24_576;
/** r and s, 32 bytes each, big-endian. */
const JSON_SIGNATURE_BYTES = 64;

/**
 * What Intel has signed about a platform. Certificates are DER; those between these signers and the root, and the root
 * itself, are not here: there are none, and the root is known.
 */
export interface DcapCollateral {
  /** Certificates that the root CA has revoked. */
  readonly rootCaCrl: Uint8Array;
  /** Certificates that the CA has revoked that issued the platform's. */
  readonly pckCrl: Uint8Array;
  /** JSON in UTF-8, as it was signed. */
  readonly tcbInfo: Uint8Array;
  readonly tcbInfoSignature: Uint8Array;
  readonly tcbInfoSigner: Uint8Array;
  /** JSON in UTF-8, as it was signed. */
  readonly qeIdentity: Uint8Array;
  readonly qeIdentitySignature: Uint8Array;
  readonly qeIdentitySigner: Uint8Array;
}

/** A quote with all that it takes to verify it. */
export interface DcapEvidence {
  /** Nothing follows it. */
  readonly quote: Uint8Array;
  readonly collateral: DcapCollateral;
}

/** What a pRuntime is, and what proves it. */
export type Attestation =
  /** Its own word, without proof. */
  | { readonly tag: "software"; readonly value: { readonly measurement: Hex } }
  /** Intel's word, for SGX and TDX. */
  | { readonly tag: "dcap"; readonly value: DcapEvidence };

/** What has to hold for an attestation. */
export interface Expectation {
  /** 64 bytes: `reportData` of who registers. */
  readonly reportData: Uint8Array;
  /** Those that may serve. */
  readonly measurements: readonly Hex[];
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly policy: AttestationPolicy;
}

const attestationCodec = Enum({
  software: struct({ measurement: hashCodec }),
  dcap: struct<DcapEvidence>({
    quote: boundedBytes(QUOTE_BYTES_MAX),
    collateral: struct<DcapCollateral>({
      rootCaCrl: boundedBytes(DOCUMENT_BYTES_MAX),
      pckCrl: boundedBytes(DOCUMENT_BYTES_MAX),
      tcbInfo: boundedBytes(DOCUMENT_BYTES_MAX),
      tcbInfoSignature: exactBytes(JSON_SIGNATURE_BYTES),
      tcbInfoSigner: boundedBytes(CERTIFICATE_BYTES_MAX),
      qeIdentity: boundedBytes(DOCUMENT_BYTES_MAX),
      qeIdentitySignature: exactBytes(JSON_SIGNATURE_BYTES),
      qeIdentitySigner: boundedBytes(CERTIFICATE_BYTES_MAX),
    }),
  }),
}) as unknown as Codec<Attestation>;

/**
 * An attestation as bytes, as a registration has it.
 * @throws GatekeeperError INVALID_ARGUMENT when a part of it is longer than it may be.
 */
export function encodeAttestation(attestation: Attestation): Uint8Array {
  return encode(attestationCodec, attestation);
}

/** The attestation in these bytes, or null if they are none. Whether it proves anything is another question. */
export function decodeAttestation(bytes: Uint8Array): Attestation | null {
  return bytes.length > ATTESTATION_BYTES_MAX ? null : decode(attestationCodec, bytes);
}

/**
 * What an enclave puts into its quote, so that it vouches for these keys and nobody else's: SHA-512 of context, genesis
 * hash, IdentityKey and EcdhKey.
 */
export function reportData(genesisHash: Uint8Array, identityKey: PublicKey, ecdhKey: PublicKey): Uint8Array {
  return createHash("sha512")
    .update(CONTEXT.reportData, "ascii")
    .update(genesisHash)
    .update(fromHex(identityKey, "an IdentityKey"))
    .update(fromHex(ecdhKey, "an EcdhKey"))
    .digest();
}

/**
 * Verifies an attestation: what is cheap first, so that what is dear is done only for evidence that has a chance.
 * @param bytes - of any origin.
 * @param mayVerify - asked once before a quote's signatures are verified, which takes milliseconds.
 * @returns the measurement that was proved, or why none was.
 */
export function verifyAttestation(
  bytes: Uint8Array,
  expected: Expectation,
  mayVerify: () => boolean = () => true,
): { readonly measurement: Hex } | FailureReason {
  try {
    return { measurement: provedMeasurement(decodeAttestation(bytes), expected, mayVerify) };
  } catch (error) {
    if (error instanceof Failure) return error.reason;
    throw error;
  }
}

/** @throws Failure */
function provedMeasurement(
  attestation: Attestation | null,
  { measurements, policy, timestamp, ...expected }: Expectation,
  mayVerify: () => boolean,
): Hex {
  ensure(attestation !== null, "AttestationMalformed");
  if (attestation.tag === "software") {
    ensure(policy.software, "SoftwareNotAllowed");
    ensure(measurements.includes(attestation.value.measurement), "MeasurementNotAllowed");
    return attestation.value.measurement;
  }
  const quote = readQuote(attestation.value.quote);
  ensure(quote !== null, "AttestationMalformed");
  ensure(!quote.debug, "DebugEnclave");
  ensure(Buffer.compare(quote.reportData, expected.reportData) === 0, "WrongReportData");
  ensure(measurements.includes(quote.measurement), "MeasurementNotAllowed");
  ensure(mayVerify(), "TooManyAttestations");
  const statuses = verifyQuote(attestation.value, quote, timestamp);
  ensure(
    statuses.every((status) => policy.tcbStatuses.includes(status)),
    "TcbNotAccepted",
  );
  return quote.measurement;
}
