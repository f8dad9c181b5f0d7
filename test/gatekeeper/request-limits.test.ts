import { describe, expect, it } from "vitest";
import {
  ADDRESS_REQUESTS_MAX,
  HELD_BYTES_MAX,
  REQUESTS_MAX,
  RequestLimits,
  type Slot,
  addressGroup,
} from "../../src/gatekeeper/request-limits.ts";

describe("the owner of an address", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2/64"],
    ["2001:DB8:0001:0002::1", "2001:db8:1:2/64"],
    ["2001:db8::1", "2001:db8:0:0/64"],
    ["2001:db8:1::", "2001:db8:1:0/64"],
    ["fe80::1%eth0", "fe80:0:0:0/64"],
    ["::1", "0:0:0:0/64"],
    ["::", "0:0:0:0/64"],
    ["", ""],
  ])("of %s is %s", (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});

describe("limits of requests", () => {
  it("give back exactly what was taken, whoever goes first", () => {
    const limits = new RequestLimits();
    for (let round = 0; round < 3; round++) {
      const slots: Slot[] = [];
      for (let number = 0; slots.length < REQUESTS_MAX; number++) {
        const slot = limits.enter(`192.0.2.${number % 4}`);
        if (typeof slot !== "string") slots.push(slot);
      }
      expect(limits.enter("192.0.2.9")).toBe("all");
      slots.splice(round, 1)[0]!.release();
      const own = limits.enter("192.0.2.9") as Slot;
      expect(own.hold(HELD_BYTES_MAX)).toBe(true);
      expect(slots[0]!.hold(1)).toBe(false);
      own.release();
      expect(slots[0]!.hold(HELD_BYTES_MAX)).toBe(true);
      for (const slot of slots.reverse()) slot.release();
    }
    const own = Array.from({ length: ADDRESS_REQUESTS_MAX }, () => limits.enter("::ffff:192.0.2.1"));
    expect(own.every((slot) => typeof slot !== "string")).toBe(true);
    expect(limits.enter("192.0.2.1")).toBe("address");
  });
});
