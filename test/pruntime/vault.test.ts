import { readdirSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { decodeAttestation, reportData } from "../../src/protocol/attestation.ts";
import { pem, readQuote } from "../../src/protocol/dcap-quote.ts";
import type { Sealer } from "../../src/pruntime/sealer.ts";
import { dstackVault, softwareVault } from "../../src/pruntime/vault.ts";
import { Secret } from "../../src/secret.ts";
import { publicOf } from "../protocol/network.ts";
import { FORGED_ROOT, forgedEvidence } from "../protocol/forged-platform.ts";
import { documentedAnswer, startAgent } from "./dstack-agent.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
const MEASUREMENT = `0x${"6d".repeat(32)}` as const;
const ATTESTED = {
  genesisHash: Buffer.alloc(32, 4),
  identityKey: publicOf("enclave"),
  ecdhKey: publicOf("enclave/ecdh"),
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sealedBy = (sealer: Sealer): Uint8Array => sealer.seal(CONTEXT.sealProgress, Buffer.of(1), Buffer.from("secret"));
const openedBy = (sealer: Sealer, sealed: Uint8Array): string => {
  using secret = sealer.unseal(CONTEXT.sealProgress, Buffer.of(1), sealed, "FILE");
  return secret.use((bytes) => Buffer.from(bytes).toString());
};
const given = (text: string) => (): Promise<Secret> => Promise.resolve(new Secret(Buffer.from(text)));

describe("a vault of software", () => {
  test("has a key file in the folder, for its owner alone, and opens what it sealed", async () => {
    const vault = softwareVault(MEASUREMENT, null);
    using created = await vault.create(at());
    expect(readdirSync(at())).toEqual(["key"]);
    expect(statSync(at("key")).mode & 0o777).toBe(0o600);
    using opened = await vault.open(at());
    expect([created.software, openedBy(opened, sealedBy(created))]).toEqual([true, "secret"]);
    await expect(vault.create(at())).rejects.toEqual(refusedWith("ALREADY_EXISTS"));
  });

  test("under a passphrase asks for a chosen one first, and for that one then", async () => {
    const vault = softwareVault(MEASUREMENT, { chosen: given("correct horse"), given: given("correct horse") });
    using created = await vault.create(at());
    using opened = await vault.open(at());
    expect(openedBy(opened, sealedBy(created))).toBe("secret");
    await expect(softwareVault(MEASUREMENT, null).open(at())).rejects.toEqual(refusedWith("KEY_UNAVAILABLE"));
  });

  test("gives its own word, whatever it is bound to", async () => {
    const evidence = await softwareVault(MEASUREMENT, null).attest(ATTESTED, Buffer.from("ignored"));
    expect(decodeAttestation(evidence)).toEqual({ tag: "software", value: { measurement: MEASUREMENT } });
  });
});

describe("a vault of a dstack machine", () => {
  test("keeps no file, and opens with the app's key what it sealed", async () => {
    await using _ = await startAgent(at("dstack.sock"));
    const vault = dstackVault(at("dstack.sock"));
    using created = await vault.create(at());
    using opened = await vault.open(at());
    expect([created.software, openedBy(opened, sealedBy(created))]).toEqual([false, "secret"]);
    expect(readdirSync(at())).toEqual(["dstack.sock"]);
  });

  test("gives a quote over chain and keys, with the collateral that it is given, and none without", async () => {
    const bound = reportData(ATTESTED.genesisHash, ATTESTED.identityKey, ATTESTED.ecdhKey);
    const { quote, collateral } = forgedEvidence("tdx", bound);
    await using agent = await startAgent(at("dstack.sock"), (request, response) => {
      const { json } = documentedAnswer(request);
      // As long as the platform's quote is, with what a driver leaves behind it.
      response.end(JSON.stringify({ ...json, quote: `${hex(quote)}0000` }));
    });
    const json = {
      root_ca_crl: hex(collateral.rootCaCrl),
      pck_crl: hex(collateral.pckCrl),
      tcb_info: Buffer.from(collateral.tcbInfo).toString(),
      tcb_info_signature: hex(collateral.tcbInfoSignature),
      tcb_info_issuer_chain: pem(collateral.tcbInfoSigner) + pem(FORGED_ROOT),
      qe_identity: Buffer.from(collateral.qeIdentity).toString(),
      qe_identity_signature: hex(collateral.qeIdentitySignature),
      qe_identity_issuer_chain: pem(collateral.qeIdentitySigner) + pem(FORGED_ROOT),
    };
    const vault = dstackVault(at("dstack.sock"));
    const evidence = decodeAttestation(await vault.attest(ATTESTED, Buffer.from(JSON.stringify(json))));
    if (evidence?.tag !== "dcap") throw new Error("it is no quote");
    expect(hex(evidence.value.quote)).toBe(hex(quote));
    expect(hex(evidence.value.collateral.pckCrl)).toBe(hex(collateral.pckCrl));
    expect(hex(readQuote(evidence.value.quote)!.reportData)).toBe(hex(bound));
    expect(agent.requests.map(({ body }) => body)).toEqual([JSON.stringify({ report_data: hex(bound) })]);
    await expect(vault.attest(ATTESTED, null)).rejects.toEqual(refusedWith("INVALID_ARGUMENT"));
    await expect(vault.attest(ATTESTED, Buffer.from("{"))).rejects.toEqual(refusedWith("ATTESTATION_INVALID"));
  });

  test("says that it is not there where it is not", async () => {
    const vault = dstackVault(at("none.sock"));
    const failed = refusedWith("DSTACK_FAILED");
    await expect(vault.open(at())).rejects.toEqual(failed);
    await expect(vault.create(at())).rejects.toEqual(failed);
    await expect(vault.attest(ATTESTED, Buffer.from("{}"))).rejects.toEqual(failed);
  });
});
