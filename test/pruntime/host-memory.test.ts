/**
 * The host never has a secret: all its memory is searched while its pRuntime works, what it writes, and what crosses
 * between them; and when a key is destroyed, no process has it any more. In each case the same search finds in the
 * pRuntime what it does not find in the host.
 */
import { once } from "node:events";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { type Socket, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { contractId } from "../../src/contract-id.ts";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import { StatePacker } from "../../src/gatekeeper/state-packer.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { startPRuntime } from "../../src/start-pruntime.ts";
import { findRecord } from "../../src/store/page.ts";
import { programFile } from "../cli/transcript.ts";
import { useFolder } from "./folder.ts";
import { localSecrets, networkSecrets } from "./home-secrets.ts";
import { type Secrets, canRead, childrenOf, foundIn, heldBy } from "./known-secrets.ts";
import { makeNetworkHome } from "./network-home.ts";
import { Running } from "./running.ts";

const HOST_CHILD = new URL("host-child.ts", import.meta.url).pathname;
const PASSPHRASE = "correct horse battery staple 42";
const CONTRACT = "0xaa000000000000000000000000000000000000aa";
const NAME = Buffer.from(CONTRACT.slice(2), "hex");
const ID = contractId(1, NAME);
const KEY = Buffer.from("known");
const VALUE = Buffer.from("a plaintext of the owner's, known to the host: it may have it at any time");

const inFolder = useFolder();

/** A geth genesis with so many accounts, one of which is CONTRACT. */
function genesisOf(accounts: number): string {
  const alloc: Record<string, unknown> = { [CONTRACT]: { balance: "0x7" } };
  for (let at = 0; at < accounts; at++)
    alloc[`0x${at.toString(16).padStart(40, "0")}`] = { balance: "0x1", nonce: "0x2" };
  return JSON.stringify({ alloc });
}

/** All that lies below a folder, but for these files. */
function filesBelow(folder: string, except: readonly string[]): Buffer {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => !except.includes(path));
  return Buffer.concat(
    paths.map((path) => join(folder, path)).flatMap((path) => (statSync(path).isFile() ? [readFileSync(path)] : [])),
  );
}

/** A command of the host that runs, and all that it says. */
class Command extends Running {
  readonly said: Buffer[] = [];

  constructor(cwd: string, ...args: readonly string[]) {
    super([process.execPath, programFile("gatekeeper"), ...args], { cwd });
    this.process.stdout!.on("data", (chunk: Buffer) => void this.said.push(chunk));
    this.process.stderr!.on("data", (chunk: Buffer) => void this.said.push(chunk));
  }

  /**
   * Runs it to its end, and searches it from when its pRuntime has been seen to hold `control`, halted meanwhile; without
   * a control, from its beginning.
   * @returns what of the secrets was found in the host, and whether the pRuntime held the control.
   */
  async searched(secrets: Secrets, control: Secrets | null): Promise<{ host: string[]; controlled: boolean }> {
    const host = new Set<string>();
    let controlled = control === null;
    while (this.process.exitCode === null) {
      for (const pid of childrenOf(this.pid)) {
        if (controlled || heldBy(pid, control!, ["raw"]).length === 0) continue;
        controlled = true;
        process.kill(pid, "SIGSTOP");
        for (const name of heldBy(this.pid, secrets)) host.add(name);
        process.kill(pid, "SIGCONT");
      }
      if (controlled) for (const name of heldBy(this.pid, secrets)) host.add(name);
      await sleep(controlled ? 250 : 1);
    }
    for (const name of foundIn(Buffer.concat(this.said), secrets)) host.add(name);
    return { host: [...host], controlled };
  }

  async succeeded(): Promise<string> {
    const { code } = await this.ended;
    expect(`${code} ${code === 0 ? "" : this.stderr}`).toBe("0 ");
    return Buffer.concat(this.said).toString();
  }
}

const isLinux = process.platform === "linux" && canRead(process.pid);

