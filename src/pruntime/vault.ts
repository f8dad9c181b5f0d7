/** What a pRuntime of a network has its secrets sealed by and proves itself with: software, or a dstack machine (TDX). */
import { join } from "node:path";
import { GatekeeperError } from "../errors.ts";
import { encodeAttestation, reportData } from "../protocol/attestation.ts";
import { dcapAttestation } from "../protocol/dcap-evidence.ts";
import type { Hex } from "../protocol/scale.ts";
import { DstackAgent } from "./dstack.ts";
import { openDstackSealer } from "./dstack-sealer.ts";
import type { Sealer } from "./sealer.ts";
import type { Passphrases } from "./service.ts";
import { createSoftwareKeyFile, openSoftwareSealer } from "./software-sealer.ts";

/** Whom evidence is for, and what it is bound to. */
interface Attested {
  readonly genesisHash: Uint8Array;
  readonly identityKey: string;
  readonly ecdhKey: string;
}

/** One of the two. */
export interface Vault {
  /** A new sealing key, kept in the folder where it is kept at all; the caller owns the sealer. */
  readonly create: (folder: string) => Promise<Sealer>;
  /** The sealing key that was made; the caller owns the sealer. */
  readonly open: (folder: string) => Promise<Sealer>;
  /**
   * Evidence of what this program is, bound to its keys and chain.
   * @param collateral - what Intel says of the machine: JSON, as its servers give it; null for software.
   */
  readonly attest: (attested: Attested, collateral: Uint8Array | null) => Promise<Uint8Array>;
}

/**
 * A key file, plain or under a passphrase. It gives no protection from the machine's owner, and its evidence is its own
 * word, which a chain takes only where its genesis says so.
 * @param measurement - of this program.
 * @param passphrases - given, and chosen; null for a plain key file.
 */
export function softwareVault(measurement: Hex, passphrases: Passphrases | null): Vault {
  const keyFile = (folder: string): string => join(folder, "key");
  const evidence = encodeAttestation({ tag: "software", value: { measurement } });
  return {
    create: async (folder) => {
      using passphrase = (await passphrases?.chosen()) ?? null;
      createSoftwareKeyFile(keyFile(folder), passphrase);
      return openSoftwareSealer(keyFile(folder), passphrase);
    },
    open: async (folder) => {
      using passphrase = (await passphrases?.given()) ?? null;
      return openSoftwareSealer(keyFile(folder), passphrase);
    },
    attest: async () => evidence,
  };
}

/**
 * A key that the dstack machine derives for this app and nobody else, and a quote of the machine.
 * @param socketPath - of the guest agent.
 */
export function dstackVault(socketPath: string): Vault {
  const agent = new DstackAgent(socketPath);
  const open = (): Promise<Sealer> => openDstackSealer(agent);
  return {
    create: open,
    open,
    attest: async ({ genesisHash, identityKey, ecdhKey }, collateral) => {
      if (collateral === null) {
        throw new GatekeeperError("INVALID_ARGUMENT", "a quote is of use with its collateral only, and none was given");
      }
      return dcapAttestation(await agent.getQuote(reportData(genesisHash, identityKey, ecdhKey)), collateral);
    },
  };
}
