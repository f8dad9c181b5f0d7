/** How many requests are answered at a time, in all and for each who asks, and how many bytes of them are held. */

/** Requests that are being answered, at most; */
export const REQUESTS_MAX = 64;
/** for one address, at most; */
export const ADDRESS_REQUESTS_MAX = 16;
/** connections of one address, at most, idle ones among them; */
export const ADDRESS_CONNECTIONS_MAX = 32;
/** and bytes of bodies that are held, at most. */
export const HELD_BYTES_MAX = 64 << 20;

/** A request that is being answered. `release` it once. */
export interface Slot {
  /** Counts bytes that are held for it. @returns whether there is room for them. */
  readonly hold: (bytes: number) => boolean;
  readonly release: () => void;
}

/** Counts what there is. */
export class RequestLimits {
  readonly #requests = new Counter();
  readonly #connections = new Counter();
  #total = 0;
  #bytes = 0;

  /** Whether there is room for another connection of an address; it is counted until `disconnected`. */
  connected(address: string): boolean {
    return this.#connections.add(addressGroup(address), ADDRESS_CONNECTIONS_MAX);
  }

  /** One that was counted is gone. */
  disconnected(address: string): void {
    this.#connections.remove(addressGroup(address));
  }

  /** A place for a request, or why there is none: its address has too many, or all together have. */
  enter(address: string): Slot | "address" | "all" {
    if (this.#total >= REQUESTS_MAX) return "all";
    const group = addressGroup(address);
    if (!this.#requests.add(group, ADDRESS_REQUESTS_MAX)) return "address";
    this.#total++;
    let held = 0;
    return {
      hold: (bytes) => {
        if (this.#bytes + bytes > HELD_BYTES_MAX) return false;
        held += bytes;
        this.#bytes += bytes;
        return true;
      },
      release: () => {
        this.#total--;
        this.#bytes -= held;
        this.#requests.remove(group);
      },
    };
  }
}

/**
 * Whom an address belongs to, as far as it shows: whoever has one of IPv6 has the 2^64 that begin alike (RFC 6177). One of
 * IPv4 is the same in IPv6's notation (RFC 4291 §2.5.5.2).
 */
export function addressGroup(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address);
  if (mapped !== null) return mapped[1]!;
  if (!address.includes(":")) return address;
  const [before, after] = address.replace(/%.*$/, "").split("::") as [string, string | undefined];
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array.from({ length: zeros }, () => "0"), ...tail];
  return `${groups
    .slice(0, 4)
    .map((digits) => digits.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}/64`;
}

/** How often each name was added and not removed; those that are not there take no memory. */
class Counter {
  readonly #counts = new Map<string, number>();

  add(name: string, max: number): boolean {
    const count = this.#counts.get(name) ?? 0;
    if (count >= max) return false;
    this.#counts.set(name, count + 1);
    return true;
  }

  remove(name: string): void {
    const count = this.#counts.get(name) ?? 0;
    if (count > 1) this.#counts.set(name, count - 1);
    else this.#counts.delete(name);
  }
}