describe.skipIf(!isLinux)("the host's memory (where Linux lets it be read)", () => {
  it(
    "has none of a local home's secrets while it imports, rotates, reads and exports",
    { timeout: 180_000 },
    async () => {
      const home = inFolder("home");
      await LocalHome.init(home, "aes-256-gcm");
      writeFileSync(inFolder("genesis.json"), genesisOf(6_000));
      writeFileSync(inFolder("passphrase"), PASSPHRASE);
      const ofHome = await localSecrets(home, [0, 1], ID);
      const secrets: Secrets = { ...ofHome, passphrase: Buffer.from(PASSPHRASE) };
      const { "key-encryption key": kek, passphrase } = secrets;
      const commands: [(attempt: number) => string[], Secrets | null][] = [
        [() => ["import", "genesis.json"], { kek: kek! }],
        [() => ["rotate", "--threads", "1"], { kek: kek! }],
        [
          (attempt) => ["export-key", `exported ${attempt}`, "--passphrase-file", "passphrase"],
          { passphrase: passphrase! },
        ],
        // Over too soon to be caught at it.
        [() => ["get", CONTRACT, "balance"], null],
      ];
      for (const [argsOf, held] of commands) {
        // One that was over before its pRuntime was seen to hold anything shows nothing, and is run again.
        for (let seen = false, attempt = 1; !seen; attempt++) {
          expect(attempt).toBeLessThan(20);
          await using command = new Command(inFolder(), ...argsOf(attempt), "--home", home);
          const { host, controlled } = await command.searched(secrets, held);
          await command.succeeded();
          expect(host).toEqual([]);
          seen = controlled;
        }
      }
      expect(foundIn(filesBelow(inFolder(), ["home/key", "passphrase"]), secrets)).toEqual([]);
      expect(foundIn(filesBelow(inFolder(), []), secrets)).toEqual(["key-encryption key, raw", "passphrase, raw"]);
    },
  );

  it("has none of a network home's secrets while it runs", async () => {
    const work = inFolder();
    const { ecdhKey } = await makeNetworkHome(work);
    const secrets = await networkSecrets(inFolder("node"), ecdhKey);

    await using node = new Command(work, "run", "--home", "node", "--chain", "chain/chain.sqlite");
    while (!Buffer.concat(node.said).includes("acts as a gatekeeper") && node.process.exitCode === null)
      await sleep(20);
    const [pid] = childrenOf(node.pid);
    const names = Object.keys(secrets);
    expect(heldBy(pid!, secrets)).toEqual(expect.arrayContaining(names.map((name) => `${name}, raw`)));
    expect(heldBy(node.pid, secrets)).toEqual([]);
    node.process.kill("SIGINT");
    await node.ended;
    expect(foundIn(Buffer.concat(node.said), secrets)).toEqual([]);
    expect(foundIn(filesBelow(work, ["node/pruntime/key"]), secrets)).toEqual([]);
  });

  it("has nothing of a destroyed generation, and neither has any other process that lives", async () => {
    const home = inFolder("home");
    await LocalHome.init(home, "aes-256-gcm");
    await using host = new Running([process.execPath, HOST_CHILD, home]);
    const answers: string[] = [];
    host.process.stdout!.on("data", (chunk) => answers.push(...String(chunk).trim().split("\n")));
    let asked = 0;
    const ask = async (...request: [string, unknown]): Promise<void> => {
      asked++;
      host.process.stdin!.write(
        `${JSON.stringify(request, (_, inner) => (inner?.type === "Buffer" ? { hex: Buffer.from(inner.data).toString("hex") } : inner))}\n`,
      );
      while (answers.length < asked && host.process.exitCode === null) await sleep(5);
      expect(answers[asked - 1]).toBe("done");
    };
    const packer = new StatePacker();
    packer.add({ kind: 1, name: NAME, key: KEY, value: VALUE });
    const { words, bytes } = packer.take();
    await ask("write", { words: Buffer.from(words), bytes: Buffer.from(bytes) });
    const get = { contract: Buffer.from(ID), key: KEY };
    await ask("get", get);

    const all = await localSecrets(home, [0], ID);
    const { "key-encryption key": _, ...ofGeneration0 } = all;
    const old: Secrets = { ...ofGeneration0, "keystream 0": await keystreamOf(home) };
    const [before] = childrenOf(host.pid);
    expect(heldBy(before!, all)).toEqual(
      expect.arrayContaining(["MasterKey 0, raw", "key-encryption key, raw", "PRF 0, raw"]),
    );
    expect(heldBy(host.pid, { ...all, ...old })).toEqual([]);

    await ask("rotate", { threads: 1, begin: true });
    await ask("get", get);
    const now = await localSecrets(home, [1], ID);
    const children = childrenOf(host.pid);
    expect(children).toHaveLength(1);
    expect(children).not.toContain(before);
    expect(heldBy(children[0]!, now)).toContain("MasterKey 1, raw");
    for (const pid of [host.pid, ...children]) expect(heldBy(pid, old)).toEqual([]);
    expect(heldBy(host.pid, now)).toEqual([]);

    await ask("snapshot", inFolder("snapshot"));
    expect(foundIn(readFileSync(inFolder("snapshot")), { ...all, ...now })).toEqual([]);
    expect(readFileSync(inFolder("snapshot")).includes("PRuntime")).toBe(true);
    host.process.stdin!.end();
    await host.ended;
  });
});

