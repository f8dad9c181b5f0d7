/** Sequential Phragmén and star balancing in floating point, straight from the papers: nothing saturates or is rounded. */

/** Voter, stake, targets. */
export type FloatVoter = readonly [id: number, stake: number, targets: readonly number[]];
/** By voter, its targets with what they have: ratios, or stake. */
export type FloatAssignments = Map<number, Map<number, number>>;

/** The winners in the order in which they are elected, and the ratios of what voters give them. */
export function electFloat(
  seats: number,
  candidates: readonly number[],
  voters: readonly FloatVoter[],
): { winners: number[]; ratios: FloatAssignments } {
  const loads = new Map(voters.map(([id]) => [id, 0]));
  const shares: FloatAssignments = new Map(voters.map(([id]) => [id, new Map()]));
  const winners: number[] = [];
  while (winners.length < Math.min(seats, candidates.length)) {
    let best = Number.NaN;
    let bestScore = Number.POSITIVE_INFINITY;
    for (const candidate of candidates) {
      if (winners.includes(candidate)) continue;
      const approvers = voters.filter(([, , targets]) => targets.includes(candidate));
      const approval = approvers.reduce((sum, [, stake]) => sum + stake, 0);
      const score = approvers.reduce((sum, [id, stake]) => sum + (loads.get(id)! * stake) / approval, 1 / approval);
      if (score < bestScore) [best, bestScore] = [candidate, score];
    }
    winners.push(best);
    for (const [id, , targets] of voters) {
      if (!targets.includes(best)) continue;
      shares.get(id)!.set(best, bestScore - loads.get(id)!);
      loads.set(id, bestScore);
    }
  }
  const ratios: FloatAssignments = new Map();
  for (const [id, given] of shares) {
    if (given.size > 0) ratios.set(id, new Map([...given].map(([target, load]) => [target, load / loads.get(id)!])));
  }
  return { winners, ratios };
}

/** Ratios as stake. */
export function stakesOf(ratios: FloatAssignments, voters: readonly FloatVoter[]): FloatAssignments {
  const stakes = new Map(voters.map(([id, stake]) => [id, stake]));
  return new Map(
    [...ratios].map(([id, given]) => [
      id,
      new Map([...given].map(([target, ratio]) => [target, ratio * stakes.get(id)!])),
    ]),
  );
}

/** By target, the sum of what it gets. */
export function totalsOf(stakes: FloatAssignments): Map<number, number> {
  const totals = new Map<number, number>();
  for (const given of stakes.values()) {
    for (const [target, stake] of given) totals.set(target, (totals.get(target) ?? 0) + stake);
  }
  return totals;
}

/** Levels each voter's targets, one voter after the other, so many times over. */
export function equalizeFloat(stakes: FloatAssignments, iterations: number): void {
  const totals = totalsOf(stakes);
  for (let iteration = 0; iteration < iterations; iteration++) {
    for (const given of stakes.values()) {
      let pool = 0;
      for (const [target, stake] of given) {
        totals.set(target, totals.get(target)! - stake);
        pool += stake;
        given.set(target, 0);
      }
      // Pour into the lowest until it stands as high as the next one, then into both, and so on.
      const rising = [...given.keys()].sort((a, b) => totals.get(a)! - totals.get(b)!);
      for (let width = 1; width <= rising.length && pool > 0; width++) {
        const next = width < rising.length ? totals.get(rising[width]!)! : Number.POSITIVE_INFINITY;
        const lift = Math.min(next - totals.get(rising[0]!)!, pool / width);
        for (const target of rising.slice(0, width)) {
          totals.set(target, totals.get(target)! + lift);
          given.set(target, given.get(target)! + lift);
        }
        pool -= lift * width;
      }
    }
  }
}
