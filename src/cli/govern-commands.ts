/** `govern`: votes of a chain's governance. */
import { type Command, Option } from "commander";
import { GatekeeperError } from "../errors.ts";
import type { Action } from "../protocol/call.ts";
import { currentSharing } from "../protocol/key-session.ts";
import { ENVELOPE_VERSIONS, type Migration } from "../protocol/migration.ts";
import type { State } from "../protocol/state.ts";
import { SUITES, type Suite } from "../pruntime/boundary.ts";
import { hashArgument, keySuiteArgument, numberArgument, publicKeyArgument, withKey } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import type { Terminal } from "./terminal.ts";
import { sendAndTell } from "./transaction-commands.ts";

interface GovernOptions extends CommonOptions {
  readonly key: string;
}

interface MigrateOptions extends GovernOptions {
  readonly height: number;
  readonly measurement?: string;
  readonly cipherSuite?: Suite;
  readonly keySuite?: Migration["keySuite"];
  readonly store?: string;
}

/** Adds the commands. */
export function addGovernCommands(program: Command, terminal: Terminal): void {
  const govern = program
    .command("govern")
    .description("vote, with a key of governance, for what is done when enough of its members have voted for it");
  const command = (name: string, description: string): Command =>
    withKey(withCommonOptions(govern.command(name)), "--key").description(description);
  const vote = (options: GovernOptions, action: Action): Promise<void> =>
    sendAndTell(terminal, options, options.key, ({ state }) => ({
      tag: "govern",
      value: { round: state.governanceRound, action },
    }));
  command("launch", "have the gatekeepers make the first MasterKey").action((options: GovernOptions) =>
    vote(options, { tag: "launch", value: undefined }),
  );
  command("rotate", "order a MasterKey rotation").action((options: GovernOptions) =>
    vote(options, { tag: "rotate", value: undefined }),
  );
  command("set-rotation-interval", "have rotations begin by themselves")
    .argument("<blocks>", "from one rotation to the next; 0: none but by order", numberArgument)
    .action((blocks: number, options: GovernOptions) => vote(options, { tag: "setRotationInterval", value: blocks }));
  command("add-rotation-worker", "let a pRuntime that holds no share take part in rotations")
    .argument("<identity-key>", "its public IdentityKey", publicKeyArgument)
    .action((identityKey: string, options: GovernOptions) =>
      vote(options, { tag: "setRotationWorker", value: { identityKey, may: true } }),
    );
  command("remove-rotation-worker", "let it take part no longer")
    .argument("<identity-key>", "its public IdentityKey", publicKeyArgument)
    .action((identityKey: string, options: GovernOptions) =>
      vote(options, { tag: "setRotationWorker", value: { identityKey, may: false } }),
    );
  command("set-store", "say which store is the network's, in the place of the one that was announced")
    .argument("<id>", "its id: gatekeeper store show; of the one in force: gatekeeper status", hashArgument)
    .action((store: string, options: GovernOptions) => vote(options, { tag: "setStore", value: store }));
  command("quarantine", "have records of a partition put aside that nobody can open")
    .argument("<rotation>", "the rotation id that is gone to", numberArgument)
    .argument("<partition>", "its number: gatekeeper status", numberArgument)
    .action((rotationId: number, partition: number, options: GovernOptions) =>
      vote(options, { tag: "quarantine", value: { rotationId, partition } }),
    );
  command(
    "close-abandonment",
    "end a rotation whose abandonment is late and can't end: that the old MasterKey is destroyed stays unproved",
  )
    .argument("<rotation>", "the rotation id that is gone to", numberArgument)
    .action((rotationId: number, options: GovernOptions) =>
      vote(options, { tag: "closeAbandonment", value: rotationId }),
    );
  command("allow", "let pRuntimes of a measurement serve")
    .argument("<measurement>", "0x and 64 hex digits", hashArgument)
    .action((measurement: string, options: GovernOptions) => vote(options, { tag: "allow", value: measurement }));
  command("withdraw", "let them serve no longer")
    .argument("<measurement>", "0x and 64 hex digits", hashArgument)
    .action((measurement: string, options: GovernOptions) => vote(options, { tag: "withdraw", value: measurement }));
  command("cancel-slash", "cancel a slash that waits")
    .argument("<id>", "its number: gatekeeper chain show", numberArgument)
    .action((id: number, options: GovernOptions) => vote(options, { tag: "cancelSlash", value: id }));
  command("migrate", "order a migration of all states; what is not named stays as it is")
    .requiredOption("--height <block>", "from which block on it may begin", numberArgument)
    .option(
      "--measurement <hash>",
      "of the pRuntimes that they move to, which must hold the shares by then",
      hashArgument,
    )
    .option("--store <id>", "id of the store that they move to", hashArgument)
    .addOption(new Option("--cipher-suite <name>", "what they are sealed with there").choices(SUITES))
    .option("--key-suite <n>", "of the new MasterKey: 1 secp256k1, 2 ristretto255", keySuiteArgument)
    .action((options: MigrateOptions) =>
      sendAndTell(terminal, options, options.key, ({ state }) => ({
        tag: "govern",
        value: { round: state.governanceRound, action: { tag: "migrate", value: migrationOf(options, state) } },
      })),
    );
  command("cancel-migration", "call off a migration that was ordered, or has not switched yet").action(
    (options: GovernOptions) => vote(options, { tag: "cancelMigration", value: undefined }),
  );
}

/** @throws GatekeeperError NOT_FOUND where a suite is to stay as it is, and the network has no MasterKey yet. */
function migrationOf({ measurement, store, height, ...options }: MigrateOptions, state: State): Migration {
  const sharing = currentSharing(state);
  const cipherSuite = options.cipherSuite ?? sharing?.cipherSuite;
  const keySuite = options.keySuite ?? sharing?.keySuite;
  if (cipherSuite === undefined || keySuite === undefined) {
    const message =
      "the network has no MasterKey yet, whose suites could stay: name both, --cipher-suite and --key-suite";
    throw new GatekeeperError("NOT_FOUND", message);
  }
  return {
    measurement: measurement ?? null,
    envelopeVersion: ENVELOPE_VERSIONS.at(-1)!,
    cipherSuite,
    keySuite,
    store: store ?? null,
    height,
  };
}
