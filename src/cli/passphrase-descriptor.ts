/** Where a passphrase comes from: this process opens it, and passes it on unread. */
import { openSync } from "node:fs";
import { GatekeeperError } from "../errors.ts";

/**
 * A descriptor of the file, which is the caller's; of the terminal where none is named, which stays open.
 * @throws GatekeeperError IO_FAILED; USAGE when there is no terminal.
 */
export function passphraseDescriptor(file: string | undefined): number {
  if (file !== undefined) return opened(file);
  if (process.stdin.isTTY === true) return process.stdin.fd;
  throw new GatekeeperError("USAGE", "there is no terminal to type a passphrase on: give --passphrase-file FILE");
}

function opened(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const systemCode = String((cause as NodeJS.ErrnoException).code);
    const message = `${path} can't be read: ${systemCode}`;
    throw new GatekeeperError("IO_FAILED", message, { file: path, systemCode }, { cause });
  }
}
