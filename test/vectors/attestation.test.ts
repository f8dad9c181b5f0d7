/** Quotes of real enclaves with what Intel signed about them then: dcap-qvl, phala-blockchain and oasis-core. */
import { createRequire } from "node:module";
import { compact } from "scale-ts";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type DcapEvidence,
  decodeAttestation,
  encodeAttestation,
  verifyAttestation,
} from "../../src/protocol/attestation.ts";
import { TCB_STATUSES, type TcbStatus } from "../../src/protocol/attestation-policy.ts";
import { dcapAttestation } from "../../src/protocol/dcap-evidence.ts";
import { type DcapQuote, readQuote } from "../../src/protocol/dcap-quote.ts";
import { INTEL_ROOT } from "../../src/protocol/intel-root.ts";
import { Network, genesisOf, register } from "../protocol/network.ts";
import { describeVectors, readVectors } from "./read.ts";

const FOLDER = "fixtures/tee";
const PHALA = "phala-blockchain/crates_sgx-attestation_sample_dcap_quote";
const read = (path: string): Buffer => readVectors(`${FOLDER}/${path}`);
const readHex = (path: string): Buffer => Buffer.from(read(path).toString("latin1").trim().replace(/^0x/, ""), "hex");

/** phala-blockchain has its collateral in SCALE, and lists of revoked certificates in hex within. */
function phalaCollateral(): Buffer {
  const bytes = read(`${PHALA}_collateral`);
  const fields: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = Number(compact.dec(new Uint8Array(bytes.subarray(at)).buffer));
    const from = at + compact.enc(length).length;
    fields.push(bytes.subarray(from, from + length));
    at = from + length;
  }
  const text = (at: number): string => fields[at]!.toString("utf8");
  return Buffer.from(
    JSON.stringify({
      root_ca_crl: text(1),
      pck_crl: text(2),
      tcb_info_issuer_chain: text(3),
      tcb_info: text(4),
      tcb_info_signature: [...fields[5]!],
      qe_identity_issuer_chain: text(6),
      qe_identity: text(7),
      qe_identity_signature: [...fields[8]!],
    }),
  );
}

interface Sample {
  readonly quote: () => Buffer;
  readonly collateral: () => Buffer;
  /** All of the collateral holds within these, and just so. */
  readonly from: string;
  readonly until: string;
  readonly status: TcbStatus;
}

const SAMPLES: Readonly<Record<string, Sample>> = {
  "SGX, dcap-qvl": {
    quote: () => read("dcap-qvl/sgx_quote"),
    collateral: () => read("dcap-qvl/sgx_quote_collateral.json"),
    from: "2025-06-19T10:56:11Z",
    until: "2025-07-19T10:01:18Z",
    status: "ConfigurationAndSWHardeningNeeded",
  },
  "SGX, phala-blockchain": {
    quote: () => read(PHALA),
    collateral: phalaCollateral,
    from: "2023-11-21T00:39:26Z",
    until: "2023-12-21T00:06:09Z",
    status: "ConfigurationAndSWHardeningNeeded",
  },
  "TDX, dcap-qvl": {
    quote: () => read("dcap-qvl/tdx_quote"),
    collateral: () => read("dcap-qvl/tdx_quote_collateral.json"),
    from: "2025-06-19T10:32:27Z",
    until: "2025-07-19T10:00:35Z",
    status: "UpToDate",
  },
};

interface Loaded {
  readonly bytes: Uint8Array;
  readonly evidence: DcapEvidence;
  readonly quote: DcapQuote;
}

function loaded({ quote, collateral }: Pick<Sample, "quote" | "collateral">): Loaded {
  const bytes = dcapAttestation(quote(), collateral());
  const attestation = decodeAttestation(bytes);
  if (attestation?.tag !== "dcap") throw new Error();
  return { bytes, evidence: attestation.value, quote: readQuote(attestation.value.quote)! };
}

/** The measurement that was proved, or why none was, where this quote's own words are expected. */
function verified(
  bytes: Uint8Array,
  { measurement, reportData }: DcapQuote,
  timestamp: number,
  tcbStatuses: readonly TcbStatus[] = TCB_STATUSES,
): string {
  const expected = { measurements: [measurement], reportData, timestamp, policy: { software: false, tcbStatuses } };
  const found = verifyAttestation(bytes, expected);
  return typeof found === "string" ? found : found.measurement;
}

