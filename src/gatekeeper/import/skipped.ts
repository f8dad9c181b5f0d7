/** The part of a document that an import has no use for: any JSON, checked but not kept. */
import { Rule, type StringForm } from "./json-rule.ts";
import type { Place } from "./place.ts";
import { VALUE_BYTES_MAX } from "./state-entry.ts";

/** As long as the hex of the largest state: whoever writes one may write it in a part that is skipped. */
const SKIPPED: StringForm = {
  as: "nothing",
  maxBytes: 2 + 2 * VALUE_BYTES_MAX,
  name: "a string",
  tooLarge: "IMPORT_INVALID",
};

/** Takes any value and forgets it; the one rule that may be nested in itself. */
export class SkippedRule extends Rule {
  override readonly strings = SKIPPED;
  override readonly keys = SKIPPED;
  override readonly items = true;

  constructor(place: Place) {
    super(place, "any value");
  }

  override text(): void {
    return;
  }

  override number(): void {
    return;
  }

  override literal(): void {
    return;
  }

  override textKey(): Rule {
    return this;
  }

  override item(): Rule {
    return this;
  }
}
