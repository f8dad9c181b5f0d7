import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import {
  ATTESTATION_BYTES_MAX,
  type Expectation,
  decodeAttestation,
  encodeAttestation,
  reportData,
  verifyAttestation,
} from "../../src/protocol/attestation.ts";
import { TCB_STATUSES } from "../../src/protocol/attestation-policy.ts";
import { readQuote } from "../../src/protocol/dcap-quote.ts";
import { QUOTES_MAX } from "../../src/protocol/registry.ts";
import {
  EXPIRES,
  type Forgery,
  ISSUED,
  type Kind,
  MIDDLE,
  SERIALS,
  forgedAttestation,
  forgedEvidence,
  qeIdentityOf,
  reportAt,
  reportDataAt,
  tcbInfoOf,
} from "./forged-platform.ts";
import { Network, genesisOf, idOf, measurementOf, outcomes, publicOf, register, runs, softwareOf } from "./network.ts";

vi.mock("../../src/protocol/intel-root.ts", async () => {
  const { FORGED_ROOT } = await import("./forged-platform.ts");
  return { INTEL_ROOT: FORGED_ROOT };
});

/** Changes of a report. */
const flip =
  (at: number, bits = 1) =>
  (body: Buffer): void => {
    body[at]! ^= bits;
  };
const put =
  (at: number, value: number) =>
  (body: Buffer): void => {
    body[at] = value;
  };

const KINDS: readonly Kind[] = ["sgx", "tdx", "tdx5", "tdx15"];
const REPORT_DATA = reportData(Buffer.alloc(32, 1), publicOf("enclave"), publicOf("enclave/ecdh"));
const measured = (kind: Kind, forgery: Forgery = {}): string =>
  readQuote(forgedEvidence(kind, REPORT_DATA, forgery).quote)!.measurement;
const MEASUREMENTS = KINDS.map((kind) => measured(kind));
const EXPECTED: Expectation = {
  reportData: REPORT_DATA,
  measurements: MEASUREMENTS,
  timestamp: MIDDLE,
  policy: { software: false, tcbStatuses: ["UpToDate"] },
};
/** The measurement that was proved, or why none was. */
const verified = (bytes: Uint8Array, changes: Partial<Expectation> = {}): string => {
  const found = verifyAttestation(bytes, { ...EXPECTED, ...changes });
  return typeof found === "string" ? found : found.measurement;
};
const forged = (kind: Kind, forgery: Forgery, changes: Partial<Expectation> = {}): string =>
  verified(forgedAttestation(kind, REPORT_DATA, forgery), changes);

