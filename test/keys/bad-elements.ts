/** Encodings that are no elements, by what is wrong with them. */
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const compressed = (prefix: number, x: bigint): Uint8Array =>
  fromHex(prefix.toString(16).padStart(2, "0") + x.toString(16).padStart(64, "0"));

const P = 2n ** 256n - 2n ** 32n - 977n;
const GENERATOR_X = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;

const uncompressed = (prefix: number, x: bigint, y: bigint): Uint8Array =>
  fromHex(
    [prefix.toString(16).padStart(2, "0"), x.toString(16).padStart(64, "0"), y.toString(16).padStart(64, "0")].join(""),
  );
const GENERATOR_Y = 0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n;
/** The y of x = 1 that is even. */
const Y_OF_1 = 0x4218f20ae6c646b363db68605822fb14264ca8d2587fdd6fbc750d587e76a7een;

/** SEC 1 §2.3.4 refuses all of them. */
export const BAD_UNCOMPRESSED_SECP256K1: Readonly<Record<string, Uint8Array>> = {
  "the place of an identity": new Uint8Array(65),
  "the origin": uncompressed(4, 0n, 0n),
  "a point off the curve": uncompressed(4, GENERATOR_X, GENERATOR_Y ^ 1n),
  "a point of y² = x³ + 2": uncompressed(4, P - 1n, 1n),
  "x = p + 1, though x = 1 is on the curve": uncompressed(4, P + 1n, Y_OF_1),
  "y + p": uncompressed(4, GENERATOR_X, 2n ** 256n - 1n),
  "all ones": new Uint8Array(65).fill(255),
  ...Object.fromEntries(
    [0, 2, 3, 5, 6, 7, 255].map((prefix) => [`prefix ${prefix}`, uncompressed(prefix, GENERATOR_X, GENERATOR_Y)]),
  ),
};

/** SEC 1 §2.3.4 refuses all of them. */
export const BAD_SECP256K1: Readonly<Record<string, Uint8Array>> = {
  "the place of an identity": new Uint8Array(33),
  "x = 0, which is not on the curve": compressed(2, 0n),
  "x = 5, which is not on the curve": compressed(3, 5n),
  "x = p": compressed(2, P),
  "x = p + 1, though x = 1 is on the curve": compressed(2, P + 1n),
  "x of all ones": compressed(3, 2n ** 256n - 1n),
  "prefix 0": compressed(0, GENERATOR_X),
  "prefix 1": compressed(1, GENERATOR_X),
  "prefix 4": compressed(4, GENERATOR_X),
  "prefix 6, hybrid": compressed(6, GENERATOR_X),
  "prefix 255": compressed(255, GENERATOR_X),
};

/** Of each kind that RFC 9496 §A.2 has, one. */
export const BAD_RISTRETTO255: Readonly<Record<string, Uint8Array>> = {
  "the identity": new Uint8Array(32),
  "s = p, the identity not reduced": fromHex(`ed${"ff".repeat(30)}7f`),
  "s = p − 1": fromHex(`ec${"ff".repeat(30)}7f`),
  "all ones": new Uint8Array(32).fill(255),
  "a negative s": fromHex(`01${"00".repeat(31)}`),
  "the generator with the top bit set": fromHex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2df6"),
  "a non-square": fromHex("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),
};
