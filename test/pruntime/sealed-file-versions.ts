/** A sealed file whose secret is a numbered version, of another length each time. */
import { CONTEXT } from "../../src/context.ts";
import { SealedFile } from "../../src/pruntime/sealed-file.ts";
import { Sealer, SEALER_KIND } from "../../src/pruntime/sealer.ts";
import { Secret } from "../../src/secret.ts";

/** The file at a path, under a key that all processes of a test know. */
export function openVersions(path: string): SealedFile {
  const sealer = new Sealer(SEALER_KIND.keyFile, new Secret(new Uint8Array(32).fill(7)));
  return new SealedFile(sealer, path, CONTEXT.sealMasterKey, Buffer.from("versions"));
}

/** A version: its number, and up to 100 kB that follow from it. */
export function versionBytes(version: number): Uint8Array {
  const bytes = new Uint8Array(4 + ((version * 7919) % 100_000)).fill(version & 0xff);
  new DataView(bytes.buffer).setUint32(0, version, true);
  return bytes;
}

/** The version that the file holds, 0 if there is none. @throws Error when it is none that was ever written. */
export function versionIn(file: SealedFile): number {
  using secret = file.read();
  if (secret === null) return 0;
  return secret.use((bytes) => {
    const version = new DataView(bytes.buffer).getUint32(0, true);
    if (Buffer.compare(bytes, versionBytes(version)) !== 0) throw new Error(`this is not version ${version}`);
    return version;
  });
}