describe.each(KINDS)("a quote of %s", (kind) => {
  const at = KINDS.indexOf(kind);

  test("is believed, and says what runs", () => {
    expect(forged(kind, {})).toBe(MEASUREMENTS[at]);
  });

  test.each(TCB_STATUSES)("of a platform that is %s is believed where the genesis says so", (status) => {
    const accepts = (forgery: Forgery): void => {
      const others = TCB_STATUSES.filter((each) => each !== status);
      const policy = (tcbStatuses: Expectation["policy"]["tcbStatuses"]) => ({ software: false, tcbStatuses });
      expect(forged(kind, forgery, { policy: policy(others) })).toBe("TcbNotAccepted");
      expect(forged(kind, forgery, { policy: policy([status, "UpToDate"]) })).toBe(MEASUREMENTS[at]);
    };
    accepts({ tcbInfo: tcbInfoOf(status) });
    if (status !== "UpToDate") accepts({ qeIdentity: qeIdentityOf(status) });
    if (status !== "UpToDate" && kind !== "sgx") accepts({ tcbInfo: tcbInfoOf("UpToDate", status) });
  });

  test("of a platform, quoting enclave or module that was revoked, or is below all that is known, is not", () => {
    const policy = { software: false, tcbStatuses: TCB_STATUSES };
    const none = { tcbLevels: (tcbInfoOf()["tcbLevels"] as object[]).slice(0, 1) };
    const old: Forgery[] = [
      { tcbInfo: tcbInfoOf("Revoked") },
      { tcbInfo: tcbInfoOf("Unheard") },
      { qeIdentity: qeIdentityOf("Revoked") },
      {
        tcbInfo: JSON.parse(JSON.stringify(none).replaceAll('"svn":5', '"svn":6')) as object as Record<string, unknown>,
      },
    ];
    if (kind !== "sgx") {
      old.push({ tcbInfo: tcbInfoOf("UpToDate", "Revoked") });
      old.push({ tcbInfo: { tdxModuleIdentities: [] } });
      old.push({ report: put(0, 4), tcbInfo: lowerModule() });
    }
    for (const forgery of old) expect(forged(kind, forgery, { policy })).toBe("TcbNotAccepted");
    const weak: Forgery = { qeReport: put(258, 2) };
    expect(forged(kind, weak, { policy })).toBe("QuoteInvalid");
  });

  test("holds while all that it comes with does", () => {
    for (const timestamp of [ISSUED, MIDDLE, EXPIRES]) expect(forged(kind, {}, { timestamp })).toBe(MEASUREMENTS[at]);
    for (const timestamp of [ISSUED - 1, EXPIRES + 1, 0, 2 ** 52]) {
      expect(forged(kind, {}, { timestamp })).toBe("CollateralExpired");
    }
    const [before, after] = [MIDDLE - 1_000, MIDDLE + 1_000];
    const moments = [before, after].map((each) => new Date(each).toISOString().replace(".000", ""));
    const parts: Forgery[] = (["authority", "pck", "signer"] as const).flatMap((name) => [
      { certificates: { [name]: { until: before } } },
      { certificates: { [name]: { from: after } } },
    ]);
    parts.push({ rootList: [ISSUED, before] }, { rootList: [after, EXPIRES] });
    parts.push({ authorityList: [ISSUED, before] }, { authorityList: [after, EXPIRES] });
    parts.push({ tcbInfo: { nextUpdate: moments[0]! } }, { tcbInfo: { issueDate: moments[1]! } });
    parts.push({ qeIdentity: { nextUpdate: moments[0]! } }, { qeIdentity: { issueDate: moments[1]! } });
    for (const forgery of parts) expect(forged(kind, forgery)).toBe("CollateralExpired");
  });

  test("is none if it can be looked into, for whatever else is right", () => {
    const debug = kind === "sgx" ? [put(48, 7)] : [put(120, 1), put(120, 2), put(120, 0x80)];
    for (const report of debug) expect(forged(kind, { report })).toBe("DebugEnclave");
    expect(forged(kind, { qeReport: flip(48, 2) })).toBe("QuoteInvalid");
  });

  test("vouches for its keys and program", () => {
    for (const index of [0, 31, 32, 63]) {
      expect(forged(kind, { report: flip(reportDataAt(kind) + index) })).toBe("WrongReportData");
    }
    const [from, to] = kind === "sgx" ? [64, 320] : [136, 520];
    for (let index = from; index < to; index += 7) {
      expect(forged(kind, { report: flip(index) })).toBe("MeasurementNotAllowed");
    }
  });

  test("is refused where another has signed, or a certificate is of another kind", () => {
    for (const what of ["rootList", "authorityList", "tcbInfo", "qeIdentity", "qeReport"] as const) {
      expect(forged(kind, { signs: { [what]: "stranger" } }), what).toBe("QuoteInvalid");
    }
    const issues: NonNullable<Forgery["certificates"]>[] = [
      { authority: { authority: false } },
      { authority: { issuer: "stranger" } },
      { pck: { authority: true } },
      { pck: { issuer: "stranger" } },
      { pck: { issuer: "root" } },
      { signer: { authority: true } },
      { signer: { issuer: "stranger" } },
      // A platform's certificate does not speak for Intel.
      { signer: { issuer: "authority" } },
    ];
    for (const certificates of issues) expect(forged(kind, { certificates })).toBe("QuoteInvalid");
  });

  test("is refused where a certificate was revoked", () => {
    for (const name of ["root", "authority", "signer"] as const) {
      expect(forged(kind, { revokedByRoot: [9, SERIALS[name]] })).toBe("CertificateRevoked");
    }
    expect(forged(kind, { revokedByAuthority: [SERIALS.pck, 9] })).toBe("CertificateRevoked");
    // Serial numbers are an issuer's own.
    expect(forged(kind, { revokedByRoot: [SERIALS.pck], revokedByAuthority: [2, 4] })).toBe(MEASUREMENTS[at]);
  });

  test("is refused without a list of revoked certificates that its issuer has signed", () => {
    const { collateral } = forgedEvidence(kind, REPORT_DATA);
    for (const name of ["rootCaCrl", "pckCrl"] as const) {
      const list = collateral[name];
      const lists = [Buffer.alloc(0), list.subarray(0, -1), Buffer.concat([list, Buffer.alloc(1)])];
      lists.push(collateral[name === "pckCrl" ? "rootCaCrl" : "pckCrl"]);
      for (const each of lists) expect(forged(kind, { collateral: { [name]: each } })).toBe("QuoteInvalid");
    }
  });

  test("is refused where what Intel signed is about something else", () => {
    const others: Forgery[] = [
      { tcbInfo: { fmspc: "00906ED50001" } },
      { tcbInfo: { id: kind === "sgx" ? "TDX" : "SGX" } },
      { qeIdentity: { id: kind === "sgx" ? "TD_QE" : "QE" } },
      { qeIdentity: { mrsigner: "D2".repeat(32) } },
      { qeIdentity: { isvprodid: 7 } },
      { qeIdentity: { attributes: "11000000000000010000000000000000" } },
      { qeReport: flip(320) },
    ];
    for (const forgery of others) expect(forged(kind, forgery)).toBe("QuoteInvalid");
  });

  test("is refused where what Intel signed makes no sense", () => {
    for (const text of ["", "{", "null", "[]", "5", '{"issueDate":1}', '{"__proto__":{"issueDate":"x"}}']) {
      for (const forgery of [{ tcbInfo: text }, { qeIdentity: text }]) {
        expect(forged(kind, forgery)).toBe("QuoteInvalid");
      }
    }
    const nonsense: Record<string, unknown>[] = [
      { tcbLevels: [] },
      { tcbLevels: null },
      { tcbLevels: [{}] },
      { issueDate: "2026-01-01" },
      { issueDate: "2026-01-01T00:00:00" },
      { nextUpdate: "2026-13-01T00:00:00Z" },
      { nextUpdate: 5 },
    ];
    for (const changes of nonsense) {
      for (const forgery of [{ tcbInfo: changes }, { qeIdentity: changes }]) {
        expect(forged(kind, forgery)).toMatch(/^(QuoteInvalid|TcbNotAccepted|CollateralExpired)$/);
      }
    }
  });

  test("is read byte for byte", () => {
    const wrong: ((quote: Buffer) => Uint8Array)[] = [
      (quote) => Buffer.concat([quote, Buffer.alloc(1)]),
      (quote) => quote.subarray(0, -1),
      (quote) => Buffer.from(quote.toString("latin1").replace("\n-----END", " \n-----END"), "latin1"),
      (quote) => Buffer.from(quote.toString("latin1").replace("BEGIN CERTIFICATE", "BEGIN X509 CRL"), "latin1"),
    ];
    for (const quote of wrong) expect(forged(kind, { quote })).toBe("AttestationMalformed");
    const fields: [offset: number, value: number][] = [
      [0, 9],
      [2, 3],
      [4, 1],
      [12, 0],
    ];
    if (reportAt(kind) === 54) fields.push([48, 1], [50, 1]);
    for (const [offset, value] of fields) {
      const altered = (quote: Buffer): Buffer => quote.fill(value, offset, offset + 1);
      expect(forged(kind, { quote: altered })).toBe("AttestationMalformed");
    }
  });
});

