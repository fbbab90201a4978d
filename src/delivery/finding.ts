// What was found about the holds of an actuator: only what is news, and page by page, however many there are.

import { type Hold, isInForce } from '../incident/hold.ts';
import type { Check as Finding } from '../recorder/checks.ts';

export type { Finding };
export type Verdict = Pick<Finding, 'stands' | 'detail' | 'evidence'>;

export interface HoldPages {
  /** What an actuator should have in force, behind `after`, oldest first. */
  desired(actuator: string, after: number, limit: number): Hold[];
}

const PAGE = 100;

/** Whether a state of its actuator can say that it stands, or not: what it was not told yet, or could not do, cannot. */
export function isJudged({ status }: Hold): boolean {
  return isInForce(status) || status === 'drifted';
}

/** The finding, when it says anything new of the hold. */
export function newsOf(hold: Hold, { stands, detail, evidence }: Verdict): Finding[] {
  const isNews = stands ? hold.status !== 'verified' : isInForce(hold.status);
  return isNews ? [{ hold: hold.seq, stands, detail, evidence, commanded: hold.version }] : [];
}

/** Read as they are asked for. @throws what the store throws */
export function* pagesOf(holds: HoldPages, actuator: string): Generator<readonly Hold[], undefined> {
  for (let after = 0; ;) {
    const page = holds.desired(actuator, after, PAGE);
    if (page.length > 0) yield page;
    const last = page.at(-1);
    if (!last || page.length < PAGE) return;
    after = last.seq;
  }
}

/** Others have their turn between two pages. @throws what the store throws */
export async function* restedPagesOf(holds: HoldPages, actuator: string): AsyncGenerator<readonly Hold[], void, undefined> {
  for (const page of pagesOf(holds, actuator)) {
    yield page;
    if (page.length === PAGE) await new Promise((resolve) => setImmediate(resolve));
  }
}
