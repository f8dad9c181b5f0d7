import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAttestation } from "../../src/protocol/attestation.ts";
import { dcapAttestation } from "../../src/protocol/dcap-evidence.ts";
import { pem } from "../../src/protocol/dcap-quote.ts";
import { FORGED_ROOT, forgedEvidence } from "./forged-platform.ts";

const EVIDENCE = forgedEvidence("tdx", Buffer.alloc(64, 3));
const { collateral } = EVIDENCE;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
const chain = (signer: Uint8Array): string => `${pem(signer)}\n${pem(FORGED_ROOT)}\n`;
const JSON_FIELDS = {
  pck_crl_issuer_chain: "of no interest",
  root_ca_crl: hex(collateral.rootCaCrl),
  pck_crl: [...collateral.pckCrl],
  tcb_info_issuer_chain: chain(collateral.tcbInfoSigner),
  tcb_info: text(collateral.tcbInfo),
  tcb_info_signature: hex(collateral.tcbInfoSignature),
  qe_identity_issuer_chain: chain(collateral.qeIdentitySigner),
  qe_identity: text(collateral.qeIdentity),
  qe_identity_signature: [...collateral.qeIdentitySignature],
};
const made = (changes: object = {}, quote: Uint8Array = EVIDENCE.quote) =>
  decodeAttestation(dcapAttestation(quote, Buffer.from(JSON.stringify({ ...JSON_FIELDS, ...changes }))));
const refused = (message: RegExp) =>
  expect.objectContaining({ code: "ATTESTATION_INVALID", message: expect.stringMatching(message) });

describe("an attestation of a quote and collateral", () => {
  test("has all of both, without what a driver left behind the quote", () => {
    const expected = {
      quote: hex(EVIDENCE.quote),
      ...Object.fromEntries(Object.entries(collateral).map(([name, bytes]) => [name, hex(bytes)])),
    };
    for (const padding of [0, 1, 70]) {
      const attestation = made({}, Buffer.concat([EVIDENCE.quote, Buffer.alloc(padding)]))!;
      if (attestation.tag !== "dcap") throw new Error();
      const { quote, collateral: parts } = attestation.value;
      const found = Object.fromEntries(Object.entries(parts).map(([name, bytes]) => [name, hex(bytes as Uint8Array)]));
      expect({ quote: hex(quote), ...found }).toEqual(expected);
    }
  });

  test("needs a quote", () => {
    for (const quote of [new Uint8Array(0), EVIDENCE.quote.subarray(0, -1), EVIDENCE.quote.subarray(1)]) {
      expect(() => made({}, quote)).toThrow(refused(/the quote is none/));
    }
    const followed = Buffer.concat([EVIDENCE.quote, Buffer.from([0, 1])]);
    expect(() => made({}, followed)).toThrow(refused(/the quote is none/));
  });

  test("names the field that can't be", () => {
    for (const [name, value] of [
      ["root_ca_crl", "0x00"],
      ["pck_crl", [256]],
      ["pck_crl", "123"],
      ["tcb_info", 5],
      ["tcb_info_issuer_chain", ""],
      ["qe_identity_issuer_chain", "-----BEGIN CERTIFICATE-----"],
      ["qe_identity", undefined],
      ["qe_identity_signature", null],
    ] as const) {
      expect(() => made({ [name]: value })).toThrow(refused(new RegExp(name)));
    }
    expect(() => made({ tcb_info_signature: "00" })).toThrow(refused(/1 bytes, not 64/));
    expect(() => made({ tcb_info: "x".repeat(24_577) })).toThrow(refused(/24577 items/));
    const long = { tcb_info: "x".repeat(16_000), qe_identity: "x".repeat(16_000) };
    expect(() => made(long)).toThrow(refused(/together they have \d+ bytes/));
  });

  test("of anything else is refused in the same way", () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("{"), Buffer.from("null"), Buffer.from([0xff])]) {
      expect(() => dcapAttestation(EVIDENCE.quote, bytes)).toThrow(refused(/collateral/));
    }
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(JSON_FIELDS)), fc.jsonValue(), (name, value) => {
        try {
          made({ [name]: value });
        } catch (error) {
          expect(error).toEqual(refused(/./));
        }
      }),
    );
  });
});