/** Where the fields of a quote are, by their sizes, and what becomes of a quote in which one is altered. */
const HEADER: readonly [name: string, size: number, reason: string][] = [
  ["version", 2, "AttestationMalformed"],
  ["attestation key type", 2, "AttestationMalformed"],
  ["TEE type", 4, "AttestationMalformed"],
  ["QE SVN", 2, "QuoteInvalid"],
  ["PCE SVN", 2, "QuoteInvalid"],
  ["QE vendor id", 16, "AttestationMalformed"],
  ["user data", 20, "QuoteInvalid"],
];
const SGX_REPORT: typeof HEADER = [
  ["CPUSVN", 16, "QuoteInvalid"],
  ["MISCSELECT", 4, "QuoteInvalid"],
  ["reserved", 12, "QuoteInvalid"],
  ["ISVEXTPRODID", 16, "MeasurementNotAllowed"],
  ["ATTRIBUTES", 16, "QuoteInvalid"],
  ["MRENCLAVE", 32, "MeasurementNotAllowed"],
  ["reserved 2", 32, "MeasurementNotAllowed"],
  ["MRSIGNER", 32, "MeasurementNotAllowed"],
  ["reserved 3", 32, "MeasurementNotAllowed"],
  ["CONFIGID", 64, "MeasurementNotAllowed"],
  ["ISVPRODID", 2, "MeasurementNotAllowed"],
  ["ISVSVN", 2, "MeasurementNotAllowed"],
  ["CONFIGSVN", 2, "MeasurementNotAllowed"],
  ["reserved 4", 42, "MeasurementNotAllowed"],
  ["ISVFAMILYID", 16, "MeasurementNotAllowed"],
  ["report data", 64, "WrongReportData"],
];
const TDX_REPORT: typeof HEADER = [
  ["TEE_TCB_SVN", 16, "QuoteInvalid"],
  ["MRSEAM", 48, "QuoteInvalid"],
  ["MRSIGNERSEAM", 48, "QuoteInvalid"],
  ["SEAMATTRIBUTES", 8, "QuoteInvalid"],
  ["TUD", 1, "DebugEnclave"],
  ["TDATTRIBUTES", 7, "QuoteInvalid"],
  ["XFAM", 8, "QuoteInvalid"],
  ...["MRTD", "MRCONFIGID", "MROWNER", "MROWNERCONFIG", "RTMR0", "RTMR1", "RTMR2", "RTMR3"].map(
    (name) => [name, 48, "MeasurementNotAllowed"] as const satisfies [string, number, string],
  ),
  ["report data", 64, "WrongReportData"],
];
const SIGNATURES: typeof HEADER = [
  ["size", 4, "AttestationMalformed"],
  ["signature", 64, "QuoteInvalid"],
  ["attestation key", 64, "QuoteInvalid"],
];
const WRAPPED: typeof HEADER = [
  ["certification type", 2, "AttestationMalformed"],
  ["certification size", 4, "AttestationMalformed"],
];
const QE: typeof HEADER = [
  ["QE report", 320, "QuoteInvalid"],
  ["QE report data", 64, "QuoteInvalid"],
  ["QE report signature", 64, "QuoteInvalid"],
  ["QE data size", 2, "AttestationMalformed"],
  ["QE data", 32, "QuoteInvalid"],
  ["chain type", 2, "AttestationMalformed"],
  ["chain size", 4, "AttestationMalformed"],
];

