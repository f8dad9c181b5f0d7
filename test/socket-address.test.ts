import { describe, expect, it } from "vitest";
import { socketAddress } from "../src/socket-address.ts";

describe("socketAddress", () => {
  it.each([
    ["unix:/run/pruntime", { path: "/run/pruntime" }],
    ["unix:relative with: colons", { path: "relative with: colons" }],
    ["tcp:127.0.0.1:1", { host: "127.0.0.1", port: 1 }],
    ["tcp:localhost:65535", { host: "localhost", port: 65_535 }],
    ["tcp:[::1]:9000", { host: "::1", port: 9_000 }],
    ["tcp:[::ffff:1.2.3.4]:9000", { host: "::ffff:1.2.3.4", port: 9_000 }],
  ])("takes %s", (text, address) => {
    expect(socketAddress(text)).toEqual(address);
  });

  it.each([
    "",
    "unix:",
    "unix",
    "/run/pruntime",
    "UNIX:/run/pruntime",
    "unix:/a\nb",
    "tcp:",
    "tcp:9000",
    "tcp::9000",
    "tcp:host",
    "tcp:host:",
    "tcp:host:0",
    "tcp:host:65536",
    "tcp:host:-1",
    "tcp:host:1e3",
    "tcp:host:0x10",
    "tcp:host:9000 ",
    "tcp:::1:9000",
    "tcp:[]:9000",
    "tcp:[host]:9000",
    "tcp:[::1]",
    "udp:host:9000",
  ])("refuses %j", (text) => {
    expect(() => socketAddress(text)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});
