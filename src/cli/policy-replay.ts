// `policy replay`: a policy tried on all that a log tells, in a process of its own: what would have been otherwise.

import { isUtf8 } from 'node:buffer';
import { typeOf } from '../audit/record.ts';
import type { Verdict } from '../audit/verify.ts';
import { readRecord } from '../incident/recorded.ts';
import { type Bounds, REPLAYED, type Replayed, createPolicyReplay } from '../policy/replay.ts';
import type { Both } from '../policy/replay-tally.ts';
import { filesGiven } from './given.ts';
import { EXIT, print, printError } from './output.ts';
import { policyGiven } from './policy-check.ts';
import { readThrough } from './survey.ts';

export interface ReplayOptions {
  readonly json: boolean;
}

/** Some 100 MB at the very worst, whatever the size of the log. */
const BOUNDS: Bounds = { incidents: 25_000, holds: 25_000, windows: 2500, targets: 100_000 };
/** Longer than any head of a record with its type. */
const HEAD_LENGTH = 160;
const SHOWN = 20;

/** @returns 0 replayed, whatever would have changed · 3 the log is tampered with, and only what stands before that was replayed */
export async function replayPolicy(file: string, given: readonly string[], { json }: ReplayOptions): Promise<number> {
  const replay = createPolicyReplay(policyGiven(file), BOUNDS);
  const verdict = await readThrough(filesGiven(given), 'replaying', {
    onRecord(seq, _, line) {
      if (!REPLAYED.has(typeOf(line.toString('latin1', 0, HEAD_LENGTH)))) return;
      if (!isUtf8(line)) throw new Error(`record ${seq} is not UTF-8`);
      replay.take(readRecord(line.toString('utf8')));
    },
  });
  const { first, last, fault } = verdict;
  const outcome = replay.outcome();
  if (fault)
    printError(`TAMPERED: record ${fault.seq}, at byte ${fault.offset} of ${fault.file}, ${fault.reason}; nothing behind it was replayed`);
  if (json) print(JSON.stringify({ records: { first, last }, fault, ...outcome }));
  else tell(outcome, verdict).forEach(print);
  return fault ? EXIT.found : EXIT.ok;
}

function tell(replayed: Replayed, { first, last }: Pick<Verdict, 'first' | 'last'>): string[] {
  const { reports, incidents, by_action, targets, severity, approvals, not_taken, unjudged, changed } = replayed;
  return [
    `records ${first} to ${last} tell of ${reports} reports; under policy ${replayed.policy_sha256} ${changed.count} of them would have gone otherwise`,
    `incidents: ${both(incidents)}`,
    ...Object.entries(by_action).map(([name, orders]) => `${name}: ordered ${both(orders)}; on ${both(targets[name])} targets`),
    `approvals asked for: ${both(approvals)}`,
    ...Object.entries(replayed.refused).flatMap(([reason, orders]) =>
      unlessNone(orders, `refused for ${reason.replace('_', ' ')}: ${both(orders)}`),
    ),
    `severity: raised of ${severity.raised} reports, lowered of ${severity.lowered}`,
    ...(not_taken > 0 ? [`${not_taken} reports would have been refused: their class is not known to this policy`] : []),
    ...(unjudged > 0 ? [`${unjudged} reports joined incidents that began before the first record, and were only counted`] : []),
    ...protectedOf(replayed),
    ...changesOf(replayed),
    ...forgottenOf(replayed),
  ];
}

function both({ was, now }: Both = { was: 0, now: 0 }): string {
  return `was ${was}, would be ${now}`;
}

function unlessNone({ was, now }: Both, told: string): string[] {
  return was + now > 0 ? [told] : [];
}

function protectedOf({ protected: { count, first } }: Replayed): string[] {
  if (count === 0) return [];
  const told = first.slice(0, SHOWN).map(({ action, target, was, now, with_approval }) => {
    const wanted = now > 0 ? `, and wanted ${now} times by this policy's own rules` : '';
    return `  ${action} ${target}: ordered ${was} times${wanted}; it would ${with_approval ? 'wait for an approval' : 'be refused'}`;
  });
  return [`protected targets that were, or would be, acted on: ${count}${firstOf(told.length, count)}`, ...told];
}

function changesOf({ changed: { count, first } }: Replayed): string[] {
  if (count === 0) return [];
  const told = first
    .slice(0, SHOWN)
    .flatMap(({ seq, id, class: className, was, now }) => [
      `  record ${seq}, ${id}, ${className}`,
      `    was       ${fateOf(was)}`,
      `    would be  ${fateOf(now)}`,
    ]);
  return [`reports that would have gone otherwise: ${count}${firstOf(told.length / 3, count)}`, ...told];
}

type Fate = Replayed['changed']['first'][number]['was'];

const HOW: Record<Fate['how'], string> = {
  new: 'a new incident',
  joined: 'joins an incident',
  not_taken: 'refused: its class is not known',
};

function fateOf({ how, severity, actions }: Fate): string {
  return [HOW[how], ...(severity ? [severity] : []), ...(how === 'not_taken' ? [] : [actions.join(', ') || 'nothing is ordered'])].join(
    '; ',
  );
}

function firstOf(shown: number, count: number): string {
  return shown < count ? `; the first ${shown}:` : ':';
}

function forgottenOf({ forgotten }: Replayed): string[] {
  const told = Object.entries(forgotten).flatMap(([what, n]) => (n > 0 ? [`${n} ${what}`] : []));
  return told.length === 0 ? [] : [`not exact: for want of memory ${told.join(', ')} were forgotten on the way`];
}
