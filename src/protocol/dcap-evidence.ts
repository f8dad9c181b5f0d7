/** Quotes and collateral as other programs write them, made into attestations. */
import * as v from "valibot";
import { GatekeeperError } from "../errors.ts";
import { type DcapCollateral, encodeAttestation } from "./attestation.ts";
import { ATTESTATION_BYTES_MAX } from "./call.ts";
import { certificatesIn, withoutPadding } from "./dcap-quote.ts";

const asHex = v.pipe(
  v.string(),
  v.regex(/^(?:[0-9a-fA-F]{2})*$/, "hex digits"),
  v.transform((text) => Buffer.from(text, "hex")),
);
const byte = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));
const asBytes = v.union([
  asHex,
  v.pipe(
    v.array(byte),
    v.transform((list) => Buffer.from(list)),
  ),
]);
const asText = v.pipe(
  v.string(),
  v.transform((text) => Buffer.from(text, "utf8")),
);
/** The first certificate of a chain: the rest of it is Intel's root. */
const asSigner = v.pipe(
  v.string(),
  v.transform((chain) => certificatesIn(chain)[0]),
  v.instance(Uint8Array, "certificates in PEM"),
);

/** `QuoteCollateralV3` of dcap-qvl as JSON, which PCCS clients and dstack write, too; other fields may be there. */
const schema = v.object({
  root_ca_crl: asBytes,
  pck_crl: asBytes,
  tcb_info: asText,
  tcb_info_signature: asBytes,
  tcb_info_issuer_chain: asSigner,
  qe_identity: asText,
  qe_identity_signature: asBytes,
  qe_identity_issuer_chain: asSigner,
});

/**
 * The attestation of a quote with its collateral, as a registration has it. Nothing of it is verified here.
 * @param quote - as a driver gave it: zeros may follow.
 * @param collateral - JSON in UTF-8, with the fields of dcap-qvl's `QuoteCollateralV3`.
 * @throws GatekeeperError ATTESTATION_INVALID, which names the field.
 */
export function dcapAttestation(quote: Uint8Array, collateral: Uint8Array): Uint8Array {
  const trimmed = withoutPadding(quote);
  if (trimmed === null) throw invalid("the quote is none of SGX (version 3) or TDX (versions 4 and 5)");
  const value = { quote: trimmed, collateral: collateralIn(collateral) };
  let bytes: Uint8Array;
  try {
    bytes = encodeAttestation({ tag: "dcap", value });
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message : String(cause));
  }
  if (bytes.length > ATTESTATION_BYTES_MAX) throw invalid(`together they have ${bytes.length} bytes`);
  return bytes;
}

function collateralIn(bytes: Uint8Array): DcapCollateral {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw invalid("the collateral is no JSON");
  }
  const { success, output, issues } = v.safeParse(schema, json, { abortEarly: true });
  if (!success) throw invalid(`the collateral's ${v.getDotPath(issues[0]) ?? "fields"}: ${issues[0].message}`);
  return {
    rootCaCrl: output.root_ca_crl,
    pckCrl: output.pck_crl,
    tcbInfo: output.tcb_info,
    tcbInfoSignature: output.tcb_info_signature,
    tcbInfoSigner: output.tcb_info_issuer_chain,
    qeIdentity: output.qe_identity,
    qeIdentitySignature: output.qe_identity_signature,
    qeIdentitySigner: output.qe_identity_issuer_chain,
  };
}

function invalid(why: string): GatekeeperError {
  return new GatekeeperError("ATTESTATION_INVALID", `there is no attestation: ${why}`);
}
