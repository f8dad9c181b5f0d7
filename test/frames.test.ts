import { once } from "node:events";
import { connect, createServer } from "node:net";
import { PassThrough, Readable, Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OVERSIZED, readFrames, writeFrame } from "../src/frames.ts";

type Frame = Uint8Array | typeof OVERSIZED;

async function allOf(chunks: readonly Uint8Array[], bytesMax: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readFrames(Readable.from(chunks), bytesMax)) frames.push(frame);
  return frames;
}

function framed(...payloads: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    payloads.flatMap((payload) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(payload.length);
      return [length, payload];
    }),
  );
}

/** Cuts bytes at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index]!, end));
}

const payloads = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
const places = fc.array(fc.nat(1_000), { maxLength: 30 });

describe("readFrames", () => {
  it("gives what was written, however the stream is cut, and passes over what is too long", async () => {
    await fc.assert(
      fc.asyncProperty(payloads, places, async (written, where) => {
        const wanted = written.map((payload) => (payload.length > 20 ? OVERSIZED : payload));
        expect(await allOf(cut(framed(...written), where), 20)).toEqual(wanted);
      }),
    );
  });

  it("takes a frame of the very bound, and none of a byte more", async () => {
    expect(await allOf([framed(new Uint8Array(20).fill(7))], 20)).toEqual([new Uint8Array(20).fill(7)]);
    expect(await allOf([framed(new Uint8Array(21).fill(7), Uint8Array.of(1))], 20)).toEqual([
      OVERSIZED,
      Uint8Array.of(1),
    ]);
  });

  it("gives no frame that was cut off", async () => {
    await fc.assert(
      fc.asyncProperty(payloads, fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.nat(), async (whole, last, at) => {
        const bytes = framed(...whole, last);
        const missing = 1 + (at % (last.length + 3));
        expect(await allOf([bytes.subarray(0, bytes.length - missing)], 40)).toEqual(whole);
      }),
    );
  });

  it("says at once that a frame is too long, and keeps none of 4 GiB that are announced", async () => {
    const input = new PassThrough();
    const frames = readFrames(input, 1_000);
    input.write(Uint8Array.of(255, 255, 255, 255));
    expect(await frames.next()).toEqual({ done: false, value: OVERSIZED });
    const next = frames.next();
    const before = process.memoryUsage().arrayBuffers;
    for (let chunk = 0; chunk < 256; chunk++) {
      if (!input.write(Buffer.alloc(1 << 20))) await once(input, "drain");
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(128 << 20);
    input.end();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it("holds a frame that comes byte by byte once, and not its chunks", async () => {
    // A chunk of a byte is an object of some hundred bytes: kept, these would be more than 100 MiB.
    const size = 1 << 20;
    let atMost = 0;
    const bytes = framed(new Uint8Array(size).fill(3));
    async function* drops(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at++) {
        yield Uint8Array.of(bytes[at]!);
        if (at % 200_000 === 199_999) atMost = Math.max(atMost, used());
      }
    }
    const used = (): number => {
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    const before = used();
    for await (const frame of readFrames(drops(), size)) expect(frame).toEqual(new Uint8Array(size).fill(3));
    expect(atMost - before).toBeLessThan(64 << 20);
  });

  it("gives each frame memory of its own", async () => {
    const [first, second] = (await allOf([framed(Uint8Array.of(1, 2), Uint8Array.of(3))], 9)) as Uint8Array[];
    expect(first!.buffer.byteLength).toBe(2);
    expect(second!.buffer).not.toBe(first!.buffer);
  });
});

describe("writeFrame", () => {
  it("resolves when the frame was taken, not before", async () => {
    const taken: (() => void)[] = [];
    const output = new Writable({ write: (_, __, done) => void taken.push(done), highWaterMark: 1 << 20 });
    let done = false;
    const writing = writeFrame(output, Uint8Array.of(1)).then(() => {
      done = true;
    });
    await new Promise(setImmediate);
    expect(done).toBe(false);
    taken.shift()!();
    await new Promise(setImmediate);
    taken.shift()!();
    await writing;
  });

  it("leaves no listener behind, however often it waits", async () => {
    const output = new PassThrough({ highWaterMark: 1 });
    const writing = Array.from({ length: 50 }, (_, index) => writeFrame(output, Uint8Array.of(index)));
    const listeners = (): number[] => ["close", "error", "drain"].map((name) => output.listenerCount(name));
    expect(listeners()).toEqual([0, 0, 0]);
    output.resume();
    await Promise.all(writing);
    expect(listeners()).toEqual([0, 0, 0]);
  });

  it("throws what a socket ends with, in the middle of a frame and afterwards", async () => {
    const server = createServer((accepted) => accepted.on("error", () => undefined).pause()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = connect(server.address() as { port: number });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    // More than the system keeps for whoever does not read.
    const writing = [1, 2].map(() => writeFrame(socket, new Uint8Array(16 << 20)).then(() => "written", String));
    socket.destroy(new Error("gone"));
    expect((await Promise.all(writing))[1]).toMatch(/Error/);
    await expect(writeFrame(socket, new Uint8Array(1))).rejects.toThrow();
    server.close();
  });

  it("is read by readFrames on the other side of a socket", async () => {
    const server = createServer((socket) => void socket.pipe(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = connect(server.address() as { port: number });
    const written = [new Uint8Array(0), new Uint8Array(300_000).fill(1), Uint8Array.of(2)];
    for (const payload of written) void writeFrame(socket, payload);
    socket.end();
    const read: Frame[] = [];
    for await (const frame of readFrames(socket, 1 << 20)) read.push(frame);
    expect(read).toEqual(written);
    server.close();
  });
});
