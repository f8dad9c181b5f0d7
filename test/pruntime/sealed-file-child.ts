/** Writes the next version for ever, and says its number once it has it: `node sealed-file-child.ts FILE`. */
import { openVersions, versionBytes, versionIn } from "./sealed-file-versions.ts";

const file = openVersions(process.argv[2]!);
for (let version = versionIn(file) + 1; ; version++) {
  file.write(versionBytes(version));
  process.stdout.write(`${version}\n`);
}
