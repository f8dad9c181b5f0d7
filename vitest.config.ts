import { defineConfig } from "vitest/config";

const slow = process.env["SLOW"] === "1";

export default defineConfig({
  test: {
    include: slow ? ["test/**/*.slow.ts"] : ["test/**/*.test.ts"],
    testTimeout: slow ? 30 * 60_000 : 60_000,
    maxWorkers: 2,
  },
});
