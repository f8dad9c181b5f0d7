import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { decodeAttestation, encodeAttestation, reportData, verifyAttestation } from "../../src/protocol/attestation.ts";
import { ATTESTATION_BYTES_MAX } from "../../src/protocol/call.ts";
import { TCB_STATUSES } from "../../src/protocol/attestation-policy.ts";
import { QUOTES_MAX } from "../../src/protocol/registry.ts";
import { EXPECTED, KINDS, MEASUREMENTS, REPORT_DATA, verified } from "./expected-attestation.ts";
import { EXPIRES, type Forgery, type Kind, MIDDLE, forgedAttestation, tcbInfoOf } from "./forged-platform.ts";
import { Network, genesisOf, idOf, measurementOf, outcomes, publicOf, register, runs, softwareOf } from "./network.ts";

vi.mock("../../src/protocol/intel-root.ts", async () => {
  const { FORGED_ROOT } = await import("./forged-platform.ts");
  return { INTEL_ROOT: FORGED_ROOT };
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
