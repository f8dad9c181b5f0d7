/** A pRuntime whose words a test chooses: in the place of a process, or at the other end of a socket. */
import { EventEmitter, once } from "node:events";
import { type Server, type Socket, createServer } from "node:net";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { readFrames, writeFrame } from "../../src/frames.ts";
import {
  type Answer,
  FRAME_BYTES_MAX,
  type Numbered,
  type Reply,
  type Request,
  decodeRequest,
  encodeReply,
} from "../../src/pruntime/boundary.ts";

/** One conversation, from the pRuntime's side. */
export class Scripted {
  /** What the host has asked for, hello included. */
  readonly asked: Numbered<Request>[] = [];
  /** Fires when the host sends nothing more. */
  readonly ended: Promise<void>;
  readonly #output: Writable;
  readonly #speaks: boolean;
  #changed = (): void => undefined;

  /** @param speaks - whether it speaks a version of the host's. */
  constructor(input: Readable, output: Writable, speaks = true) {
    this.#output = output;
    this.#speaks = speaks;
    output.on("error", () => undefined);
    this.ended = this.#read(input).catch(() => undefined);
  }

  /** Waits for so many requests, hello included, and gives the last of them. */
  async request(count: number): Promise<Numbered<Request>> {
    while (this.asked.length < count) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this.asked[count - 1]!;
  }

  say(id: number, body: Reply): void {
    this.sayBytes(encodeReply({ id, body }));
  }

  done(id: number, value: Answer): void {
    this.say(id, { tag: "done", value });
  }

  sayBytes(payload: Uint8Array): void {
    writeFrame(this.#output, payload).catch(() => undefined);
  }

  #answerHello(id: number, version: number): void {
    if (this.#speaks) this.done(id, { tag: "hello", value: version });
    else this.say(id, { tag: "failed", value: { code: "BOUNDARY_REFUSED", message: "another version", detail: {} } });
  }

  async #read(input: Readable): Promise<void> {
    for await (const frame of readFrames(input, FRAME_BYTES_MAX)) {
      const { id, body } = decodeRequest(frame as Uint8Array);
      if (typeof body === "string") throw new Error(`the host said what is ${body}`);
      this.asked.push({ id, body });
      if (body.tag === "hello") this.#answerHello(id, body.value[0]!);
      this.#changed();
    }
  }
}

/** What stands in the place of a process that was started. */
export class ScriptedProcess extends EventEmitter {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly talk: Scripted;
  killed = false;

  constructor(speaks = true) {
    super();
    this.talk = new Scripted(this.stdin, this.stdout, speaks);
  }

  /** Ends by itself. */
  exit(code: number): void {
    this.stdout.end();
    this.emit("exit", code, null);
  }

  kill(): boolean {
    this.killed = true;
    this.stdout.destroy();
    this.emit("exit", null, "SIGKILL");
    return true;
  }
}

/** Listens at a path, and gives one conversation after the other. */
export class ScriptedListener implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #changed = (): void => undefined;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      socket.on("error", () => undefined);
      this.#sockets.push(socket);
      this.#changed();
    });
  }

  static async at(path: string): Promise<ScriptedListener> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const listener = new ScriptedListener(server);
    server.listen(path);
    await once(server, "listening");
    return listener;
  }

  /** The connection of this number, from 0, when it is there; nothing is read of it before. */
  async connection(index: number): Promise<Socket> {
    while (this.#sockets.length <= index) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    return this.#sockets[index]!;
  }

  async talk(index: number): Promise<Scripted> {
    const socket = await this.connection(index);
    return new Scripted(socket, socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
