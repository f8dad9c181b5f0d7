import { describe, expect, test } from "vitest";
import { openReplica } from "../../src/chain/follow.ts";
import { sendCall } from "../../src/chain/send.ts";
import type { Call } from "../../src/protocol/call.ts";
import { CURVE, idOf, signerOf } from "../protocol/network.ts";
import { FolderChain } from "./folder-chain.ts";

const transfer = (amount: bigint): Call => ({ tag: "transfer", value: { to: idOf("a"), amount } });

/** Makes blocks on demand until it is disposed. */
function running(at: FolderChain): Disposable {
  let now = 0;
  const timer = setInterval(() => at.producer.produce(now++, false), 10);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe("sendCall", () => {
  test("waits for the block and says what the call did, and only that", async () => {
    using at = new FolderChain();
    using chain = at.reopened();
    const replica = openReplica(chain, CURVE);
    using _ = running(at);
    const { signal } = new AbortController();
    for (let round = 1; round <= 4; round++) {
      const sent = await sendCall(chain, replica, signerOf("rich"), transfer(5_000n), signal);
      expect(sent.height).toBe(round);
      expect(sent.effects.map(({ kind }) => kind)).toEqual(["Transferred"]);
    }
  });

  test("sends several at once, each after the other", async () => {
    using at = new FolderChain();
    const { signal } = new AbortController();
    const all = Promise.all(
      [1n, 2n, 3n].map(async (amount) => {
        using chain = at.reopened();
        return await sendCall(chain, openReplica(chain, CURVE), signerOf("rich"), transfer(amount), signal);
      }),
    );
    using _ = running(at);
    expect((await all).map(({ effects }) => effects[0])).toEqual(
      [1n, 2n, 3n].map((amount) => expect.objectContaining({ amount })),
    );
  });

  test("answers each of several that send the same at once by what became of his own", async () => {
    using at = new FolderChain();
    const { signal } = new AbortController();
    const bytes = at.transfer("rich", 0, "a", 7n);
    // Another process has handed in the very message that would be next, and will be the one whose message is taken.
    at.chain.submit(bytes);
    using chain = at.reopened();
    const sending = sendCall(chain, openReplica(chain, CURVE), signerOf("rich"), transfer(7n), signal);
    using _ = running(at);
    await sending;
    expect(openReplica(chain, CURVE).ledger.state.accounts.get(idOf("rich"))!.sequence).toBe(2);
  });

  test("does not sign ahead of its sequence because of what others forged", async () => {
    using at = new FolderChain();
    const forged = at.transfer("rich", 0, "a");
    forged[forged.length - 1]! ^= 1;
    at.chain.submit(forged);
    using _ = running(at);
    const { signal } = new AbortController();
    const sent = await sendCall(
      at.reopened(),
      openReplica(at.reopened(), CURVE),
      signerOf("rich"),
      transfer(5n),
      signal,
    );
    expect(sent.height).toBe(1);
  });

  test("says why a message was not taken, or could not be done", async () => {
    using at = new FolderChain();
    using chain = at.reopened();
    const replica = openReplica(chain, CURVE);
    using _ = running(at);
    const { signal } = new AbortController();
    const refusal = (reason: string, height: unknown): unknown =>
      expect.objectContaining({ code: "MESSAGE_REFUSED", detail: { reason, height } });
    await expect(sendCall(chain, replica, signerOf("stranger"), transfer(1n), signal)).rejects.toEqual(
      refusal("UnknownSender", null),
    );
    await expect(sendCall(chain, replica, signerOf("rich"), transfer(10n ** 20n), signal)).rejects.toEqual(
      refusal("InsufficientBalance", expect.any(Number)),
    );
  });

  test("gives up when it is told to, and the message waits on", async () => {
    using at = new FolderChain();
    const controller = new AbortController();
    const sending = sendCall(at.chain, at.replica, signerOf("rich"), transfer(1n), controller.signal);
    setTimeout(() => controller.abort(), 50);
    await expect(sending).rejects.toEqual(expect.objectContaining({ code: "ABORTED" }));
    expect(at.chain.waiting()).toHaveLength(1);
  });
});
