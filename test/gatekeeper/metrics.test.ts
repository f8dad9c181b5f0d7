/** A node's metrics, as Prometheus reads them. */
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { NodeMetrics } from "../../src/gatekeeper/metrics.ts";
import { MetricsServer } from "../../src/gatekeeper/metrics-server.ts";
import { ADDRESS_CONNECTIONS_MAX, ADDRESS_REQUESTS_MAX } from "../../src/gatekeeper/request-limits.ts";
import type { PRuntimeStatus } from "../../src/pruntime/boundary.ts";
import { claimOf, keyOf, reencrypting, running } from "../protocol/rotators.ts";
import { until } from "../until.ts";

const NEVER = new AbortController().signal;
const HERE = { host: "127.0.0.1", port: 0 };
const PEER = { peer: keyOf("b"), reason: "why", height: 3 };

const STATUS: PRuntimeStatus = {
  identityKey: keyOf("a"),
  ecdhKey: keyOf("b"),
  measurement: `0x${"01".repeat(32)}`,
  software: true,
  genesisHash: `0x${"02".repeat(32)}`,
  height: 41,
  registered: true,
  gatekeeper: true,
  rotationFault: null,
};

let status: PRuntimeStatus | null = STATUS;
let network = running();
let read: (() => Promise<{ contentType: string; text: string }>) | null = null;
let metrics: NodeMetrics;
let server: MetricsServer;
let faults: unknown[] = [];
const sockets: Socket[] = [];

beforeEach(async () => {
  [status, faults, read, network] = [STATUS, [], null, running()];
  metrics = new NodeMetrics({
    chain: { height: () => 42 },
    watch: { state: async () => network.network.state },
    pruntime: { begun: 3 },
    status: () => status,
  });
  server = await MetricsServer.listen(HERE, { read: () => (read ?? (() => metrics.read()))() }, (error) =>
    faults.push(error),
  );
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server[Symbol.asyncDispose]();
});

const url = (path = "/metrics"): string => `http://127.0.0.1:${server.port}${path}`;