/** TCB info for which a platform of SVN 4 is up to date, whose module is not. */
function lowerModule(): Record<string, unknown> {
  const { tdxModuleIdentities } = tcbInfoOf();
  const tcbLevels = JSON.parse(JSON.stringify(tcbInfoOf()["tcbLevels"]).replaceAll('"svn":5', '"svn":4')) as unknown;
  return { tcbLevels, tdxModuleIdentities };
}

describe("a TDX domain", () => {
  const policy = { software: false, tcbStatuses: TCB_STATUSES };

  test("has to run under a module of Intel's", () => {
    for (const index of [64, 111, 112, 119]) {
      expect(forged("tdx", { report: flip(index) }, { policy })).toBe("QuoteInvalid");
    }
  });

  test("under a module before versions is judged by what there is of it", () => {
    const report = put(1, 0);
    expect(forged("tdx", { report })).toBe(MEASUREMENTS[1]);
    expect(forged("tdx", { report, tcbInfo: { tdxModule: undefined } })).toBe("TcbNotAccepted");
    const foreign = (body: Buffer): void => {
      report(body);
      put(64, 1)(body);
    };
    expect(forged("tdx", { report: foreign })).toBe("QuoteInvalid");
  });

  test("has to be told when its memory is taken away, and has no attributes that nobody knows", () => {
    for (const [index, value] of [
      [123, 0],
      [121, 1],
      [123, 0x30],
      [127, 1],
    ] as const) {
      expect(forged("tdx", { report: put(index, value) })).toBe("QuoteInvalid");
    }
    expect(forged("tdx15", { report: put(647, 1) })).toBe("QuoteInvalid");
  });

  test("measures the same on every processor and module", () => {
    for (const index of [16, 128, 135]) {
      expect(forged("tdx", { report: flip(index) })).toBe(MEASUREMENTS[1]);
    }
    expect(new Set(MEASUREMENTS).size).toBe(2);
  });
});

