/** The secrets of homes, read as their pRuntimes would: for tests that look for them elsewhere. */
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { contractKeyInfo, contractPrfs, expandContractKey } from "../../src/keys/contract-key.ts";
import { KEY_SUITE } from "../../src/keys/group.ts";
import type { MasterKey } from "../../src/keys/master-key.ts";
import { EnclaveFiles } from "../../src/pruntime/enclave-files.ts";
import { readKeyFile } from "../../src/pruntime/key-file.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { softwareMeasurement } from "../../src/pruntime/measurement.ts";
import { softwareVault } from "../../src/pruntime/vault.ts";
import type { Secret } from "../../src/secret.ts";
import type { Secrets } from "./known-secrets.ts";

/** AES-256-GCM. */
const CIPHER_SUITE = 1;

const curve = new Secp256k1("compressed");

const copyOf = (secret: Pick<Secret, "use">): Uint8Array => secret.use((bytes) => Uint8Array.from(bytes));

function keysOf(masterKey: MasterKey, contract: Uint8Array): Secrets {
  const generation = masterKey.rotationId;
  const secrets: Record<string, Uint8Array> = { [`MasterKey ${generation}`]: copyOf(masterKey) };
  contractPrfs(curve, masterKey, contract, (_, prf) => {
    using key = expandContractKey(prf, contractKeyInfo(KEY_SUITE.secp256k1, CIPHER_SUITE, generation, contract));
    secrets[`PRF ${generation}`] = Uint8Array.from(prf);
    secrets[`contract key ${generation}`] = copyOf(key);
  });
  return secrets;
}

/** What a local home's pRuntime knows, of one contract besides; a generation that is not there is made, as by a rotation. */
export async function localSecrets(
  folder: string,
  generations: readonly number[],
  contract: Uint8Array,
): Promise<Secrets> {
  await using home = await LocalHome.open(folder);
  using kek = readKeyFile(join(folder, "key"));
  const secrets: Record<string, Uint8Array> = { "key-encryption key": copyOf(kek) };
  for (const generation of generations) {
    using masterKey = await home.createMasterKey(generation);
    Object.assign(secrets, keysOf(masterKey, contract));
  }
  return secrets;
}

/** A network home's secrets, read as its pRuntime would. */
export async function networkSecrets(home: string, ecdhKey: string): Promise<Secrets> {
  using files = await EnclaveFiles.open(home, curve, softwareVault(softwareMeasurement(), null).open);
  using keys = files.readEcdhKeys(0);
  using encoded = keys.encode();
  const bytes = copyOf(encoded);
  const windows = Array.from({ length: bytes.length - 31 }, (_, at) => bytes.subarray(at, at + 32));
  const scalar = windows.find(
    (window) =>
      secp256k1.utils.isValidSecretKey(window) &&
      `0x${Buffer.from(secp256k1.getPublicKey(window)).toString("hex")}` === ecdhKey,
  );
  using kek = readKeyFile(join(home, "pruntime", "key"));
  return { IdentityKey: copyOf(files.identity), EcdhKey: scalar!, "key-encryption key": copyOf(kek) };
}
