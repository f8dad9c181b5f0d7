import { test } from "vitest";
import { live } from "./life.ts";
test("proto", { timeout: 1e7 }, async () => {
  const from = Number(process.env["FROM"] ?? 1),
    n = Number(process.env["N"] ?? 5);
  const ins = await import("node:inspector/promises");
  const se = new ins.Session();
  se.connect();
  await se.post("Profiler.enable");
  await se.post("Profiler.start");
  let bad = 0;
  const all = new Map<string, number>();
  for (let seed = from; seed < from + n; seed++) {
    const c = process.cpuUsage();
    try {
      const r = await live(seed);
      for (const a of r.attacks) all.set("! " + a, (all.get("! " + a) ?? 0) + 1);
      if (r.proved) all.set("proved", (all.get("proved") ?? 0) + r.proved);
      for (const [k, v] of r.told) all.set(k, (all.get(k) ?? 0) + v);
      if (process.env["V"]) console.log(seed, "ok", r.blocks, Math.round(process.cpuUsage(c).user / 1000), "ms");
    } catch (e) {
      bad++;
      console.log((e as Error).message);
      if (n === 1) console.log((e as any).cause?.stack, (e as any).cause?.cause);
    }
  }
  console.log("bad", bad, "of", n, [...all].map(([k, v]) => `${k} ${v}`).join(", "));
  const { profile } = (await se.post("Profiler.stop")) as any;
  if (!process.env["PROF"]) return;
  const self = new Map<string, number>();
  const byId = new Map(profile.nodes.map((n: any) => [n.id, n]));
  const tot = profile.timeDeltas.reduce((a: number, b: number) => a + b, 0);
  const parent = new Map<number, number>();
  for (const n of profile.nodes) for (const c of n.children ?? []) parent.set(c, n.id);
  const inc = new Map<string, number>();
  profile.samples.forEach((id: number, i: number) => {
    const n0: any = byId.get(id);
    const k0 = n0.callFrame.functionName + " " + n0.callFrame.url.split("/").slice(-1)[0];
    self.set(k0, (self.get(k0) ?? 0) + profile.timeDeltas[i]);
    const seen = new Set<string>();
    for (let x: any = id; x !== undefined; x = parent.get(x)) {
      const n: any = byId.get(x);
      const k = n.callFrame.functionName + " " + n.callFrame.url.split("/").slice(-1)[0];
      if (!seen.has(k)) {
        seen.add(k);
        inc.set(k, (inc.get(k) ?? 0) + profile.timeDeltas[i]);
      }
    }
  });
  console.log(
    [...self]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 25)
      .map(([k, v]) => `${((100 * v) / tot).toFixed(1)}% ${k}`)
      .join("\n"),
  );
  console.log(
    [...inc]
      .filter(([k]) => k.includes(".ts"))
      .sort((a, b) => b[1] - a[1])
      .slice(0, 75)
      .map(([k, v]) => `${((100 * v) / tot).toFixed(1)}% ${k}`)
      .join("\n"),
  );
});
