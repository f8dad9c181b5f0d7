import { describe, expect, it } from "vitest";
import { type KeyPathContender, NOBLE_KEY_PATH, OUR_KEY_PATH, checkKeys } from "../../bench/threshold-keys.ts";
import { randomScalar } from "../../bench/curve-workload.ts";

describe.each([NOBLE_KEY_PATH, OUR_KEY_PATH])("contract keys from shares by $column", ({ make }: KeyPathContender) => {
  const workload = { masterKey: randomScalar(), ids: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] };

  it("are those of the MasterKey each time, and the check sees when they aren't", () => {
    const { whole, derive } = make(workload);
    const keys = whole();
    expect(whole()).toEqual(keys);
    expect([derive(), derive()]).toEqual([keys, keys]);
    expect(() => checkKeys("theirs", workload, keys, 1)).not.toThrow();
    const wrong = keys.with(-1, keys.at(-1)! ^ 1);
    expect(() => checkKeys("theirs", workload, wrong, 1)).toThrow("theirs: key 1 is wrong");
    expect(() => checkKeys("theirs", { ...workload, masterKey: randomScalar() }, keys, 1)).toThrow("key 0 is wrong");
    expect(() => checkKeys("theirs", workload, keys.subarray(32), 1)).toThrow("not one key a contract");
  });
});
