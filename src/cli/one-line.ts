/** Text from outside as it may stand on a terminal. */

/** Names may hold anything; what stands on one line must not leave it, nor steer a terminal. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
}
