/**
 * Small files that hold or seal keys: created or replaced whole or not at all, never overwritten in place, on disk before
 * anyone relies on them, and destroyed as far as a file system allows.
 *
 * Creation writes a temporary file beside the target, syncs it and gives it the target's name with link(2), which
 * fails if the name is taken: of any number of processes that race, exactly one wins. Replacement does the same with
 * rename(2), which takes the name away from the old file; a secret has another name meanwhile, by which it is destroyed. Limits: the
 * file system must know hard links; Windows has no way to sync a folder; and overwriting reaches the blocks that the file has now, not
 * copies that a copy-on-write file system, a flash controller or a backup made.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { GatekeeperError } from "./errors.ts";

const OWNER_ONLY = 0o600;
/** Each attempt can only fail because another process swept this one's temporary file; that process then made progress. */
const CREATE_ATTEMPTS = 16;

/** A small file's bytes and who may access it. */
export interface SmallFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** POSIX permission bits. */
  readonly mode: number;
}

/**
 * Creates `path` with mode 0600 unless it exists; either way the file and its name are on disk afterwards. Temporary
 * files that interrupted calls left for the same name are removed.
 * @returns whether this call created it; if not, what was there is untouched.
 * @throws GatekeeperError IO_FAILED.
 */
export function createOnce(path: string, bytes: Uint8Array): boolean {
  for (let attempt = 1; ; attempt++) {
    const temporary = newTemporary(path);
    const outcome = systemCall(path, "created", () => {
      writeNew(temporary, bytes);
      return linked(temporary, path);
    });
    if (outcome === "swept" && attempt < CREATE_ATTEMPTS) continue;
    removeTemporaries(path);
    syncFolder(dirname(path));
    if (outcome === "swept") {
      throw new GatekeeperError("IO_FAILED", `${path} can't be created: its temporary files keep disappearing`, {
        file: path,
      });
    }
    return outcome === "created";
  }
}

/**
 * Replaces `path`, or creates it, with mode 0600: after a kill at any point the old file is there or the new one, and
 * after a return the new one is on disk. For one writer at a time. What interrupted calls left is removed.
 * @throws GatekeeperError IO_FAILED; the old file is there then, or the new one, when only the folder can't be synced.
 */
export function replaceFile(path: string, bytes: Uint8Array): void {
  removeTemporaries(path);
  const temporary = newTemporary(path);
  systemCall(path, "replaced", () => {
    writeNew(temporary, bytes);
    try {
      renameSync(temporary, path);
    } catch (error) {
      removeIfThere(temporary);
      throw error;
    }
  });
  syncFolder(dirname(path));
}

/**
 * Does what replaceFile does, and destroys the old file as destroyFile does it, with what interrupted calls left of that.
 * @throws GatekeeperError IO_FAILED as replaceFile; or where the old file can't be destroyed: the next call tries that again.
 */
export function replaceSecret(path: string, bytes: Uint8Array): void {
  finishReplacing(path);
  systemCall(path, "replaced", () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile()) linkSync(path, replacedName(path));
  });
  try {
    replaceFile(path, bytes);
  } catch (error) {
    // Where it was replaced, and the folder could not be synced, the old file may be what is there after all.
    if (isSecondName(replacedName(path))) removeIfThere(replacedName(path));
    throw error;
  }
  destroyReplaced(path);
}

function isSecondName(path: string): boolean {
  return (lstatSync(path, { throwIfNoEntry: false })?.nlink ?? 0) > 1;
}

/** Destroys what an earlier call has replaced: only when it is on disk that the name is another file's. */
function finishReplacing(path: string): void {
  if (lstatSync(replacedName(path), { throwIfNoEntry: false }) === undefined) return;
  syncFolder(dirname(path));
  destroyReplaced(path);
}

/**
 * Creates `path` with mode 0600, for places without hard links (a memory stick); a crash may leave part of it.
 * @throws GatekeeperError ALREADY_EXISTS, IO_FAILED.
 */
export function createDirectly(path: string, bytes: Uint8Array): void {
  try {
    writeNew(path, bytes);
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw alreadyExists(path);
    throw ioFailed(path, "created", error);
  }
  syncFolder(dirname(path));
}

/**
 * Reads a file of at most `maxBytes`; null if there is none.
 * @throws GatekeeperError KEY_UNAVAILABLE when it is larger or not a regular file, IO_FAILED.
 */