/** What the known state was encrypted with: ciphertext xor plaintext; sealed-state.ts has the places. */
async function keystreamOf(folder: string): Promise<Uint8Array> {
  await using home = await LocalHome.open(folder);
  const sealed = findRecord((await home.store.find(ID, KEY))!, KEY)!;
  return Uint8Array.from({ length: 32 }, (_, at) => sealed[26 + at]! ^ VALUE[at]!);
}

describe("what crosses between host and pRuntime", () => {
  it("holds no secret of a local home, in either direction", async () => {
    const home = inFolder("home");
    const crossed: Buffer[] = [];
    const server = createServer((socket) => void record(socket, startPRuntime(["--home", home], null), crossed));
    server.listen(inFolder("socket"));
    await once(server, "listening");
    await using pruntime = new PRuntime({ address: { path: inFolder("socket") } });
    await pruntime.ask("createHome", "aes-256-gcm");
    const secrets = await localSecrets(home, [0, 1], ID);
    const packer = new StatePacker();
    packer.add({ kind: 1, name: NAME, key: KEY, value: VALUE });
    await pruntime.ask("import", { threads: 1, batch: packer.take() });
    await expect(pruntime.ask("exportKey", inFolder("exported"))).rejects.toThrow();
    await expect(pruntime.ask("importKey", join(home, "key"))).rejects.toThrow();
    await pruntime.ask("rotate", { threads: 1, begin: true });
    const again = pruntime.ask("get", { contract: ID, key: KEY }).catch(() => null);
    await again;
    expect(Buffer.from((await pruntime.ask("get", { contract: ID, key: KEY }))!).equals(VALUE)).toBe(true);
    await pruntime.ask("verify", { threads: 1 });
    await expect(pruntime.ask("get", { contract: ID, key: new Uint8Array(4_096) })).resolves.toBe(null);
    const all = Buffer.concat(crossed);
    expect(foundIn(all, secrets)).toEqual([]);
    // The owner's plaintext does cross it, so this sees what there is to see.
    expect(all.includes(VALUE)).toBe(true);
    server.close();
  });
});

/** Carries bytes between a host and a pRuntime, and keeps a copy. */
function record(socket: Socket, child: ReturnType<typeof startPRuntime>, crossed: Buffer[]): void {
  for (const stream of [socket, child.stdout!])
    stream.on("data", (chunk: Buffer) => void crossed.push(Buffer.from(chunk)));
  for (const stream of [socket, child.stdin!, child.stdout!]) stream.on("error", () => undefined);
  socket.pipe(child.stdin!);
  child.stdout!.pipe(socket);
}
