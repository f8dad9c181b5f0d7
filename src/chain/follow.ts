/** A replica of an embedded chain's ledger: from the last state that was kept, over the blocks since. */
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import { hashHeader } from "../protocol/block.ts";
import { Ledger } from "../protocol/ledger.ts";
import { type Applied, Replica } from "../protocol/replica.ts";
import { corrupt } from "../store/embedded-error.ts";
import type { EmbeddedChain } from "./embedded.ts";

/**
 * A replica that has followed all blocks that are there.
 * @param curve - of compressed points.
 * @throws GatekeeperError STORE_CORRUPT, BLOCK_INVALID, GENESIS_INVALID.
 */
export function openReplica(chain: EmbeddedChain, curve: Secp256k1): Replica {
  const replica = fromSnapshot(chain, curve) ?? new Replica(curve, Ledger.atGenesis(chain.genesis));
  for (const _ of catchUp(chain, replica));
  return replica;
}

/** Follows what is there, a few MiB at a time, and yields what each block did. @throws as openReplica. */
export function* catchUp(chain: EmbeddedChain, replica: Replica): Generator<Applied> {
  for (;;) {
    const blocks = chain.blocks(replica.ledger.state.height + 1);
    if (blocks.length === 0) return;
    yield* replica.follow(blocks);
  }
}

/** The state that was kept counts only if it is the one that its block was signed for. */
function fromSnapshot(chain: EmbeddedChain, curve: Secp256k1): Replica | null {
  const snapshot = chain.snapshot();
  if (snapshot === null) return null;
  const ledger = decoded(chain, snapshot.state);
  const block = chain.blocks(snapshot.height)[0];
  const stateHash = block?.header.height === snapshot.height ? block.header.stateHash : new Uint8Array(0);
  if (Buffer.compare(ledger.stateHash(), stateHash) !== 0)
    throw corrupt(chain.path, "the state that it kept is another");
  return new Replica(curve, ledger, hashHeader(block!.header));
}

function decoded(chain: EmbeddedChain, bytes: Uint8Array): Ledger {
  try {
    return Ledger.decode(chain.genesis, bytes);
  } catch (cause) {
    if (cause instanceof GatekeeperError) throw corrupt(chain.path, "the state that it kept can't be read");
    throw cause;
  }
}
