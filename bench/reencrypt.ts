/** Re-encryption of batches of records of one size: the engine and its kernel beside everybody else. */
import type { Suite } from "../src/engine/suite.ts";
import { type Contender, type MakeContender, checkContender } from "./contender.ts";
import { engineContender, kernelContender } from "./ours.ts";
import { CHAINSAFE_AAD_MAX, chainsafeContender, makeLibsodium, nobleContender, nodeContender } from "./peers.ts";
import type { Case, Table } from "./table.ts";
import { AAD_BYTES, type AadKind, type Side, type WorkloadShape, makeWorkload } from "./workload.ts";

/** Record sizes in bytes. */
const RECORD_SIZES: readonly number[] = [32, 64, 128, 256, 512, 1_024, 4_096];

/** Records of a contract: enough that a batch spends its time on records, few enough that keys matter. */
const RECORDS_EACH = 100;
const CONTRACTS_MAX = 10;
/** A batch is about as large as a commit of a rotation's sweep: its memory is then what the sweep's is. */
const BATCH_BYTES = 1 << 20;

/** The engine's columns in every table. */
export const ENGINE = "engine";
export const KERNEL = "kernel";
export const NODE = "node:crypto";

interface Entrant {
  readonly column: string;
  readonly make: MakeContender;
  /** Shares of the batch: a slow peer gets a smaller one, as its time per record doesn't depend on it. */
  readonly share: number;
}

/** One table: one suite, one kind of AAD, all sizes. */
export function reencryptTable(suite: Suite, aad: AadKind, sizes: readonly number[] = RECORD_SIZES): Table {
  return {
    name: `reencrypt/${suite}/aad-${AAD_BYTES[aad]}`,
    title: `Re-encrypt, ${suite}, AAD of ${aad}`,
    item: "record",
    ours: [ENGINE, KERNEL],
    notes: [
      `${ENGINE}: Engine.reencrypt, one thread; key expansion, nonces, copies in and out and wiping included`,
      `${KERNEL}: the WebAssembly call alone, everything in its memory already`,
      ...(aad === "78 B"
        ? [
            "an AAD of 78 B is a sealed state's with a storage key of 32 B; old and new differ and both lie in the arena",
          ]
        : []),
      ...(suite === "chacha20-poly1305" && AAD_BYTES[aad] > CHAINSAFE_AAD_MAX
        ? [`@chainsafe/as-chacha20poly1305 takes no AAD above ${CHAINSAFE_AAD_MAX} bytes`]
        : []),
    ],
    prepare: async () => {
      const entrants = await entrantsOf(suite, aad);
      const cases = sizes.flatMap((size) => casesOfSize({ suite, aad, size }, entrants));
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

async function entrantsOf(suite: Suite, aad: AadKind): Promise<Entrant[]> {
  const all: Entrant[] = [
    { column: ENGINE, make: engineContender, share: 1 },
    { column: KERNEL, make: kernelContender, share: 1 },
    { column: NODE, make: nodeContender, share: 1 / 4 },
    { column: "@noble/ciphers", make: nobleContender, share: 1 / 50 },
  ];
  if (suite === "chacha20-poly1305") {
    all.push({ column: "libsodium-wrappers", make: await makeLibsodium(), share: 1 / 4 });
    if (AAD_BYTES[aad] <= CHAINSAFE_AAD_MAX) {
      all.push({ column: "as-chacha20poly1305", make: chainsafeContender, share: 1 / 4 });
    }
  }
  return all;
}

function casesOfSize(kind: Pick<WorkloadShape, "suite" | "aad" | "size">, entrants: readonly Entrant[]): Case[] {
  const contracts = Math.max(1, Math.min(CONTRACTS_MAX, Math.floor(BATCH_BYTES / kind.size / RECORDS_EACH)));
  const row = kind.size < 1_024 ? `${kind.size} B` : `${kind.size / 1_024} KiB`;
  return entrants.map(({ column, make, share }) => {
    const recordsEach = Math.ceil(RECORDS_EACH * share);
    const workload = makeWorkload({ ...kind, contracts, recordsEach });
    const contender = make(workload);
    checkContender(column, workload, contender);
    return { row, column, items: contracts * recordsEach, run: backAndForth(contender) };
  });
}

/** Each call moves the records to the side where they are not. */
function backAndForth(contender: Contender): () => void {
  let side: Side = 0;
  return () => {
    contender.reencrypt(side);
    side = side === 0 ? 1 : 0;
  };
}
