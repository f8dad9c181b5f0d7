import { describe, expect, test, vi } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { ChainWatch } from "../../src/gatekeeper/chain-watch.ts";
import { localTransport } from "../../src/gatekeeper/local-transport.ts";
import { MessageClient } from "../../src/gatekeeper/message-client.ts";
import type { MessageHandler } from "../../src/gatekeeper/message-transport.ts";
import { endpointOf, httpTransport } from "../../src/gatekeeper/peer-endpoints.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { publicOf } from "../protocol/network.ts";
import { STRANGER, enclaveGenesis } from "../pruntime/authority.ts";

const NEVER = new AbortController().signal;
const { identityKey } = STRANGER;

describe("where hosts are found", () => {
  test("is what their operators have said last, before and between blocks", async () => {
    using at = new FolderChain(enclaveGenesis([STRANGER]));
    const watch = new ChainWatch(at.chain);
    expect(await endpointOf(watch, identityKey)).toBe(null);
    for (const [sequence, url] of ["http://127.0.0.1:1/", "https://example.com/below", null].entries()) {
      const endpoint = url === null ? null : Buffer.from(url);
      at.chain.submit(at.message("rich", sequence, { tag: "setEndpoint", value: { identityKey, endpoint } }));
      const before = await endpointOf(watch, identityKey);
      at.producer.produce(sequence + 1, false);
      // Whoever asks meanwhile gets the same.
      const now = await Promise.all([endpointOf(watch, identityKey), endpointOf(watch, identityKey)]);
      expect(now).toEqual([url, url]);
      expect(before).not.toBe(url);
      // Another that begins now comes to the same.
      expect(await endpointOf(new ChainWatch(at.chain), identityKey)).toBe(url);
    }
    expect(await endpointOf(watch, publicOf("nobody"))).toBe(null);
  });

  test("is where messages are posted; to whom nothing was said of, none", async () => {
    using at = new FolderChain(enclaveGenesis([STRANGER]));
    using client = new MessageClient();
    const post = vi.spyOn(client, "post").mockResolvedValue(Uint8Array.of(2));
    const transport = httpTransport(client, new ChainWatch(at.chain));
    const none = { code: "PEER_FAILED", detail: { reason: "NoEndpoint" } };
    await expect(transport(identityKey, Uint8Array.of(1), NEVER)).rejects.toMatchObject(none);
    const endpoint = Buffer.from("http://127.0.0.1:1/");
    at.chain.submit(at.message("rich", 0, { tag: "setEndpoint", value: { identityKey, endpoint } }));
    at.producer.produce(1, false);
    expect(await transport(identityKey, Uint8Array.of(1), NEVER)).toEqual(Uint8Array.of(2));
    expect(post.mock.calls).toEqual([["http://127.0.0.1:1/", Uint8Array.of(1), NEVER]]);
  });
});

describe("the transport among hosts of one process", () => {
  const through = (handler: MessageHandler) => localTransport(new Map([[identityKey, handler]]));

  test("gives what was sent, and what was answered, and keeps both from changing", async () => {
    const sent = Uint8Array.of(1, 2);
    const transport = through(async (bytes) => {
      expect([...bytes]).toEqual([1, 2]);
      bytes.fill(0);
      return Uint8Array.of(3);
    });
    expect(await transport(identityKey, sent, NEVER)).toEqual(Uint8Array.of(3));
    expect([...sent]).toEqual([1, 2]);
    expect(await through(async () => null)(identityKey, sent, NEVER)).toBe(null);
  });

  test("says what another host would be told, and no more", async () => {
    const failing = (error: unknown) => through(() => Promise.reject(error))(identityKey, Uint8Array.of(1), NEVER);
    const invalid = new GatekeeperError("MESSAGE_INVALID", "of it", { reason: "BadTag" });
    await expect(failing(invalid)).rejects.toMatchObject({
      code: "PEER_FAILED",
      message: expect.stringMatching(/MESSAGE_INVALID \(BadTag\)$/),
      detail: { reason: "Refused", code: "MESSAGE_INVALID", why: "BadTag" },
    });
    await expect(failing(new GatekeeperError("NOT_FOUND", "it is in /home/them"))).rejects.toMatchObject({
      message: expect.not.stringContaining("/home"),
      detail: { reason: "Refused", code: "NOT_FOUND", why: null },
    });
    const fault = new TypeError("unforeseen");
    await expect(failing(fault)).rejects.toBe(fault);
    await expect(through(async () => null)(publicOf("nobody"), Uint8Array.of(1), NEVER)).rejects.toMatchObject({
      detail: { reason: "NoEndpoint" },
    });
  });

  test("stops when it is told to, before and while it waits", async () => {
    const controller = new AbortController();
    let asked = 0;
    const transport = through(() => {
      asked++;
      return new Promise(() => undefined);
    });
    const waits = transport(identityKey, Uint8Array.of(1), controller.signal);
    controller.abort();
    await expect(waits).rejects.toMatchObject({ code: "ABORTED" });
    await expect(transport(identityKey, Uint8Array.of(1), controller.signal)).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(asked).toBe(1);
  });
});
