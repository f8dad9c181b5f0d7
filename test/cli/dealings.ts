/** What the chain tells for ever of how MasterKeys were shared, and what dealing keys open of it. */
import { join } from "node:path";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { type DealtSubShare, combineSubShares, openSubShare } from "../../src/keys/receiver.ts";
import type { Share } from "../../src/keys/shamir.ts";
import { replicaCurve } from "../../src/protocol/curve.ts";
import type { KeySession } from "../../src/protocol/key-session.ts";
import { qualifiedDealings, termsOf } from "../../src/protocol/key-terms.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { Replica } from "../../src/protocol/replica.ts";
import type { Sharing } from "../../src/protocol/sharing.ts";
import { Secret, secretCopy } from "../../src/secret.ts";
import { type Spoil, of } from "./spoils.ts";

/** As far as it matters here. */
export interface History {
  readonly genesisHash: Uint8Array;
  /** Key sessions when their dealings were qualified, with the ledger of that block. */
  readonly sessions: readonly { readonly ledger: Ledger; readonly session: KeySession }[];
  /** By epoch. */
  readonly sharings: ReadonlyMap<number, Sharing>;
}

/** @param folder - with a copy of the chain. */
export function historyOf(folder: string): History {
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  const replica = new Replica(replicaCurve(), Ledger.atGenesis(chain.genesis));
  const sessions = new Map<number, { ledger: Ledger; session: KeySession }>();
  const sharings = new Map<number, Sharing>();
  for (;;) {
    const blocks = chain.blocks(replica.ledger.state.height + 1);
    if (blocks.length === 0) break;
    for (const block of blocks) {
      replica.follow([block]);
      const { ledger } = replica;
      const { keySession: session } = ledger.state;
      if (session?.phase === "confirmation" && !sessions.has(session.epoch)) {
        sessions.set(session.epoch, { ledger, session });
      }
      for (const sharing of ledger.state.sharings) sharings.set(sharing.epoch, sharing);
    }
  }
  return { genesisHash: replica.ledger.genesisHash, sessions: [...sessions.values()], sharings };
}

/** A sub-share that was opened. */
interface SubShare {
  readonly dealer: number;
  readonly receiver: number;
  readonly bytes: Uint8Array;
}

/** Sub-shares that dealing keys open, of all dealings on the chain. */
export function subShares(history: History, spoils: readonly Spoil[]): SubShare[] {
  return openedDealings(history, spoils).flatMap(({ opened }) =>
    opened.map(({ dealer, share }) => ({ dealer, receiver: share.index, bytes: bytesOf(share) })),
  );
}

/** The shares that they make. */
export function sharesFromDealings(history: History, spoils: readonly Spoil[]): Spoil[] {
  return openedDealings(history, spoils).flatMap(({ ledger, session, opened }): Spoil[] => {
    const terms = termsOf(history.genesisHash, ledger.state, session);
    if (terms.kind === "refresh" || opened.length < terms.minShares) return [];
    const share = combineSubShares(terms, opened);
    return [{ kind: "share", epoch: session.epoch, index: share.index, bytes: bytesOf(share) }];
  });
}

/** For each session and each dealing key, even one that is of another session. */
function openedDealings(
  { genesisHash, sessions }: History,
  spoils: readonly Spoil[],
): { readonly ledger: Ledger; readonly session: KeySession; readonly opened: DealtSubShare[] }[] {
  return sessions.flatMap(({ ledger, session }) => {
    const terms = termsOf(genesisHash, ledger.state, session);
    return of(spoils, "dealing key").flatMap(({ owner, bytes }) => {
      const index = session.members.findIndex(({ identityKey }) => identityKey === owner) + 1;
      if (index === 0) return [];
      using secret = new Secret(secretCopy(bytes));
      const opened = qualifiedDealings(ledger.state, session).flatMap(({ dealer, dealing }): DealtSubShare[] => {
        try {
          return [{ dealer, share: openSubShare(terms, dealer, dealing, index, secret) }];
        } catch (error) {
          if (error instanceof GatekeeperError) return [];
          throw error;
        }
      });
      return [{ ledger, session, opened }];
    });
  });
}

function bytesOf({ secret }: Share): Uint8Array {
  return secret.use((bytes) => bytes.slice());
}
