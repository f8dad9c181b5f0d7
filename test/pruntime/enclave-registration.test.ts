/** Registrations that a hostile host drops, delays, passes to another operator, or asks for in the middle of others. */
import { describe, expect, test } from "vitest";
import type { Registration } from "../../src/protocol/call.ts";
import { reportData } from "../../src/protocol/attestation.ts";
import { readMessage } from "../../src/protocol/message.ts";
import { softwareMeasurement } from "../../src/pruntime/measurement.ts";
import { dstackVault, softwareVault } from "../../src/pruntime/vault.ts";
import { idOf, publicOf } from "../protocol/network.ts";
import { Authority, STRANGER, enclaveGenesis } from "./authority.ts";
import { agentQuote, startAgent } from "./dstack-agent.ts";
import { EnclaveHome, createGatekeeper, relay, said } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
const OPERATOR = idOf("rich");

/** A pRuntime that the chain does not have yet, and one that it has. */
async function newcomer(): Promise<{ home: EnclaveHome; chain: Authority }> {
  const home = await EnclaveHome.create(at("home"));
  return { home, chain: new Authority(enclaveGenesis([STRANGER], { measurements: [softwareMeasurement()] })) };
}

const register = (home: EnclaveHome, operator = OPERATOR): Promise<Registration> =>
  home.enclave.register(operator, (genesisHash, keys) => home.vault.attest({ genesisHash, ...keys }, null));

describe("a registration", () => {
  test("makes a pRuntime of the chain, that then changes its EcdhKey when it is due", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    expect(home.catchUp(chain)).toEqual([]);
    const { ecdhKey } = home.keys;
    expect(chain.register(await register(home))).toBe("done");
    expect(home.follow(chain)).toEqual([]);
    expect(home.enclave.status).toMatchObject({ registered: true, gatekeeper: false, ecdhKey });
    const [due] = relay(home, chain, 7, []);
    expect(said(due!)).toBe("1: setEcdhKey");
    chain.block([due!]);
    home.follow(chain);
    expect(home.keys.ecdhKey).toBe(readMessage(due!)!.call.value);
  });

  test("that never comes is in the way of none after it, and counts late as long as none did", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    home.catchUp(chain);
    const first = await register(home);
    chain.to(20);
    await home.restart();
    home.catchUp(chain);
    const second = await register(home);
    expect(second).toEqual(first);
    expect(chain.register(second)).toBe("done");
    expect(chain.register(first)).toBe("StaleRegistration");
    home.follow(chain);
    expect(home.enclave.status.registered).toBe(true);
  });

  test("that comes late is stale once anything else of its IdentityKey came", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    home.catchUp(chain);
    chain.register(await register(home));
    home.follow(chain);
    const late = await register(home);
    const [due] = relay(home, chain, 7, []);
    chain.block([due!]);
    home.follow(chain);
    expect(chain.register(late)).toBe("StaleRegistration");
    home.follow(chain);
    expect(home.enclave.status.registered).toBe(true);
  });

  test("counts for the operator alone that it was signed for, and with what was signed", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    home.catchUp(chain);
    const registration = await register(home);
    expect(chain.register(registration, "a")).toBe("BadProof");
    expect(chain.register({ ...registration, ecdhKey: publicOf("another") })).toBe("BadProof");
    expect(chain.register({ ...registration, identityKey: STRANGER.identityKey })).toBe("BadProof");
    expect(chain.register({ ...registration, attestation: new Uint8Array(1) })).toBe("BadProof");
    expect(chain.register(registration)).toBe("done");
    home.follow(chain);
    expect(chain.register(await register(home, idOf("a")), "a")).toBe("NotOperator");
  });

  test("of one chain counts on no other", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    home.catchUp(chain);
    const other = new Authority({ ...chain.ledger.genesis, name: Buffer.from("another") });
    expect(other.register(await register(home))).toBe("BadProof");
  });

  test("is known by the chain to a pRuntime whose files are from before it: that one does not act", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    home.catchUp(chain);
    const before = home.keep();
    chain.register(await register(home));
    await home.restart(before);
    expect(() => home.catchUp(chain)).toThrow(refusedWith("SEALED_STATE_OLD"));
    await expect(register(home)).rejects.toEqual(refusedWith("SEALED_STATE_OLD"));
  });

  test("is not signed before the chain was followed to where it was", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    await expect(register(home)).rejects.toEqual(refusedWith("NOT_FOUND"));
    home.catchUp(chain);
    chain.to(3);
    home.follow(chain);
    await register(home);
    await home.restart();
    home.enclave.join(chain.genesis);
    await expect(register(home)).rejects.toEqual(refusedWith("NOT_FOUND"));
    home.follow(chain);
    expect(chain.register(await register(home))).toBe("done");
  });
});

