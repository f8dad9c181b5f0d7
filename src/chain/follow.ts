/** A replica of an embedded chain's ledger: from the last state that was kept, over the blocks since. */
import type { Secp256k1 } from "../protocol/curve.ts";
import { GatekeeperError } from "../errors.ts";
import { hashHeader } from "../protocol/block.ts";
import { Ledger } from "../protocol/ledger.ts";
import { type Applied, Replica, unsignedBlocks } from "../protocol/replica.ts";
import type { EmbeddedChain } from "./embedded.ts";

/**
 * A replica that has followed all blocks that are there.
 * @param curve - of compressed points.
 * @throws GatekeeperError STORE_CORRUPT, BLOCK_INVALID, GENESIS_INVALID.
 */
export function openReplica(chain: EmbeddedChain, curve: Secp256k1): Replica {
  const replica = beginReplica(chain, curve);
  for (const _ of catchUp(chain, replica));
  return replica;
}

/** A replica where there is the least to be followed. @param curve - of compressed points. @throws as openReplica. */
export function beginReplica(chain: EmbeddedChain, curve: Secp256k1): Replica {
  return fromSnapshot(chain, curve) ?? new Replica(curve, Ledger.atGenesis(chain.genesis));
}

/** Follows what is there, a few MiB at a time, and yields what each block did. @throws as openReplica. */
export function* catchUp(chain: EmbeddedChain, replica: Replica): Generator<Applied> {
  for (;;) {
    const blocks = chain.blocks(replica.ledger.state.height + 1);
    if (blocks.length === 0) return;
    yield* replica.follow(blocks);
  }
}

/**
 * From the state that was kept, if it is the one that the authority signed its block for. Anything else in its place is
 * as if there was none: the blocks are what counts.
 */
function fromSnapshot(chain: EmbeddedChain, curve: Secp256k1): Replica | null {
  const snapshot = chain.snapshot();
  if (snapshot === null || snapshot.height === 0) return null;
  const block = chain.blocks(snapshot.height)[0];
  const ledger = decoded(chain, snapshot.state);
  if (block?.header.height !== snapshot.height || ledger === null) return null;
  const headHash = hashHeader(block.header);
  if (unsignedBlocks(curve, chain.genesis.authority, [block], [headHash]).size > 0) return null;
  if (Buffer.compare(ledger.stateHash(), block.header.stateHash) !== 0) return null;
  return new Replica(curve, ledger, headHash);
}

function decoded(chain: EmbeddedChain, bytes: Uint8Array): Ledger | null {
  try {
    return Ledger.decode(chain.genesis, bytes);
  } catch (cause) {
    if (cause instanceof GatekeeperError && cause.code === "LEDGER_INVALID") return null;
    throw cause;
  }
}
