// Verifies the holds of an actuator one by one, each by a question of its own.

import type { Hold } from '../incident/hold.ts';
import { NAMED_INCIDENTS } from './attempt.ts';
import { type Order, letterOf } from './dialect.ts';
import { type Finding, isJudged, newsOf, restedPagesOf } from './finding.ts';
import { type Answered, type Check, type CheckParts, type Verifiable, question, verdictAfter } from './question.ts';
import { verdictOnHold } from './verdict.ts';

/** Holds whose answer could not be believed are remembered up to this many. */
const MAX_DOUBTS = 1000;
/** What was found waits no longer than this to be recorded, while others are asked about. */
const TOLD_AFTER_MS = 1000;

export function createHoldCheck(parts: CheckParts): Check {
  const { holds, report, ask, facts, now, monotonic } = parts;
  /** Rounds in a row that ended because there was no answer at all. */
  let silent = 0;
  /** How often in a row the answer about a hold could not be believed, by its seq. */
  const doubts = new Map<number, number>();

  async function verify(hold: Hold, of: Verifiable, giveUp: AbortSignal): Promise<Answered | null> {
    const { dialect, push } = of.actuator;
    const letter = letterOf(dialect, orderOf(hold, of), () => ({ class: '', model_name: '' }), of.secret, now());
    return letter && question(of, { path: push.path, ...letter }, verdictOnHold, ask, giveUp);
  }

  function orderOf(hold: Hold, { verify: { every_ms } }: Verifiable): Order {
    const { id, action, target, params, incident_id, created_at, expires_at, version } = hold;
    const at = now().getTime();
    return {
      ...{ id: `${id}.verify.${at}`, op: 'verify', action, target, params, hold_id: id, incident_id },
      ...{ incidents: facts.owners(hold.seq, NAMED_INCIDENTS), reason: 'verification', attempt: 1, created_at, expires_at },
      ...{ deadline: new Date(at + every_ms).toISOString(), drill: false, seq: version },
    };
  }

  function findingOf(hold: Hold, answered: Answered): Finding[] {
    if ('verdict' in answered) {
      doubts.delete(hold.seq);
      return newsOf(hold, answered.verdict);
    }
    const misses = (doubts.get(hold.seq) ?? 0) + 1;
    if (doubts.size >= MAX_DOUBTS) doubts.clear();
    doubts.set(hold.seq, misses);
    const verdict = verdictAfter(misses, answered.missed);
    return verdict ? newsOf(hold, verdict) : [];
  }

  /** @throws what the recorder throws */
  async function tell(found: Finding[]): Promise<void> {
    if (found.length > 0) await report(found.splice(0));
  }

  async function allFell(actuator: string, reason: string): Promise<void> {
    const verdict = verdictAfter(silent, reason);
    if (!verdict) return;
    for await (const page of restedPagesOf(holds, actuator)) await tell(page.filter(isJudged).flatMap((hold) => newsOf(hold, verdict)));
  }

  return {
    async round(of, giveUp) {
      let any = false;
      for await (const page of restedPagesOf(holds, of.actuator.name)) {
        const found: Finding[] = [];
        let toldAt = monotonic();
        for (const hold of page.filter(isJudged)) {
          const answered = await verify(hold, of, giveUp);
          if (!answered || giveUp.aborted) return false;
          if (answered.silent && 'missed' in answered) {
            silent += 1;
            await tell(found);
            await allFell(of.actuator.name, answered.missed);
            return false;
          }
          silent = 0;
          any ||= 'verdict' in answered;
          found.push(...findingOf(hold, answered));
          if (monotonic() - toldAt < TOLD_AFTER_MS) continue;
          toldAt = monotonic();
          await tell(found);
        }
        await tell(found);
      }
      return any;
    },
    changed: () => {},
  };
}
