import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { issuedCertificate, issuedRevocations, serialOf, validityOf } from "../../src/protocol/intel-certificates.ts";
import { EXPIRES, FORGED_ROOT, ISSUED, SERIALS, certificate, revocations } from "./forged-platform.ts";

const ROOT = new X509Certificate(FORGED_ROOT);
const invalid = expect.objectContaining({ reason: "QuoteInvalid" });

describe("a certificate", () => {
  test("is the issuer's, with a serial number and a time", () => {
    for (const authority of [false, true]) {
      const der = certificate("pck", { authority });
      const found = issuedCertificate(der, ROOT, authority);
      expect([serialOf(found), validityOf(found)]).toEqual([BigInt(SERIALS.pck), { from: ISSUED, until: EXPIRES }]);
      expect(() => issuedCertificate(der, ROOT, !authority)).toThrow(invalid);
    }
  });

  test("is none of the issuer's if another has signed it, or another's name is in it", () => {
    expect(() => issuedCertificate(certificate("pck", { signer: "stranger" }), ROOT, false)).toThrow(invalid);
    const named = certificate("pck", { issuer: "stranger", signer: "root" });
    expect(() => issuedCertificate(named, ROOT, false)).toThrow(invalid);
  });

  test("is all that there is in its bytes", () => {
    const der = certificate("pck");
    const wrong = [Buffer.alloc(0), der.subarray(0, -1), Buffer.concat([der, Buffer.alloc(1)])];
    wrong.push(Buffer.from(new X509Certificate(der).toString()));
    for (const bytes of wrong) expect(() => issuedCertificate(bytes, ROOT, false)).toThrow(invalid);
  });
});

describe("a list of revoked certificates", () => {
  test("has their serial numbers, and a time", () => {
    for (const serials of [[], [SERIALS.pck], [1, 128, 256, 65_535]]) {
      const list = issuedRevocations(revocations("root", serials, [ISSUED, EXPIRES], "root"), ROOT);
      expect(list).toEqual({ from: ISSUED, until: EXPIRES, serials: new Set(serials.map(BigInt)) });
    }
  });

  test("is its issuer's", () => {
    expect(() => issuedRevocations(revocations("root", [], [ISSUED, EXPIRES], "stranger"), ROOT)).toThrow(invalid);
    expect(() => issuedRevocations(certificate("pck"), ROOT)).toThrow(invalid);
  });
});
