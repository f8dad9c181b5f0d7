import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, expectTypeOf, it } from "vitest";
import { ERROR_CODES, GatekeeperError } from "../../src/errors.ts";
import { BLOCK_BYTES_MAX } from "../../src/protocol/block.ts";
import { MESSAGE_BYTES_MAX } from "../../src/protocol/call.ts";
import {
  type Answer,
  BOUNDARY_VERSIONS,
  FAILURES_MAX,
  FRAME_BYTES_MAX,
  NO_REQUEST,
  type Numbered,
  type Reply,
  type Request,
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
} from "../../src/pruntime/boundary.ts";
import { Secret } from "../../src/secret.ts";
import { faults, faulty } from "../protocol/faults.ts";
import { REQUEST_KINDS, answer, numberedReply, numberedRequest, request, wireError } from "./boundary-values.ts";

const runs = { numRuns: 300 };
const KEY = `0x${"02".repeat(33)}`;
const HASH = `0x${"07".repeat(32)}`;

/** A request as it comes out on the other side, or why it does not; "unsayable" where it does not go in. */
function crossed(body: Request): Request | string {
  try {
    return decodeRequest(encodeRequest({ id: 5, body })).body;
  } catch (error) {
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    return "unsayable";
  }
}

function answered(value: Answer): Reply | string {
  try {
    return decodeReply(encodeReply({ id: 5, body: { tag: "done", value } }))!.body;
  } catch (error) {
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    return "unsayable";
  }
}

