import { hkdfSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { inspect } from "node:util";
import { describe, expect, type TestContext, test } from "vitest";
import { HmacSha256 } from "../src/engine/hmac-sha256.ts";
import { DeterministicNonces } from "../src/keys/deterministic-nonces.ts";
import { MasterKey } from "../src/keys/master-key.ts";
import { Secret } from "../src/secret.ts";
import { referencePrf } from "./keys/reference-key.ts";
import { countInMemory } from "./process-memory.ts";
import { useFolder } from "./pruntime/folder.ts";

describe("a secret", () => {
  test("takes its source over and is a copy of it", () => {
    const source = Uint8Array.of(1, 2, 3);
    const secret = new Secret(source);
    expect(source).toEqual(new Uint8Array(3));
    expect(secret.length).toBe(3);
    expect(secret.use((bytes) => [...bytes])).toEqual([1, 2, 3]);
  });

  test("is wiped on dispose and not lent again", () => {
    const secret = new Secret(Uint8Array.of(7, 8));
    const lent = secret.use((bytes) => bytes);
    secret[Symbol.dispose]();
    expect([...lent]).toEqual([0, 0]);
    expect(() => secret.use(() => 0)).toThrow(expect.objectContaining({ code: "KEY_UNAVAILABLE" }));
    expect(() => secret.clone()).toThrow("wiped");
  });

  test("has clones that live on their own", () => {
    const secret = new Secret(Uint8Array.of(9));
    const clone = secret.clone();
    secret[Symbol.dispose]();
    expect(clone.use((bytes) => [...bytes])).toEqual([9]);
  });

  test("shows nothing when it is printed", () => {
    const secret = new Secret(Uint8Array.of(201, 202));
    expect(`${inspect({ secret }, { depth: 9 })} ${JSON.stringify({ secret })} ${String(secret)}`).not.toMatch(
      /20[12]/,
    );
  });
});

/** The scalar of these tests, made byte by byte in the other process, so that nothing there holds it but secrets. */
const SCALAR = Uint8Array.from({ length: 32 }, (_, i) => (i * i * 31 + i * 7 + 77) & 0x7f);
const MAKE_SCALAR = `
  const scalar = new Uint8Array(new ArrayBuffer(32));
  for (let i = 0; i < 32; i++) scalar[i] = (i * i * 31 + i * 7 + 77) & 0x7f;
`;
/** As it lies in byte arrays, and one limb of it as it lies in numbers of OpenSSL's or JavaScript's. */
const TRACES = [SCALAR.slice(8, 24), SCALAR.slice(8, 16).reverse()];

async function counted(context: TestContext, script: string, patterns: readonly Uint8Array[]): Promise<number[]> {
  const counts = await countInMemory(script, patterns);
  if (counts === null) return context.skip("the memory of another process can't be read here");
  return counts;
}

// Node runs on Linux wherever secrets of value are; other systems have other ways to the memory of a process.
describe.skipIf(process.platform !== "linux")("of a secret that was disposed, the memory of the process", () => {
  const inFolder = useFolder();

  test("is searched rightly: it holds one that was not disposed", async (context) => {
    const script = `
      import { Secret } from "SRC/secret.ts";
      ${MAKE_SCALAR}
      globalThis.kept = new Secret(scalar);
      pause();
    `;
    expect(await counted(context, script, TRACES)).toEqual([1, 0]);
  });

  test("holds no copy that was made when contracts' keys were derived from it", async (context) => {
    const script = `
      import { MasterKey } from "SRC/keys/master-key.ts";
      import { Secp256k1 } from "SRC/engine/secp256k1.ts";
      import { contractPrfs } from "SRC/keys/contract-key.ts";
      import { Secret } from "SRC/secret.ts";
      ${MAKE_SCALAR}
      {
        using masterKey = new MasterKey(1, new Secret(scalar));
        contractPrfs(new Secp256k1(), masterKey, new Uint8Array(64), () => undefined);
      }
      pause();
    `;
    expect(await counted(context, script, TRACES)).toEqual([0, 0]);
  });

  test("holds no copy that signing with it made, nor the nonce", async (context) => {
    const hash = new Uint8Array(32).fill(9);
    using key = new Secret(Uint8Array.from(SCALAR));
    using nonces = new DeterministicNonces(new HmacSha256(), key, hash);
    using secretNonce = nonces.next();
    const nonce = secretNonce.use((bytes) => Uint8Array.from(bytes));
    const script = `
      import { Ecdsa } from "SRC/keys/ecdsa.ts";
      import { Secret } from "SRC/secret.ts";
      ${MAKE_SCALAR}
      {
        using key = new Secret(scalar);
        new Ecdsa().sign(key, new Uint8Array(32).fill(9));
      }
      pause();
    `;
    const traces = [...TRACES, nonce.slice(8, 24), nonce.slice(8, 16).reverse()];
    expect(await counted(context, script, traces)).toEqual([0, 0, 0, 0]);
  });

  test("holds no copy of an EcdhKey that has opened a message, and was sealed, kept and destroyed", async (context) => {
    const script = (destroyed: boolean): string => `
      import { Secp256k1 } from "SRC/engine/secp256k1.ts";
      import { EcdhKeys } from "SRC/pruntime/ecdh-keys.ts";
      import { IdentityKey } from "SRC/pruntime/identity-key.ts";
      import { MessageSequences } from "SRC/pruntime/message-sequences.ts";
      import { openMessage, sealMessage } from "SRC/pruntime/sealed-message.ts";
      import { Secret } from "SRC/secret.ts";
      const curve = new Secp256k1();
      ${MAKE_SCALAR}
      const encoded = new Uint8Array(new ArrayBuffer(40));
      encoded.set([1, 0, 1, 0]);
      encoded.set(scalar, 4);
      scalar.fill(0);
      let keys;
      {
        using secret = new Secret(encoded);
        keys = EcdhKeys.decode(curve, 1, secret);
      }
      const sender = IdentityKey.generate(curve);
      const recipient = { identityKey: sender.publicKey, ecdhKey: keys.current.publicKey };
      const genesisHash = new Uint8Array(32);
      const bytes = sealMessage({ curve, genesisHash, sender, recipient, sequence: 1n, body: new Uint8Array(9) });
      openMessage({
        curve, genesisHash, recipient: sender.publicKey, ecdhKeys: keys, sequences: new MessageSequences(),
        isKnown: () => true, bytes,
      }).body[Symbol.dispose]();
      keys.published(keys.rotate(), 1);
      keys.encode()[Symbol.dispose]();
      if (${destroyed}) keys.destroyExpired(2);
      globalThis.kept = keys;
      pause();
    `;
    expect(await counted(context, script(false), TRACES)).toEqual([1, 0]);
    expect(await counted(context, script(true), TRACES)).toEqual([0, 0]);
  });

  test("holds no copy that the writing and reading of a key file made", async (context) => {
    const script = `
      import { createKeyFile, readKeyFile } from "SRC/pruntime/key-file.ts";
      import { Secret } from "SRC/secret.ts";
      const path = ${JSON.stringify(inFolder("key"))};
      ${MAKE_SCALAR}
      {
        using kek = new Secret(scalar);
        createKeyFile(path, kek);
        readKeyFile(path)[Symbol.dispose]();
      }
      pause();
    `;
    expect(await counted(context, script, TRACES)).toEqual([0, 0]);
  });

  test("holds no key of a dstack app, and its digits less often than Node's HTTP leaves any answer", async (context) => {
    const socket = inFolder("dstack.sock");
    const digits = Buffer.from(SCALAR).toString("hex");
    const sealing = `
      import { DstackAgent } from "SRC/pruntime/dstack.ts";
      import { openDstackSealer } from "SRC/pruntime/dstack-sealer.ts";
      {
        using sealer = await openDstackSealer(new DstackAgent(${JSON.stringify(socket)}));
        const sealed = sealer.seal("label", new Uint8Array(0), new Uint8Array(1));
        sealer.unseal("label", new Uint8Array(0), sealed, "FILE")[Symbol.dispose]();
      }
      pause();
    `;
    const reading = `
      import { request } from "node:http";
      const socketPath = ${JSON.stringify(socket)};
      await new Promise((resolve) => {
        request({ socketPath, method: "POST", agent: false }, (answer) => answer.resume().on("end", resolve)).end("{}");
      });
      pause();
    `;
    const agent = createServer((_, response) => response.end(`{"key":"${digits}","signature_chain":[]}`));
    await once(agent.listen(socket), "listening");
    try {
      const kek = new Uint8Array(hkdfSync("sha256", SCALAR, "", "gatekeeper/v1 dstack sealing key", 32));
      const [inBytes, inWideString] = [
        Buffer.from(digits).subarray(8, 40),
        Buffer.from(digits, "utf16le").subarray(0, 40),
      ];
      expect(await counted(context, sealing, [...TRACES, kek.subarray(8, 24), inWideString])).toEqual([0, 0, 0, 0]);
      const [ours] = await counted(context, sealing, [inBytes]);
      const [nodes] = await counted(context, reading, [inBytes]);
      expect(ours).toBeLessThan(nodes!);
    } finally {
      agent.close();
    }
  });

  test("holds no copy that the garbage collector made of a ring's key material", async (context) => {
    const contract = new Uint8Array(32);
    using key = new MasterKey(1, new Secret(Uint8Array.from(SCALAR)));
    const material = referencePrf(key, contract);
    const script = `
      import { ContractKeyRing } from "SRC/keys/contract-key-ring.ts";
      import { MasterKey } from "SRC/keys/master-key.ts";
      import { Secret } from "SRC/secret.ts";
      ${MAKE_SCALAR}
      {
        using masterKey = new MasterKey(1, new Secret(scalar));
        using ring = new ContractKeyRing([masterKey], 1);
        ring.materials(1, [new Uint8Array(32)]);
        gc({ type: "minor" });
        gc();
        for (const key of ring.keys(1, [new Uint8Array(32)])) key[Symbol.dispose]();
      }
      pause();
    `;
    expect(await counted(context, script, [material.subarray(8, 24)])).toEqual([0]);
  });
});
