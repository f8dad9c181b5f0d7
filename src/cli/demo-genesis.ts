/**
 * The demo's input: the genesis states of @ethereumjs/genesis, written as geth alloc JSON, so that the demo imports
 * real states by the same way as a user's own file.
 */

/** An account as that package writes it: a balance, or balance, code, storage slots and nonce; all in 0x-hex. */
type GenesisAccount =
  | string
  | readonly [
      balance: string,
      code?: string,
      storage?: readonly (readonly [slot: string, value: string])[],
      nonce?: string,
    ];

/** Accounts by address. */
export type GenesisState = Readonly<Record<`0x${string}`, GenesisAccount>>;

/** The geth genesis `{"alloc":{…}}` of a state, an account a piece. */
export function* genesisAllocJson(state: GenesisState): Generator<string> {
  yield '{"alloc":{';
  let separator = "";
  for (const [address, account] of Object.entries(state)) {
    yield `${separator}${JSON.stringify(address)}:${JSON.stringify(allocAccount(account))}`;
    separator = ",\n";
  }
  yield "}}\n";
}

function allocAccount(account: GenesisAccount): Record<string, unknown> {
  if (typeof account === "string") return { balance: account };
  const [balance, code, storage, nonce] = account;
  const fields: Record<string, unknown> = { balance };
  if (nonce !== undefined) fields["nonce"] = nonce;
  if (code !== undefined) fields["code"] = code;
  if (storage !== undefined) fields["storage"] = Object.fromEntries(storage);
  return fields;
}
