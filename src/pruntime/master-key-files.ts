/**
 * The MasterKey generations of a home, each sealed in a file of its own: `FOLDER/<rotation id>.sealed`.
 *
 * A file is bound to the home's id and to its rotation id (AAD of sealer.ts: home id 16 ‖ rotation id 4, LE), so one
 * that was renamed or brought from another home is refused. Files appear whole, never change, and are destroyed when
 * their generation is abandoned; several processes may use the folder at once. What overwriting can't reach is said in
 * durable-file.ts; those remains stay sealed under the home's key-encryption key.
 */
import { join } from "node:path";
import { GatekeeperError } from "../errors.ts";
import { CONTEXT } from "../context.ts";
import { generateMasterKey, MASTER_KEY_BYTES, MasterKey } from "../keys/master-key.ts";
import { checkRotationId } from "../keys/rotation-id.ts";
import { createOnce, destroyFile, makeFolder, readSmallFile } from "../durable-file.ts";
import { SEAL_OVERHEAD, type Sealer } from "./sealer.ts";

/** Bytes of a home's id: random, given when the home is made, public. */
export const HOME_ID_BYTES = 16;

const FILE_BYTES = MASTER_KEY_BYTES + SEAL_OVERHEAD;

/** The sealed MasterKeys in one folder, of one sealer. */
export class MasterKeyFiles {
  readonly #folder: string;
  readonly #homeId: Uint8Array;
  readonly #sealer: Sealer;

  /**
   * @param folder - created with the first key.
   * @param homeId - HOME_ID_BYTES.
   * @param sealer - borrowed: must outlive this object, stays the caller's.
   * @throws GatekeeperError INVALID_ARGUMENT when the home id has another length.
   */
  constructor(folder: string, homeId: Uint8Array, sealer: Sealer) {
    if (homeId.length !== HOME_ID_BYTES) {
      throw new GatekeeperError("INVALID_ARGUMENT", `a home id has ${HOME_ID_BYTES} bytes, not ${homeId.length}`);
    }
    this.#folder = folder;
    this.#homeId = Uint8Array.from(homeId);
    this.#sealer = sealer;
  }

  /**
   * The MasterKey of a generation, generated and sealed first if there is none: whoever comes first wins, and all get
   * the same key, read back from its file. It is on disk when this returns. The caller owns it.
   * @throws GatekeeperError KEY_UNAVAILABLE when a file is there that does not open, IO_FAILED, INVALID_ARGUMENT.
   */
  create(rotationId: number): MasterKey {
    checkRotationId(rotationId);
    makeFolder(this.#folder);
    using fresh = generateMasterKey(rotationId);
    const binding = this.#binding(rotationId);
    const sealed = fresh.use((scalar) => this.#sealer.seal(CONTEXT.sealMasterKey, binding, scalar));
    createOnce(this.#file(rotationId), sealed);
    return this.open(rotationId);
  }

  /**
   * The MasterKey of a generation; the caller owns it.
   * @throws GatekeeperError KEY_UNAVAILABLE when there is none or its file does not open, IO_FAILED, INVALID_ARGUMENT.
   */
  open(rotationId: number): MasterKey {
    checkRotationId(rotationId);
    const path = this.#file(rotationId);
    const file = readSmallFile(path, FILE_BYTES);
    if (file === null) {
      throw new GatekeeperError("KEY_UNAVAILABLE", `there is no MasterKey ${rotationId}: ${path} does not exist`, {
        file: path,
        rotationId,
      });
    }
    const scalar = this.#sealer.unseal(CONTEXT.sealMasterKey, this.#binding(rotationId), file.bytes, path);
    return new MasterKey(rotationId, scalar);
  }

  /**
   * Destroys a generation's file: overwritten, removed, and both made durable. No error where there is none, so an
   * interrupted destruction is finished by asking again.
   * @throws GatekeeperError IO_FAILED, INVALID_ARGUMENT.
   */
  destroy(rotationId: number): void {
    checkRotationId(rotationId);
    destroyFile(this.#file(rotationId));
  }

  #file(rotationId: number): string {
    return join(this.#folder, `${rotationId}.sealed`);
  }

  #binding(rotationId: number): Uint8Array {
    const binding = new Uint8Array(HOME_ID_BYTES + 4);
    binding.set(this.#homeId);
    new DataView(binding.buffer).setUint32(HOME_ID_BYTES, rotationId, true);
    return binding;
  }
}
