/**
 * What a chain begins with, and what a block makes of a ledger, computed and checked once by the replica of the pRuntime that follows it first: all others of
 * the run come to the same, as it is a function of the block and of what was before.
 */
import { type Applied, Replica } from "../../../src/protocol/replica.ts";
import { type Block, hashHeader } from "../../../src/protocol/block.ts";
import { type Genesis, hashGenesis } from "../../../src/protocol/genesis.ts";
import { Ledger } from "../../../src/protocol/ledger.ts";
import { CURVE } from "../../protocol/network.ts";

/** Where a replica stands. */
interface Place {
  readonly ledger: Ledger;
  readonly headHash: Uint8Array;
}

const PROTOTYPE = Replica.prototype;
const { follow } = PROTOTYPE;
const { atGenesis } = Ledger;
const ledgerOf = Object.getOwnPropertyDescriptor(PROTOTYPE, "ledger")!;
const headHashOf = Object.getOwnPropertyDescriptor(PROTOTYPE, "headHash")!;

/** Remembers what all replicas come to until it is disposed. */
export class RememberedLedgers implements Disposable {
  /** By the hashes of the block before and of the block. */
  readonly #known = new Map<string, Place & { readonly applied: Applied }>();
  /** By the hashes of geneses. */
  readonly #first = new Map<string, Ledger>();
  readonly #places = new WeakMap<Replica, Place>();
  /** What checks blocks that nobody has followed yet. */
  #checking: Replica | null = null;

  constructor() {
    const placeOf = this.#placeOf.bind(this);
    const followed = this.#follow.bind(this);
    Object.defineProperties(PROTOTYPE, {
      ledger: {
        ...ledgerOf,
        get(this: Replica) {
          return placeOf(this).ledger;
        },
      },
      headHash: {
        ...headHashOf,
        get(this: Replica) {
          return placeOf(this).headHash;
        },
      },
    });
    const first = this.#first;
    Object.assign(Ledger, {
      atGenesis: (genesis: Genesis) => {
        const name = hex(hashGenesis(genesis));
        const ledger = first.get(name) ?? atGenesis.call(Ledger, genesis);
        first.set(name, ledger);
        return ledger;
      },
    });
    Object.assign(PROTOTYPE, {
      follow(this: Replica, blocks: readonly Block[]) {
        return blocks.map((block) => followed(this, block));
      },
    });
  }

  [Symbol.dispose](): void {
    Object.defineProperties(PROTOTYPE, { ledger: ledgerOf, headHash: headHashOf });
    Object.assign(PROTOTYPE, { follow });
    Object.assign(Ledger, { atGenesis });
  }

  #placeOf(replica: Replica): Place {
    const known = this.#places.get(replica);
    if (known !== undefined) return known;
    const place = {
      ledger: ledgerOf.get!.call(replica) as Ledger,
      headHash: headHashOf.get!.call(replica) as Uint8Array,
    };
    this.#places.set(replica, place);
    return place;
  }

  #follow(replica: Replica, block: Block): Applied {
    const { ledger, headHash } = this.#placeOf(replica);
    const name = `${hex(headHash)} ${hex(hashHeader(block.header))}`;
    let result = this.#known.get(name);
    if (result === undefined) {
      const own =
        this.#checking !== null && headHashOf.get!.call(this.#checking) === headHash
          ? this.#checking
          : new Replica(CURVE, ledger, headHash);
      const [applied] = follow.call(own, [block]) as [Applied];
      this.#checking = own;
      const place = { ledger: ledgerOf.get!.call(own) as Ledger, headHash: headHashOf.get!.call(own) as Uint8Array };
      result = { ...place, applied };
      this.#known.set(name, result);
    }
    this.#places.set(replica, result);
    return result.applied;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