describe("the codecs of the boundary", () => {
  it("bring every request over whole", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(numberedRequest, (value) => {
        seen.add(value.body.tag);
        expect(decodeRequest(encodeRequest(value))).toEqual(value);
      }),
      { numRuns: 600 },
    );
    expect([...seen].sort()).toEqual([...REQUEST_KINDS].sort());
  });

  it("bring every reply over whole", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(numberedReply, (value) => {
        if (value.body.tag === "done") seen.add(value.body.value.tag);
        expect(decodeReply(encodeReply(value))).toEqual(value);
      }),
      { numRuns: 900 },
    );
    expect([...seen].sort()).toEqual([...REQUEST_KINDS].sort());
  });

  it("bring every error over, with each of its codes", () => {
    for (const code of ERROR_CODES) {
      const error = new GatekeeperError(code, `this is ${code}`, { file: "/x", count: 1.5, done: false, none: null });
      const reply = decodeReply(encodeReply({ id: 1, body: { tag: "failed", value: error.toWire() } }))!;
      expect(reply.body.tag).toBe("failed");
      expect(GatekeeperError.fromWire(reply.body.value as never)).toEqual(error);
    }
    fc.assert(
      fc.property(wireError, (value) => {
        expect(decodeReply(encodeReply({ id: 1, body: { tag: "failed", value } }))?.body.value).toEqual(value);
      }),
      runs,
    );
  });

  it("have the numbers that they ever had: what is new comes at the end", () => {
    const places = new Map(
      fc.sample(request, { numRuns: 500, seed: 1 }).map((body) => [body.tag, encodeRequest({ id: 0, body })[4]]),
    );
    expect(REQUEST_KINDS.map((tag) => places.get(tag))).toEqual(REQUEST_KINDS.map((_, place) => place));
    const answers = new Map(
      fc
        .sample(answer, { numRuns: 500, seed: 1 })
        .map((value) => [value.tag, encodeReply({ id: 0, body: { tag: "done", value } })[5]]),
    );
    expect(REQUEST_KINDS.map((tag) => answers.get(tag))).toEqual(REQUEST_KINDS.map((_, place) => place));
  });

  it("know one encoding of each value: what is altered is another value or none", () => {
    fc.assert(
      fc.property(numberedRequest, faults, (value, wrong) => {
        const bytes = wrong.reduce<Uint8Array>(faulty, encodeRequest(value));
        const decoded = decodeRequest(bytes);
        if (typeof decoded.body !== "string") {
          expect(encodeRequest(decoded as Numbered<Request>)).toEqual(new Uint8Array(bytes));
        }
      }),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(numberedReply, faults, (value, wrong) => {
        const bytes = wrong.reduce<Uint8Array>(faulty, encodeReply(value));
        const decoded = decodeReply(bytes);
        if (decoded !== null) expect(encodeReply(decoded)).toEqual(new Uint8Array(bytes));
      }),
      { numRuns: 3_000 },
    );
  });

  it("make nothing of random bytes but a refusal, or a value that goes out again as it came", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(20), fc.boolean(), (bytes, tag, atTag) => {
        if (atTag && bytes.length > 4) bytes[4] = tag;
        const decoded = decodeRequest(bytes);
        if (typeof decoded.body === "string") {
          expect(["Malformed", "Unknown"]).toContain(decoded.body);
          expect(decoded.id).toBe(bytes.length < 4 ? NO_REQUEST : Buffer.from(bytes).readUInt32LE());
          expect(decoded.body === "Unknown").toBe((bytes[4] ?? 0) >= REQUEST_KINDS.length);
        } else {
          expect(encodeRequest(decoded as Numbered<Request>)).toEqual(bytes);
        }
        const reply = decodeReply(bytes);
        if (reply !== null) expect(encodeReply(reply)).toEqual(bytes);
      }),
      { numRuns: 5_000 },
    );
  });

  it("read no further than a view's end, and no sooner than its beginning", () => {
    const payload = encodeRequest({ id: 3, body: { tag: "hello", value: BOUNDARY_VERSIONS } });
    const around = new Uint8Array(payload.length + 20);
    around.set(payload, 10);
    expect(decodeRequest(around.subarray(10, 10 + payload.length))).toMatchObject({ id: 3, body: { tag: "hello" } });
    expect(decodeRequest(around.subarray(10, 11 + payload.length)).body).toBe("Malformed");
    expect(decodeRequest(around.subarray(10, 9 + payload.length)).body).toBe("Malformed");
  });

  it("spell an error's numbers in one way, and name its details once and in their order", () => {
    const failed = (detail: Record<string, string | number>): Buffer =>
      Buffer.from(encodeReply({ id: 0, body: { tag: "failed", value: { code: "INTERNAL", message: "", detail } } }));
    const altered = (bytes: Buffer, from: string, to: string): unknown => {
      expect(bytes.indexOf(from)).toBeGreaterThan(0);
      return decodeReply(Buffer.from(bytes.toString("latin1").replace(from, to), "latin1"));
    };
    expect(altered(failed({ n: 1234 }), "1234", "5678")).not.toBe(null);
    for (const spelling of ["0x12", " 123", "01.5", "1e03", "+123", "abcd"]) {
      expect(altered(failed({ n: 1234 }), "1234", spelling)).toBe(null);
    }
    expect(altered(failed({ aa: 1, bb: 2 }), "bb", "cc")).not.toBe(null);
    expect(altered(failed({ aa: 1, bb: 2 }), "bb", "aa")).toBe(null);
    expect(altered(failed({ aa: 1, bb: 2 }), "bb", "12")).toBe(null);
  });
});