describe("a gatekeeper that is asked for a registration", () => {
  test("which never comes, still says what is due, and nothing old again", async () => {
    const { home, chain } = await createGatekeeper(at("home"));
    using _ = home;
    chain.block(home.catchUp(chain));
    chain.block(home.follow(chain));
    expect(home.follow(chain)).toEqual([]);
    await register(home);
    expect(home.follow(chain)).toEqual([]);
    const due = relay(home, chain, 3, []);
    expect(due.map(said)).toEqual(["2: heartbeat of session 2"]);
    await register(home);
    await home.restart();
    expect(home.catchUp(chain)).toEqual(due);
    chain.block(due);
    expect(chain.outcomes).toEqual(["done"]);
  });

  test("while its EcdhKey changes, is registered with the one that it has then", async () => {
    const { home, chain } = await createGatekeeper(at("home"), { measurements: [softwareMeasurement()] });
    using _ = home;
    const due = relay(home, chain, 6, home.catchUp(chain));
    const attested: string[] = [];
    const registration = await home.enclave.register(OPERATOR, (genesisHash, keys) => {
      attested.push(keys.ecdhKey);
      // Brought by the host while evidence is made: whether it says that there are more blocks, or not.
      if (attested.length === 1) {
        chain.block(due);
        home.follow(chain, true);
      }
      return home.vault.attest({ genesisHash, ...keys }, null);
    });
    expect(attested).toEqual([chain.ledger.genesis.workers[0]!.ecdhKey, readMessage(due[0]!)!.call.value]);
    expect(registration.ecdhKey).toBe(attested[1]);
    expect(chain.register(registration)).toBe("done");
    home.follow(chain);
    expect(home.enclave.status).toMatchObject({ registered: true, ecdhKey: attested[1] });
  });
});

describe("evidence", () => {
  test("of software is its own measurement", async () => {
    const { home, chain } = await newcomer();
    using _ = home;
    home.catchUp(chain);
    const { attestation } = await register(home);
    const plain = await softwareVault(softwareMeasurement(), null).attest(
      { genesisHash: new Uint8Array(32), identityKey: "", ecdhKey: "" },
      null,
    );
    expect(attestation).toEqual(plain);
  });

  test("of a dstack machine is a quote over chain and keys, with the collateral that the host brings", async () => {
    await using agent = await startAgent(at("dstack.sock"));
    const vault = dstackVault(at("dstack.sock"));
    using home = await EnclaveHome.create(at("home"), vault);
    expect(home.enclave.status.software).toBe(false);
    const chain = new Authority(enclaveGenesis([STRANGER]));
    home.catchUp(chain);
    const asked: [Uint8Array, object][] = [];
    const withCollateral = (collateral: Uint8Array | null) =>
      home.enclave.register(OPERATOR, (genesisHash, keys) => {
        asked.push([genesisHash, keys]);
        return vault.attest({ genesisHash, ...keys }, collateral);
      });
    await expect(withCollateral(null)).rejects.toEqual(refusedWith("INVALID_ARGUMENT"));
    await expect(withCollateral(Buffer.from("{}"))).rejects.toEqual(refusedWith("ATTESTATION_INVALID"));
    expect(asked[0]).toEqual([chain.ledger.genesisHash, home.keys]);
    const { identityKey, ecdhKey } = home.keys;
    const bound = Buffer.from(reportData(chain.ledger.genesisHash, identityKey, ecdhKey));
    const quotes = agent.requests.filter(({ url }) => url === "/GetQuote").map(({ body }) => body);
    expect(quotes).toEqual([JSON.stringify({ report_data: bound.toString("hex") })]);
    expect(agentQuote(bound).includes(bound)).toBe(true);
    // Nothing was signed for evidence that there is none of.
    await home.restart();
    home.catchUp(chain);
    expect(home.enclave.status).toMatchObject({ registered: false, software: false });
  });
});