describeVectors("attestations of real enclaves", () => {
  test("go back to the root that dcap-qvl has, and that Intel publishes", () => {
    expect(Buffer.compare(INTEL_ROOT, read("intel-root/TrustedRootCA.der"))).toBe(0);
    const { TRUSTED_ROOT_CA_DER } = createRequire(import.meta.url)("@phala/dcap-qvl/src/constants.js") as {
      readonly TRUSTED_ROOT_CA_DER: Buffer;
    };
    expect(Buffer.compare(INTEL_ROOT, TRUSTED_ROOT_CA_DER)).toBe(0);
  });

  describe.each(Object.entries(SAMPLES))("%s", (_, sample) => {
    let bytes: Uint8Array;
    let evidence: DcapEvidence;
    let quote: DcapQuote;
    const [from, until] = [Date.parse(sample.from), Date.parse(sample.until)];
    const middle = (from + until) / 2;
    beforeAll(() => {
      ({ bytes, evidence, quote } = loaded(sample));
    });
    const altered = (changes: Partial<DcapEvidence>): Uint8Array =>
      encodeAttestation({ tag: "dcap", value: { ...evidence, ...changes } });
    const flipped = (part: Uint8Array, at: number, bits = 1): Uint8Array => {
      const copy = Uint8Array.from(part);
      copy[at]! ^= bits;
      return copy;
    };

    test("is verified while all of its collateral holds", () => {
      for (const time of [from, middle, until]) expect(verified(bytes, quote, time)).toBe(quote.measurement);
      for (const time of [from - 1, until + 1, 0, 2 ** 52]) {
        expect(verified(bytes, quote, time)).toBe("CollateralExpired");
      }
    });

    test("is of a platform in the state that Intel says", () => {
      expect(verified(bytes, quote, middle, [sample.status])).toBe(quote.measurement);
      const others = TCB_STATUSES.filter((status) => status !== sample.status);
      expect(verified(bytes, quote, middle, others)).toBe("TcbNotAccepted");
    });

    test("altered in a field of its quote is refused for that", () => {
      const tdx = quote.module !== null;
      const fields = [...HEADER, ...(tdx ? TDX_REPORT : SGX_REPORT), ...SIGNATURES, ...(tdx ? WRAPPED : []), ...QE];
      let at = 0;
      for (const [name, size, reason] of fields) {
        for (const place of new Set([at, at + (size >> 1), at + size - 1])) {
          expect(verified(altered({ quote: flipped(evidence.quote, place) }), quote, middle), name).toBe(reason);
        }
        at += size;
      }
      expect(Buffer.from(evidence.quote.subarray(at)).toString("latin1")).toMatch(/^-----BEGIN CERTIFICATE-----\n/);
      // The chain, with every bit of some of its bytes.
      for (let place = at; place < evidence.quote.length; place += 41) {
        for (const bits of [1, 2, 4, 8, 16, 32, 64, 128]) {
          const found = verified(altered({ quote: flipped(evidence.quote, place, bits) }), quote, middle);
          expect(found, `${place}`).toMatch(/^(AttestationMalformed|QuoteInvalid)$/);
        }
      }
      if (!tdx)
        expect(verified(altered({ quote: flipped(evidence.quote, 96, 2) }), quote, middle)).toBe("DebugEnclave");
    });

    test("altered in any field of its collateral is refused", () => {
      for (const [name, part] of Object.entries(evidence.collateral) as [string, Uint8Array][]) {
        const step = part.length > 64 ? 13 : 1;
        for (let place = 0; place < part.length; place += step) {
          const collateral = { ...evidence.collateral, [name]: flipped(part, place, 1 << (place % 8)) };
          expect(verified(altered({ collateral }), quote, middle), `${name} ${place}`).toBe("QuoteInvalid");
        }
      }
    });

    test("cut short or followed by something is refused", () => {
      const lengths = [0, 47, 48, 431, 432, 435, 436, 631, 632, 636, 1_000, 2_000, evidence.quote.length - 1];
      for (const length of lengths) {
        expect(verified(altered({ quote: evidence.quote.subarray(0, length) }), quote, middle)).toBe(
          "AttestationMalformed",
        );
      }
      for (const tail of [Buffer.alloc(1), Buffer.alloc(70), Buffer.from("x")]) {
        const followed = Buffer.concat([evidence.quote, tail]);
        expect(verified(altered({ quote: followed }), quote, middle)).toBe("AttestationMalformed");
      }
    });

    test("registers nobody on a chain that it does not name", () => {
      const network = new Network(
        genesisOf({
          timestamp: middle,
          attestation: { software: false, tcbStatuses: TCB_STATUSES },
          measurements: [quote.measurement],
        }),
      );
      const call = register(network, "rich", "enclave", { attestation: bytes });
      expect(network.send("rich", call)).toBe("WrongReportData");
    });
  });

  test("don't go with another platform's collateral, nor with one that says nothing of theirs", () => {
    const { collateral, from, until } = SAMPLES["TDX, dcap-qvl"]!;
    const middle = (Date.parse(from) + Date.parse(until)) / 2;
    const found = (quote: () => Buffer): string => {
      const sample = loaded({ quote, collateral });
      return verified(sample.bytes, sample.quote, middle);
    };
    // Of the same kind of platform, with firmware that is older than any that Intel speaks of.
    expect(found(() => readHex("dcap-qvl/quote-from-tappd.hex"))).toBe("TcbNotAccepted");
    expect(found(() => readHex("dcap-qvl/tdx-quote.hex"))).toBe("TcbNotAccepted");
    expect(found(() => read("oasis-core/quote_v4_tdx_ecdsa_p256.bin"))).toBe("QuoteInvalid");
    expect(found(() => read("oasis-core/quote_v4_tdx_ecdsa_p256_trailing.bin"))).toBe("QuoteInvalid");
    expect(found(() => read("oasis-core/quote_v3_ecdsa_p256_pck_chain.bin"))).toBe("QuoteInvalid");
  });
});
