import { test } from "vitest";
import { live } from "./life.ts";
test("proto", { timeout: 1e7 }, async () => {
  const from = Number(process.env["FROM"] ?? 1), n = Number(process.env["N"] ?? 5);
 
  let bad = 0, n0 = 1; const all = new Map<string, number>();
  for (let seed = from; seed < from + n * Number(process.env["STEP"] ?? 1) && n0; seed += Number(process.env["STEP"] ?? 1)) {
    const c = process.cpuUsage();
    try {
      const r = await live(seed);
      for (const a of r.attacks) all.set("! " + a, (all.get("! " + a) ?? 0) + 1); if (r.proved) all.set("proved", (all.get("proved") ?? 0) + r.proved);
      for (const [k, v] of r.told) all.set(k, (all.get(k) ?? 0) + v);
      if (process.env["V"]) console.log(seed, "ok", r.blocks, Math.round(process.cpuUsage(c).user / 1000), "ms");
    } catch (e) { bad++; if (process.env["STOP"]) n0 = 0; console.log((e as Error).message); if (n === 1) console.log((e as any).cause?.stack, (e as any).cause?.cause); }
  }
  console.log("bad", bad, "of", n, [...all].map(([k,v]) => `${k} ${v}`).join(", "));
});