/** Samples by name and labels, as they stand in the text. */
async function samples(): Promise<Map<string, number>> {
  const response = await fetch(url());
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

const under = (all: Map<string, number>, prefix: string): Record<string, number> =>
  Object.fromEntries([...all].filter(([name]) => name.startsWith(prefix)));

describe("a node's metrics", () => {
  it("are of the chain, of the pRuntime, and of the process; without a pRuntime there are none of it", async () => {
    const all = await samples();
    expect(Object.fromEntries(all)).toMatchObject({
      gatekeeper_chain_height_blocks: 42,
      gatekeeper_chain_time_seconds: network.network.state.timestamp / 1_000,
      gatekeeper_pruntime_height_blocks: 41,
      gatekeeper_pruntime_acting: 1,
      gatekeeper_pruntime_rotation_failing: 0,
      gatekeeper_pruntime_starts_total: 3,
      gatekeeper_contracts_without_keys: 0,
      gatekeeper_shares_confirmed: 4,
      gatekeeper_shares_needed: network.network.state.sharings.at(-1)!.threshold,
    });
    expect(all.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    status = { ...STATUS, rotationFault: "STORE_FULL" };
    expect((await samples()).get("gatekeeper_pruntime_rotation_failing")).toBe(1);
    status = null;
    expect(under(await samples(), "gatekeeper_pruntime_")).toEqual({ gatekeeper_pruntime_starts_total: 3 });
  });

  it("have the rotation's phase, its partitions, and what this pRuntime has leased", async () => {
    expect((await samples()).get("gatekeeper_master_keys_unproved")).toBe(0);
    const idle = under(await samples(), "gatekeeper_rotation_");
    expect(idle).toMatchObject({
      'gatekeeper_rotation_phase{phase="idle"}': 1,
      'gatekeeper_rotation_phase{phase="reencryption"}': 0,
      'gatekeeper_rotation_partitions{stage="unswept"}': 0,
      gatekeeper_rotation_records: 0,
      gatekeeper_rotation_leases: 0,
    });
    const { rotators, network: rotating } = reencrypting();
    network = { ...network, network: rotating };
    rotators.block(() => null);
    const { state } = rotating;
    const leased = [...state.partitions.values()].filter(({ holder }) => holder === STATUS.identityKey).length;
    expect(leased).toBeGreaterThan(0);
    expect(under(await samples(), "gatekeeper_rotation_")).toMatchObject({
      'gatekeeper_rotation_phase{phase="idle"}': 0,
      'gatekeeper_rotation_phase{phase="reencryption"}': 1,
      'gatekeeper_rotation_partitions{stage="unswept"}': 4,
      gatekeeper_rotation_leases: leased,
    });
    // Who has partition 0 can't open all of it.
    const outcome = (_: string, index: number) => ({ tag: "swept", value: claimOf(10, index === 0 ? 1 : 0) }) as const;
    rotators.block(outcome);
    const [first, second] = [...rotating.state.partitions.values()];
    expect([first?.stage, first?.receipt?.failed, second?.stage]).toEqual(["unswept", 1, "swept"]);
    expect(under(await samples(), "gatekeeper_rotation_")).toMatchObject({
      'gatekeeper_rotation_partitions{stage="swept"}': 3,
      gatekeeper_rotation_partitions_blocked: 1,
      // It has vouched for the rest of that, too.
      gatekeeper_rotation_records: 40,
      gatekeeper_rotation_bytes: 4_000,
    });
  });

  it("count what comes and goes, by what becomes of it", async () => {
    expect(under(await samples(), "gatekeeper_message")).toEqual({
      'gatekeeper_messages_received_total{outcome="taken"}': 0,
      'gatekeeper_messages_received_total{outcome="refused"}': 0,
      'gatekeeper_messages_received_total{outcome="failed"}': 0,
      gatekeeper_messages_sent_total: 0,
      'gatekeeper_message_troubles_total{trouble="late"}': 0,
      'gatekeeper_message_troubles_total{trouble="failed"}': 0,
      'gatekeeper_message_troubles_total{trouble="refused"}': 0,
      'gatekeeper_message_troubles_total{trouble="wrong"}': 0,
    });
    const answers = [
      async () => Uint8Array.of(1),
      () => Promise.reject(new GatekeeperError("MESSAGE_INVALID", "none")),
      () => Promise.reject(new GatekeeperError("COMMAND_INVALID", "none")),
      () => Promise.reject(new GatekeeperError("KEY_NOT_PROVISIONED", "not yet")),
      () => Promise.reject(new GatekeeperError("PRUNTIME_UNAVAILABLE", "it ended")),
      () => Promise.reject(new TypeError("a fault")),
    ];
    for (const answer of answers) {
      const results = await Promise.allSettled([
        metrics.receiving(answer)(Uint8Array.of(7)),
        metrics.executing(answer)(Uint8Array.of(7)),
        metrics.sending(answer)({ to: PEER.peer, endpoint: null }, Uint8Array.of(7), NEVER),
      ]);
      // What is counted is what it was.
      const [plain] = await Promise.allSettled([answer()]);
      for (const result of results) {
        if (result.status === "fulfilled") expect(result).toEqual(plain);
        else expect((result.reason as Error).name).toBe((plain as PromiseRejectedResult).reason.name);
      }
    }
    metrics.observe({ kind: "PeerLate", peer: PEER.peer });
    for (const kind of ["PeerFailed", "PeerRefused", "PeerWrong", "PeerWrong"] as const)
      metrics.observe({ kind, ...PEER });
    metrics.observe({ kind: "Provisioned", missing: 5 });
    metrics.observe({ kind: "Registered", height: 1 });
    const all = await samples();
    expect(Object.fromEntries(all)).toMatchObject({
      'gatekeeper_messages_received_total{outcome="taken"}': 1,
      'gatekeeper_messages_received_total{outcome="refused"}': 2,
      'gatekeeper_messages_received_total{outcome="failed"}': 3,
      gatekeeper_messages_sent_total: answers.length,
      'gatekeeper_message_troubles_total{trouble="late"}': 1,
      'gatekeeper_message_troubles_total{trouble="wrong"}': 2,
      'gatekeeper_command_duration_seconds_count{outcome="taken"}': 1,
      'gatekeeper_command_duration_seconds_count{outcome="refused"}': 2,
      'gatekeeper_command_duration_seconds_bucket{le="+Inf",outcome="failed"}': 3,
      gatekeeper_contracts_without_keys: 5,
    });
    expect(all.get('gatekeeper_command_duration_seconds_sum{outcome="taken"}')).toBeLessThan(20);
  });

  it("name no pRuntime, account or contract", async () => {
    metrics.observe({ kind: "PeerLate", peer: PEER.peer });
    expect(await (await fetch(url())).text()).not.toMatch(/0x|[0-9a-f]{40}/);
  });
});

describe("where they are read", () => {
  it("is one path, and nothing is posted there", async () => {
    expect((await fetch(url("/"))).status).toBe(404);
    const posted = await fetch(url(), { method: "POST", body: "x" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await fetch(url(), { method: "HEAD" })).status).toBe(200);
  });

  it("a fault is told here, and not to who asks", async () => {
    const error = new GatekeeperError("BLOCK_INVALID", "block 7 of /home/operator");
    read = () => Promise.reject(error);
    const response = await fetch(url());
    expect([response.status, await response.text()]).toEqual([500, "Fault"]);
    expect(faults).toEqual([error]);
  });

  it("so many of an address are answered at a time, and it has so many connections", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    read = async () => {
      asked++;
      await promise;
      return { contentType: "text/plain", text: "1" };
    };
    const waiting = Array.from({ length: ADDRESS_REQUESTS_MAX }, () => fetch(url()));
    await until(() => asked === ADDRESS_REQUESTS_MAX);
    const more = await fetch(url());
    expect([more.status, more.headers.get("retry-after"), await more.text()]).toEqual([429, "1", "TooMany"]);
    resolve();
    expect((await Promise.all(waiting)).map((response) => response.status)).toEqual(waiting.map(() => 200));
    // Their places are free again, as soon as their answers are gone.
    await vi.waitFor(async () => expect((await fetch(url())).status).toBe(200));
    for (let n = 0; n <= ADDRESS_CONNECTIONS_MAX; n++) {
      sockets.push(connect({ port: server.port, host: "127.0.0.1" }).on("error", () => undefined));
    }
    await once(sockets.at(-1)!, "close");
  });

  it("says where it can't listen", async () => {
    const taken = { host: "127.0.0.1", port: server.port };
    await expect(MetricsServer.listen(taken, metrics, () => undefined)).rejects.toMatchObject({
      code: "IO_FAILED",
      detail: { systemCode: "EADDRINUSE" },
    });
  });
});
