// A question to an actuator whether what it was told still stands: never rejects, whatever the actuator does.

import { type Aim, type AttemptParts, LONGEST_MS, whyNot } from './attempt.ts';
import type { Letter } from './dialect.ts';
import type { Answer } from './ask.ts';
import type { Finding, HoldPages, Verdict } from './finding.ts';
import type { Verified } from './verdict.ts';

/** A push actuator that is to be verified. */
export interface Verifiable extends Aim {
  readonly verify: { readonly every_ms: number; readonly get: string | null; readonly expect: Readonly<Record<string, unknown>> };
}

/** How one actuator is verified. */
export interface Check {
  /** One round over all its holds; reports only what is news. True when it answered. @throws what the store throws, and the recorder */
  round(of: Verifiable, giveUp: AbortSignal): Promise<boolean>;
  /** Its holds may not be what they were. */
  changed(): void;
}

export interface CheckParts extends AttemptParts {
  holds: HoldPages;
  /** The seq of the newest record. */
  head: () => number;
  /** Records what was found. @throws RecorderError */
  report: (findings: readonly Finding[]) => Promise<void>;
  /** Milliseconds that never go back. */
  monotonic: () => number;
}

const MISSES = 2;

/** A verdict, or why there is none; `silent`: there was no answer at all. */
export type Answered = Verified & { readonly silent?: boolean };

/** @param path where it is asked, if not where commands go */
export async function question(
  { actuator }: Aim,
  { path, headers, body }: { path: string; headers: Letter['headers']; body: string | null },
  judge: (answer: Answer) => Verified,
  ask: AttemptParts['ask'],
  giveUp: AbortSignal,
): Promise<Answered> {
  const method = body === null ? 'GET' : 'POST';
  const timeout_ms = Math.min(actuator.deadline_ms, LONGEST_MS);
  try {
    return judge(await ask({ method, address: { ...actuator.push, path }, headers, body, timeout_ms }, giveUp));
  } catch (error) {
    return { missed: whyNot(error), silent: true };
  }
}

/** What so many misses in a row come to; null = nothing yet. */
export function verdictAfter(misses: number, reason: string): Verdict | null {
  return misses < MISSES ? null : { stands: false, detail: `the actuator did not answer twice: ${reason}`, evidence: null };
}