describe("a bound", () => {
  const value = (size: number): Uint8Array => new Uint8Array(size);
  const inFrame = FRAME_BYTES_MAX - 64;

  it.each<[string, Request, Request]>([
    ["versions", { tag: "hello", value: Array(16).fill(1) }, { tag: "hello", value: Array(17).fill(1) }],
    ["a number", { tag: "cancel", value: 2 ** 32 - 1 }, { tag: "cancel", value: 2 ** 32 }],
    ["a suite", { tag: "createHome", value: "aes-256-gcm" }, { tag: "createHome", value: "rot13" as never }],
    ["a path", { tag: "exportKey", value: "ä".repeat(2_048) }, { tag: "exportKey", value: "ä".repeat(2_049) }],
    [
      "a storage key",
      { tag: "get", value: { contract: value(32), key: value(4_096) } },
      { tag: "get", value: { contract: value(32), key: value(4_097) } },
    ],
    [
      "a contract",
      { tag: "get", value: { contract: value(32), key: value(0) } },
      { tag: "get", value: { contract: value(33), key: value(0) } },
    ],
    [
      "a frame",
      { tag: "write", value: { words: value(16), bytes: value(inFrame) } },
      { tag: "write", value: { words: value(16), bytes: value(FRAME_BYTES_MAX) } },
    ],
    ["threads", { tag: "verify", value: { threads: 256 } }, { tag: "verify", value: { threads: 257 } }],
    ["no thread", { tag: "verify", value: { threads: null } }, { tag: "verify", value: { threads: 0 } }],
    ["a genesis", { tag: "join", value: value(16 << 20) }, { tag: "join", value: value((16 << 20) + 1) }],
    [
      "a block",
      { tag: "follow", value: { blocks: [value(BLOCK_BYTES_MAX + 32_768)], more: true } },
      { tag: "follow", value: { blocks: [value(BLOCK_BYTES_MAX + 32_769)], more: true } },
    ],
    [
      "blocks",
      { tag: "follow", value: { blocks: Array(4_096).fill(value(0)), more: true } },
      { tag: "follow", value: { blocks: Array(4_097).fill(value(0)), more: true } },
    ],
    [
      "collateral",
      { tag: "register", value: { operator: HASH, collateral: value(1 << 20) } },
      { tag: "register", value: { operator: HASH, collateral: value((1 << 20) + 1) } },
    ],
    ["a key", { tag: "ping", value: KEY }, { tag: "ping", value: `${KEY}00` }],
    [
      "a message",
      { tag: "deliver", value: value((4 << 20) + 1_024) },
      { tag: "deliver", value: value((4 << 20) + 1_025) },
    ],
    [
      "late ones",
      { tag: "provision", value: { late: Array(4_096).fill(KEY) } },
      { tag: "provision", value: { late: Array(4_097).fill(KEY) } },
    ],
  ])("of %s is the last that goes in", (_, within, beyond) => {
    // The test library would look at millions of bytes as objects.
    expect(isDeepStrictEqual(crossed(within), within)).toBe(true);
    expect(crossed(beyond)).toBe("unsayable");
  });

  it.each<[string, Answer, Answer]>([
    ["a state", { tag: "get", value: value(inFrame) }, { tag: "get", value: value(FRAME_BYTES_MAX) }],
    [
      "failures",
      { tag: "verify", value: verified(FAILURES_MAX) },
      { tag: "verify", value: verified(FAILURES_MAX + 1) },
    ],
    [
      "a count",
      { tag: "write", value: { written: Number.MAX_SAFE_INTEGER, bytes: 0, unchanged: 0, deleted: 0 } },
      { tag: "write", value: { written: -1, bytes: 0, unchanged: 0, deleted: 0 } },
    ],
    [
      "messages",
      { tag: "follow", value: { height: 1, messages: [value(MESSAGE_BYTES_MAX)] } },
      { tag: "follow", value: { height: 1, messages: [value(1), value(1)] } },
    ],
    [
      "questions",
      {
        tag: "provision",
        value: { messages: Array(256).fill({ to: KEY, endpoint: value(256), bytes: value(48 << 10) }), missing: 1 },
      },
      {
        tag: "provision",
        value: { messages: Array(257).fill({ to: KEY, endpoint: null, bytes: value(1) }), missing: 1 },
      },
    ],
  ])("of %s is the last that comes out", (_, within, beyond) => {
    expect(isDeepStrictEqual(answered(within), { tag: "done", value: within })).toBe(true);
    expect(answered(beyond)).toBe("unsayable");
  });

  it("is held by the receiver, whatever the sender does", () => {
    const verify = encodeRequest({ id: 5, body: { tag: "verify", value: { threads: 256 } } });
    for (const threads of [0, 257, 2 ** 32 - 1]) {
      const bytes = Buffer.from(verify);
      bytes.writeUInt32LE(threads, bytes.length - 4);
      expect(decodeRequest(bytes)).toEqual({ id: 5, body: "Malformed" });
    }
    // Of 2^30 bytes that are announced, and do not come.
    const announced = Buffer.concat([verify.subarray(0, 4), Buffer.of(12, 2, 0, 0, 1 << 6)]);
    expect(decodeRequest(announced)).toEqual({ id: 5, body: "Malformed" });
  });

  it("clips what an error says, between two characters, and loses nothing else", () => {
    const long = `${"ä".repeat(4_095)}x€${"y".repeat(100_000)}`;
    const wire = { code: "IO_FAILED", message: long, detail: { file: long, code: "EIO" } } as const;
    const clipped = `${"ä".repeat(4_095)}x`;
    expect(decodeReply(encodeReply({ id: 1, body: { tag: "failed", value: wire } }))!.body.value).toEqual({
      ...wire,
      message: clipped,
      detail: { file: clipped, code: "EIO" },
    });
  });
});