export function readSmallFile(path: string, maxBytes: number): SmallFile | null {
  let descriptor: number;
  try {
    // Not blocking: opening a pipe that nobody writes to would wait for ever. Windows has neither.
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw ioFailed(path, "read", error);
  }
  try {
    const stats = systemCall(path, "read", () => fstatSync(descriptor));
    if (!stats.isFile() || stats.size > maxBytes) {
      throw new GatekeeperError("KEY_UNAVAILABLE", `${path} is not a file of at most ${maxBytes} bytes`, {
        file: path,
      });
    }
    const bytes = new Uint8Array(stats.size);
    let read = 0;
    for (let got = -1; got !== 0 && read < bytes.length; read += got) {
      got = systemCall(path, "read", () => readSync(descriptor, bytes, read, bytes.length - read, null));
    }
    return { bytes: read === bytes.length ? bytes : bytes.slice(0, read), mode: stats.mode & 0o777 };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Overwrites a file with random bytes, removes it and the temporary files of interrupted creations, and makes that
 * durable. Doing it again, or where there is no file, is no error: a call that was interrupted is simply repeated.
 * @throws GatekeeperError IO_FAILED.
 */
export function destroyFile(path: string): void {
  for (const victim of [path, replacedName(path), ...temporaries(path)]) {
    systemCall(victim, "destroyed", () => {
      if (overwrite(victim)) removeIfThere(victim);
    });
  }
  syncFolder(dirname(path));
}

/**
 * The names in a folder; none where the folder does not exist.
 * @throws GatekeeperError IO_FAILED.
 */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return [];
    throw ioFailed(folder, "read", error);
  }
}

/**
 * Makes sure that a folder is there, durably; a new one is its owner's alone (mode 0700).
 * @throws GatekeeperError IO_FAILED.
 */
export function makeFolder(folder: string): void {
  systemCall(folder, "created", () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  syncFolder(dirname(folder));
}

/**
 * Makes the names in a folder durable; nothing to do where the folder does not exist.
 * @throws GatekeeperError IO_FAILED.
 */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  try {
    const descriptor = openSync(folder, constants.O_RDONLY);
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw ioFailed(folder, "synced", error);
  }
}

/** What a creation or import that would overwrite something fails with. */
export function alreadyExists(path: string): GatekeeperError {
  return new GatekeeperError("ALREADY_EXISTS", `${path} exists already and is not overwritten`, { file: path });
}

/** Names the temporary file after its target, so that it is found again; no target begins with a dot. */
function temporaryPrefix(path: string): string {
  return `.${basename(path)}.new-`;
}

function newTemporary(path: string): string {
  return join(dirname(path), `${temporaryPrefix(path)}${randomBytes(8).toString("hex")}`);
}

/** The name that a file which is replaced has besides, until it is destroyed. */
function replacedName(path: string): string {
  return join(dirname(path), `.${basename(path)}.old`);
}

/** Destroys what was replaced, unless it has another name: that of the file itself, which was not replaced then. */
function destroyReplaced(path: string): void {
  const old = replacedName(path);
  systemCall(old, "destroyed", () => {
    const replaced = lstatSync(old, { throwIfNoEntry: false });
    if (replaced === undefined) return;
    if (replaced.isFile() && replaced.nlink === 1) overwrite(old);
    removeIfThere(old);
  });
}

/** Creates a file that must not exist, synced; removes it again if it can't be written whole. */
function writeNew(path: string, bytes: Uint8Array): void {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, OWNER_ONLY);
  try {
    for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
    fsyncSync(descriptor);
  } catch (error) {
    removeIfThere(path);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Gives the temporary file the target's name; "swept" when another process removed it meanwhile. */
function linked(temporary: string, path: string): "created" | "existed" | "swept" {
  try {
    linkSync(temporary, path);
    return "created";
  } catch (error) {
    if (codeOf(error) === "EEXIST") return "existed";
    if (codeOf(error) === "ENOENT") return "swept";
    removeIfThere(temporary);
    throw error;
  }
}

function temporaries(path: string): string[] {
  const prefix = temporaryPrefix(path);
  const folder = dirname(path);
  return namesIn(folder)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(folder, name));
}

/** Unlinks only: a temporary file may by now be another name of the target itself. */
function removeTemporaries(path: string): void {
  for (const temporary of temporaries(path)) systemCall(temporary, "removed", () => removeIfThere(temporary));
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** @returns false where there is no such file. */
function overwrite(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDWR);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
  try {
    const noise = randomBytes(fstatSync(descriptor).size);
    for (let at = 0; at < noise.length;) at += writeSync(descriptor, noise, at, noise.length - at, at);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return true;
}

function systemCall<T>(path: string, done: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw ioFailed(path, done, error);
  }
}

function ioFailed(path: string, done: string, cause: unknown): GatekeeperError {
  const systemCode = codeOf(cause) ?? null;
  const message = `${path} can't be ${done}: ${systemCode ?? String(cause)}`;
  return new GatekeeperError("IO_FAILED", message, { file: path, systemCode }, { cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
