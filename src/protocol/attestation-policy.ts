/** What a chain believes of a pRuntime that says what it is: a part of its genesis. */
import type { Codec } from "scale-ts";
import { boolean, mapped, struct, u8 } from "./scale.ts";

/**
 * What Intel says of a platform's firmware and configuration, the best first, as its TCB info calls it. A platform that
 * was revoked is never accepted, and so not in this list. The order is that of the bits in a genesis.
 */
export const TCB_STATUSES = [
  "UpToDate",
  "SWHardeningNeeded",
  "ConfigurationNeeded",
  "ConfigurationAndSWHardeningNeeded",
  "OutOfDate",
  "OutOfDateConfigurationNeeded",
] as const;

/** One of them. */
export type TcbStatus = (typeof TCB_STATUSES)[number];

/** What may be registered as a pRuntime. */
export interface AttestationPolicy {
  /** Also what only says what it is, without hardware that vouches for it: for trying things out. */
  readonly software: boolean;
  /** What state the hardware may be in that vouches for the others. */
  readonly tcbStatuses: readonly TcbStatus[];
}

/** A set as one byte, a bit each: in whatever order they are listed, it is one genesis. */
const tcbStatusesCodec: Codec<readonly TcbStatus[]> = mapped<number, readonly TcbStatus[]>(
  u8,
  (statuses) => statuses.reduce((bits, status) => bits | (1 << TCB_STATUSES.indexOf(status)), 0),
  (bits) => {
    if (bits >> TCB_STATUSES.length !== 0) throw new RangeError("no such status");
    return TCB_STATUSES.filter((_, at) => ((bits >> at) & 1) === 1);
  },
);

export const attestationPolicyCodec: Codec<AttestationPolicy> = struct<AttestationPolicy>({
  software: boolean,
  tcbStatuses: tcbStatusesCodec,
});