function verified(failed: number): Extract<Answer, { tag: "verify" }>["value"] {
  const failures = Array.from({ length: failed }, () => ({ contract: HASH, key: `0x${"00".repeat(100)}` }));
  return { rotationId: 1, records: failed, failed, remainingOld: 0, failures };
}

function told(value: Answer): Numbered<Reply> {
  return { id: 0, body: { tag: "done", value } };
}

describe("a secret", () => {
  /** All that is anywhere in a type. */
  type Parts<T> = T extends Uint8Array | string | number | boolean | null | undefined
    ? T
    : T extends readonly (infer E)[]
      ? Parts<E>
      : T | { [K in keyof T]: Parts<T[K]> }[keyof T];

  it("has no place in a request or a reply: types do not let it in", () => {
    expectTypeOf<Extract<Parts<Request>, Secret>>().toEqualTypeOf<never>();
    expectTypeOf<Extract<Parts<Reply>, Secret>>().toEqualTypeOf<never>();
    // The control: this would find one.
    expectTypeOf<Extract<Parts<{ a: readonly { b: Secret }[] }>, Secret>>().toEqualTypeOf<Secret>();
  });

  it("goes into no codec: each place for bytes or text refuses it, and its bytes stay where they are", () => {
    const bytes = new Uint8Array(32).fill(0xa5);
    using secret = new Secret(bytes);
    const attempts: (() => Uint8Array)[] = [
      // @ts-expect-error a Secret is no value of a state
      () => encodeReply({ id: 0, body: { tag: "done", value: { tag: "get", value: secret } } }),
      // @ts-expect-error a Secret is no message to another pRuntime
      () => encodeReply({ id: 0, body: { tag: "done", value: { tag: "ping", value: secret } } }),
      // @ts-expect-error a Secret is no message to the chain
      () => encodeReply(told({ tag: "follow", value: { height: 0, messages: [secret] } })),
      () =>
        // @ts-expect-error a Secret is no detail of an error
        encodeReply({ id: 0, body: { tag: "failed", value: { code: "INTERNAL", message: "", detail: { secret } } } }),
      // @ts-expect-error a Secret is no message of an error
      () => encodeReply({ id: 0, body: { tag: "failed", value: { code: "INTERNAL", message: secret, detail: {} } } }),
      // @ts-expect-error a Secret is no block
      () => encodeRequest({ id: 0, body: { tag: "follow", value: { blocks: [secret], more: false } } }),
      // @ts-expect-error a Secret is no path
      () => encodeRequest({ id: 0, body: { tag: "exportKey", value: secret } }),
    ];
    for (const attempt of attempts) {
      let said = Buffer.alloc(0);
      try {
        said = Buffer.from(attempt());
      } catch (error) {
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      }
      expect(said.includes(Buffer.alloc(4, 0xa5))).toBe(false);
    }
  });
});
