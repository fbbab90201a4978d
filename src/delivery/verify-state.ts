// Verifies all holds of an actuator at once, by the state that it shows of itself.

import { headersOf } from './dialect.ts';
import { type Verdict, isJudged, newsOf, restedPagesOf } from './finding.ts';
import { type Check, type CheckParts, type Verifiable, question, verdictAfter } from './question.ts';
import { verdictOnState } from './verdict.ts';

/** Where nothing seems to have changed, all holds are looked at only every so many rounds. */
const ROUNDS = 10;

/** @param path where its state is asked for */
export function createStateCheck(path: string, { holds, head, report, ask }: CheckParts): Check {
  /** Misses in a row. */
  let misses = 0;
  /** Since all holds were looked at. */
  let rounds = 0;
  /** What was said of them then; null when there was none to speak of. */
  let last: boolean | null = null;

  async function verdictNow(of: Verifiable, giveUp: AbortSignal): Promise<Verdict | null> {
    const { verify, secret } = of;
    const asked = { path, headers: headersOf(secret), body: null };
    const answered = await question(of, asked, (answer) => verdictOnState(answer, verify.expect), ask, giveUp);
    misses = 'missed' in answered ? misses + 1 : 0;
    return 'missed' in answered ? verdictAfter(misses, answered.missed) : answered.verdict;
  }

  async function isAnyJudged(actuator: string): Promise<boolean> {
    for await (const page of restedPagesOf(holds, actuator)) if (page.some(isJudged)) return true;
    return false;
  }

  return {
    async round(of, giveUp) {
      const { name } = of.actuator;
      const isFresh = rounds === 0;
      rounds = (rounds + 1) % ROUNDS;
      if (isFresh ? !(await isAnyJudged(name)) : last === null) {
        last = null;
        return false;
      }
      // What moved after the question was asked cannot be judged by its answer.
      const before = head();
      const verdict = await verdictNow(of, giveUp);
      const isOver = () => giveUp.aborted;
      if (isOver()) return false;
      if (!verdict && isFresh) rounds = 0;
      if (!verdict || (!isFresh && verdict.stands === last)) return misses === 0;
      last = verdict.stands;
      for await (const page of restedPagesOf(holds, name)) {
        const found = page.filter((hold) => isJudged(hold) && hold.version <= before).flatMap((hold) => newsOf(hold, verdict));
        if (isOver()) return false;
        if (found.length > 0) await report(found);
      }
      return misses === 0;
    },
    changed: () => void (rounds = 0),
  };
}
