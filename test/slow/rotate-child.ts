/**
 * `node rotate-child.ts STORE KEY THREADS`: rotates the store of large-store.ts and prints what it took as JSON. KEY is
 * the scalar of MasterKey 0 in hex: a test's, so it may stand in a command line.
 */
import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import { generateMasterKey, MasterKey } from "../../src/keys/master-key.ts";
import { rotate } from "../../src/rotation/rotation.ts";
import { Secret } from "../../src/secret.ts";
import { EMBEDDED_STORE } from "../../src/store/location.ts";

const [path, scalar, threads] = process.argv.slice(2);
using first = new MasterKey(0, new Secret(Uint8Array.from(Buffer.from(scalar!, "hex"))));
using second = generateMasterKey(1);
const copy = async (rotationId: number): Promise<MasterKey> =>
  (rotationId === 0 ? first : second).use((bytes) => new MasterKey(rotationId, new Secret(bytes.slice())));
const started = performance.now();
const summary = await rotate({
  store: { module: EMBEDDED_STORE, options: { path } },
  suite: "aes-256-gcm",
  threads: threads === undefined ? availableParallelism() : Number(threads),
  masterKey: copy,
  newMasterKey: copy,
  abandon: async () => undefined,
});
const seconds = (performance.now() - started) / 1_000;
const { maxRSS: peakKiB } = process.resourceUsage();
process.stdout.write(JSON.stringify({ records: summary.records, failed: summary.failed, seconds, peakKiB }));
