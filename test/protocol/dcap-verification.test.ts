import { describe, expect, test, vi } from "vitest";
import type { Expectation } from "../../src/protocol/attestation.ts";
import { TCB_STATUSES } from "../../src/protocol/attestation-policy.ts";
import { KINDS, MEASUREMENTS, REPORT_DATA, forged } from "./expected-attestation.ts";
import {
  EXPIRES,
  type Forgery,
  ISSUED,
  MIDDLE,
  SERIALS,
  forgedEvidence,
  qeIdentityOf,
  reportAt,
  reportDataAt,
  tcbInfoOf,
} from "./forged-platform.ts";

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
    for (let index = to - 1; index >= from; index -= 7) {
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
      { authority: { signer: "stranger" } },
      { pck: { signer: "stranger" } },
      { signer: { signer: "stranger" } },
    ];
    expect(forged(kind, { sameRoot: false })).toBe("QuoteInvalid");
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
