import { describe, expect, test, vi } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { httpTransport } from "../../src/gatekeeper/http-transport.ts";
import { localTransport } from "../../src/gatekeeper/local-transport.ts";
import { MessageClient } from "../../src/gatekeeper/message-client.ts";
import type { MessageHandler } from "../../src/gatekeeper/message-transport.ts";

import { publicOf } from "../protocol/network.ts";
import { STRANGER } from "../pruntime/authority.ts";

const NEVER = new AbortController().signal;
const { identityKey } = STRANGER;
const DESTINATION = { to: identityKey, endpoint: null };

describe("the transport by HTTP", () => {
  test("posts to where the chain says that a host is found; where it says nothing, nowhere", async () => {
    using client = new MessageClient();
    const post = vi.spyOn(client, "post").mockResolvedValue(Uint8Array.of(2));
    const transport = httpTransport(client);
    const none = { code: "PEER_FAILED", detail: { reason: "NoEndpoint" } };
    await expect(transport(DESTINATION, Uint8Array.of(1), NEVER)).rejects.toMatchObject(none);
    const endpoint = Buffer.from("http://127.0.0.1:1/");
    expect(await transport({ ...DESTINATION, endpoint }, Uint8Array.of(1), NEVER)).toEqual(Uint8Array.of(2));
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
    expect(await transport(DESTINATION, sent, NEVER)).toEqual(Uint8Array.of(3));
    expect([...sent]).toEqual([1, 2]);
    expect(await through(async () => null)(DESTINATION, sent, NEVER)).toBe(null);
  });

  test("says what another host would be told, and no more", async () => {
    const failing = (error: unknown) => through(() => Promise.reject(error))(DESTINATION, Uint8Array.of(1), NEVER);
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
    await expect(
      through(async () => null)({ to: publicOf("nobody"), endpoint: null }, Uint8Array.of(1), NEVER),
    ).rejects.toMatchObject({
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
    const waits = transport(DESTINATION, Uint8Array.of(1), controller.signal);
    controller.abort();
    await expect(waits).rejects.toMatchObject({ code: "ABORTED" });
    await expect(transport(DESTINATION, Uint8Array.of(1), controller.signal)).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(asked).toBe(1);
  });
});