test("an SGX enclave measures the same on every processor, but not with another product's configuration", () => {
  for (const index of [0, 16, 56]) {
    expect(forged("sgx", { report: flip(index) })).toBe(MEASUREMENTS[0]);
  }
  expect(forged("sgx", { report: flip(32) })).toBe("MeasurementNotAllowed");
});

describe("an attestation", () => {
  const anything = fc.oneof(
    fc.constant(softwareOf("x")),
    fc.constantFrom(...KINDS).map((kind) => forgedAttestation(kind, REPORT_DATA)),
  );

  test("of software counts where it is believed, and allowed", () => {
    const policy = { software: true, tcbStatuses: [] };
    expect(verified(softwareOf("x"), { policy, measurements: [measurementOf("x")] })).toBe(measurementOf("x"));
    expect(verified(softwareOf("x"), { policy })).toBe("MeasurementNotAllowed");
    expect(verified(softwareOf("x"), { measurements: [measurementOf("x")] })).toBe("SoftwareNotAllowed");
  });

  test("has one encoding, and ends where it ends", () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        expect(encodeAttestation(decodeAttestation(bytes)!)).toEqual(bytes);
        expect(decodeAttestation(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeNull();
      }),
      runs(10),
    );
    for (const bytes of [softwareOf("x"), forgedAttestation("tdx", REPORT_DATA)]) {
      const step = bytes.length > 100 ? 37 : 1;
      for (let length = 0; length < bytes.length; length += step) {
        expect(verified(bytes.subarray(0, length))).toBe("AttestationMalformed");
      }
    }
    expect(verified(Buffer.alloc(ATTESTATION_BYTES_MAX + 1))).toBe("AttestationMalformed");
  });

  test("that was altered anywhere is refused, and nothing is thrown", () => {
    const mutation = fc.record({
      at: fc.nat(),
      value: fc.integer({ min: 1, max: 255 }),
      kind: fc.constantFrom("flip", "cut", "insert", "fill"),
      size: fc.nat(300),
    });
    const policy = { software: true, tcbStatuses: TCB_STATUSES };
    fc.assert(
      fc.property(anything, fc.array(mutation, { minLength: 1, maxLength: 4 }), (bytes, mutations) => {
        let mutated = Buffer.from(bytes);
        for (const { at, value, kind, size } of mutations) {
          const place = at % (mutated.length + 1);
          if (kind === "flip" && place < mutated.length) mutated[place]! ^= value;
          if (kind === "fill") mutated.subarray(place, place + size).fill(value);
          if (kind === "cut") mutated = Buffer.concat([mutated.subarray(0, place), mutated.subarray(place + size)]);
          if (kind === "insert")
            mutated = Buffer.concat([mutated.subarray(0, place), Buffer.alloc(size, value), mutated.subarray(place)]);
        }
        const found = verified(mutated, { policy });
        if (!mutated.equals(bytes)) expect(found).toMatch(/^[A-Z][A-Za-z]+$/);
      }),
      runs(150),
    );
  });

  test("of bytes that were never one is refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        expect(verified(bytes)).toMatch(/^[A-Z][A-Za-z]+$/);
      }),
    );
  });

  test("costs little where it is cheap to see that it is wrong", () => {
    const mayVerify = vi.fn(() => false);
    const good = forgedAttestation("tdx", REPORT_DATA);
    for (const changes of [{ measurements: [] }, { reportData: Buffer.alloc(64) }]) {
      verifyAttestation(good, { ...EXPECTED, ...changes }, mayVerify);
    }
    expect(mayVerify).not.toHaveBeenCalled();
    expect(verifyAttestation(good, EXPECTED, mayVerify)).toBe("TooManyAttestations");
  });
});

