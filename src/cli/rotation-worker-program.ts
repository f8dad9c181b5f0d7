/** `rotation-worker`: takes part in the rotation that is under way in a home until it is finished. */
import { Command } from "commander";
import { type ThreadOptions, openHome, run, threadsOf, withCommonOptions, withThreads } from "./command-line.ts";
import { AT_CHECKPOINT, interruptible } from "./interruption.ts";
import { answerRotation, rotateHome } from "./rotation-commands.ts";

const WORDS = {
  stopping: AT_CHECKPOINT,
  advice: "run rotation-worker again, and it goes on where it stopped",
};

/** Runs `rotation-worker` with these arguments and sets the exit code. */
export function main(argv: readonly string[]): Promise<void> {
  return run("rotation-worker", argv, (terminal) =>
    withThreads(withCommonOptions(new Command("rotation-worker")))
      .description(
        "Takes part in the rotation that is under way in a home, or finishes one that was interrupted, and exits. " +
          "Several may run at once.",
      )
      .action(async (options: ThreadOptions) => {
        await using home = await openHome(options);
        const report = await interruptible(terminal, WORDS, (signal) =>
          rotateHome(home, false, { ...threadsOf(options), signal, progress: terminal.progress }),
        );
        await answerRotation(terminal, report);
      }),
  );
}
