/** A user of a key-value contract: seals commands to what the chain has, and opens the answers. */
import { fromHex } from "../../src/bytes.ts";
import {
  type CommandRecipient,
  type OpeningKey,
  newReplyKey,
  openAnswer,
  sealCommand,
} from "../../src/keys/sealed-command.ts";
import {
  type KeyValueAnswer,
  type KeyValueCommand,
  decodeKeyValueAnswer,
  encodeKeyValueRequest,
} from "../../src/protocol/key-value-messages.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import type { State } from "../../src/protocol/state.ts";

/** A command that was sealed, and what opens its answer. */
export interface Asked {
  readonly sealed: Uint8Array<ArrayBuffer>;
  readonly replyKey: OpeningKey;
  /** What the answer says; a value is a copy. */
  readonly read: (answer: Uint8Array) => KeyValueAnswer;
}

/** Whom commands to a contract go to, as a chain has it. */
export function recipientOf({ contracts, sharings }: State, contract: string): CommandRecipient {
  const { rotationId, publicKey } = contracts.get(contract)!.ecdhKey!;
  const { keySuite } = sharings.find((sharing) => sharing.rotationId === rotationId)!;
  const ecdhKey = fromHex(publicKey, "an EcdhKey");
  return { group: ledgerGroup(keySuite), contract: fromHex(contract, "an id"), rotationId, ecdhKey };
}

/** Seals a command. @param replyKey - a fresh one where none is given. */
export function asking(
  recipient: CommandRecipient,
  command: KeyValueCommand,
  replyKey = newReplyKey(recipient.group),
): Asked {
  const { group } = recipient;
  const sealed = sealCommand(recipient, encodeKeyValueRequest(group, { replyKey: replyKey.publicKey, command }));
  return {
    sealed,
    replyKey,
    read: (answer) => {
      using opened = openAnswer(group, replyKey, sealed, answer);
      const read = decodeKeyValueAnswer(opened);
      if (read === null) throw new Error("it is no answer");
      return read.tag === "value" ? { tag: "value", value: read.value.slice() } : read;
    },
  };
}

/** Commands of text. */
export const put = (key: string, value: string): KeyValueCommand => ({
  tag: "put",
  value: { key: Buffer.from(key), value: Buffer.from(value) },
});
export const get = (key: string): KeyValueCommand => ({ tag: "get", value: Buffer.from(key) });
export const remove = (key: string): KeyValueCommand => ({ tag: "delete", value: Buffer.from(key) });

/** An answer in words, a value as its text. */
export function said(answer: KeyValueAnswer): string {
  if (answer.tag === "value") return Buffer.from(answer.value).toString();
  return answer.tag === "failed" ? answer.value.code : answer.tag;
}