describe("a ledger", () => {
  const START = MIDDLE;
  const genesis = genesisOf({
    timestamp: START,
    measurements: MEASUREMENTS.filter((each, at) => MEASUREMENTS.indexOf(each) === at),
    attestation: { software: false, tcbStatuses: ["UpToDate"] },
  });
  const attested = (network: Network, enclave: string, kind: Kind = "tdx", forgery: Forgery = {}) => {
    const data = reportData(network.ledger.genesisHash, publicOf(enclave), publicOf(`${enclave}/ecdh`));
    return register(network, "rich", enclave, { attestation: forgedAttestation(kind, data, forgery) });
  };

  test("registers a pRuntime by its quote, at the time of the block", () => {
    const network = new Network(genesis);
    for (const [at, kind] of KINDS.entries()) {
      expect(network.send("rich", attested(network, kind, kind))).toBe("done");
      expect(network.state.workers.get(idOf(kind))!.measurement).toBe(MEASUREMENTS[at]);
    }
    const late = new Network({ ...genesis, timestamp: EXPIRES - 9_000 });
    expect(late.send("rich", attested(late, "first"))).toBe("done");
    expect(late.send("rich", attested(late, "second"))).toBe("CollateralExpired");
  });

  test("does not take a quote for other keys, nor of another chain, and says why it takes none", () => {
    const network = new Network(genesis);
    const other = new Network({ ...genesis, name: Buffer.from("other") });
    const call = attested(network, "enclave");
    if (call.tag !== "registerWorker") throw new Error();
    const { attestation } = call.value;
    expect(network.send("rich", register(network, "rich", "another", { attestation }))).toBe("WrongReportData");
    const ecdhKey = publicOf("another");
    expect(network.send("rich", register(network, "rich", "enclave", { attestation, ecdhKey }))).toBe(
      "WrongReportData",
    );
    expect(other.send("rich", register(other, "rich", "enclave", { attestation }))).toBe("WrongReportData");
    expect(network.send("rich", attested(network, "enclave", "sgx", { signs: { qeReport: "stranger" } }))).toBe(
      "QuoteInvalid",
    );
    expect(network.send("rich", attested(network, "enclave", "sgx", { tcbInfo: tcbInfoOf("OutOfDate") }))).toBe(
      "TcbNotAccepted",
    );
    expect(network.state.workers.has(idOf("enclave"))).toBe(false);
  });

  test("verifies so many quotes a block, right or wrong, and no more", () => {
    const network = new Network(genesis);
    const enclaves = Array.from({ length: QUOTES_MAX + 2 }, (_, at) => `enclave ${at}`);
    const calls = enclaves.map((enclave, at) =>
      attested(network, enclave, "sgx", at % 2 === 0 ? {} : { signs: { qeReport: "stranger" } }),
    );
    // Some that cost nothing, for nobody believes that they are what they say.
    calls.unshift(register(network, "rich", "software"));
    const found = outcomes(network.block(calls.map((call, ahead) => network.message("rich", call, ahead))));
    expect(found).toEqual([
      "SoftwareNotAllowed",
      ...Array.from({ length: QUOTES_MAX }, (_, at) => (at % 2 === 0 ? "done" : "QuoteInvalid")),
      "TooManyAttestations",
      "TooManyAttestations",
    ]);
    expect(network.send("rich", attested(network, enclaves[QUOTES_MAX]!))).toBe("done");
  });
});

test("report data is of one chain and two keys", () => {
  const other = Buffer.alloc(32, 2);
  const [one, two] = [publicOf("enclave"), publicOf("enclave/ecdh")];
  const all = [REPORT_DATA, reportData(other, one, two), reportData(Buffer.alloc(32, 1), two, one)];
  expect(new Set(all.map((data) => Buffer.from(data).toString("hex"))).size).toBe(3);
  expect(all.every(({ length }) => length === 64)).toBe(true);
});
