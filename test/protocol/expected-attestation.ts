/** What is expected of the forged platform's attestations, unless a test expects something else. */
import { type Expectation, reportData, verifyAttestation } from "../../src/protocol/attestation.ts";
import { readQuote } from "../../src/protocol/dcap-quote.ts";
import { type Forgery, type Kind, MIDDLE, forgedAttestation, forgedEvidence } from "./forged-platform.ts";
import { publicOf } from "./network.ts";

export const KINDS: readonly Kind[] = ["sgx", "tdx", "tdx5", "tdx15"];
export const REPORT_DATA = reportData(Buffer.alloc(32, 1), publicOf("enclave"), publicOf("enclave/ecdh"));
export const measured = (kind: Kind, forgery: Forgery = {}): string =>
  readQuote(forgedEvidence(kind, REPORT_DATA, forgery).quote)!.measurement;
export const MEASUREMENTS = KINDS.map((kind) => measured(kind));
export const EXPECTED: Expectation = {
  reportData: REPORT_DATA,
  measurements: MEASUREMENTS,
  timestamp: MIDDLE,
  policy: { software: false, tcbStatuses: ["UpToDate"] },
};
/** The measurement that was proved, or why none was. */
export const verified = (bytes: Uint8Array, changes: Partial<Expectation> = {}): string => {
  const found = verifyAttestation(bytes, { ...EXPECTED, ...changes });
  return typeof found === "string" ? found : found.measurement;
};
export const forged = (kind: Kind, forgery: Forgery, changes: Partial<Expectation> = {}): string =>
  verified(forgedAttestation(kind, REPORT_DATA, forgery), changes);
