// What the rest of the house may ask of the write path: report, step, note, reload, start, stop.

import type { Events, RequestMark } from '../incident/events.ts';
import type { Report } from '../incident/report.ts';
import type { StepName } from '../incident/lifecycle.ts';
import type { Damage, Synced } from '../audit/segments.ts';
import type { Log } from '../log.ts';
import type { Policy } from '../policy/policy.ts';
import type { Token } from '../access/token.ts';
import { type Caller, OURSELVES } from './caller.ts';
import { damageFinding, forgeryFinding } from './findings.ts';
import { doneBefore, keepDone } from './once.ts';
import type { Draft } from './draft.ts';
import type { Queue } from './queue.ts';
import type { Reported } from './occurrence.ts';
import { findingChange, reportChange } from './report.ts';
import { type Changed, type StepRequest, noteChange, stepChange } from './steps.ts';
import type { Receipt } from '../incident/incident.ts';

export interface Recorder {
  report(report: Report, caller: Caller, mark: RequestMark | null): Promise<Reported>;
  step(step: StepName, request: StepRequest): Promise<Changed>;
  note(request: StepRequest & { note: string }): Promise<Changed>;
  /** Puts a checked policy in force and records it and the tokens; null when this very request had done it before. */
  adopt(policy: Policy, tokens: readonly Token[], caller: Caller, mark: RequestMark | null): Promise<Receipt | null>;
  /** Records something about the service itself. */
  tell<T extends EventType>(type: T, data: Events[T]): Promise<Receipt>;
  /** Ends the newest file of the log: this is its last record. */
  endFile(): Promise<void>;
  /** Records that a file of the log was not what was written to it, and reports it. */
  found(damage: Damage): Promise<void>;
  /** Reports that a record of the store is not the one that was written. */
  foundForged(seq: number, reason: string): Promise<void>;
  /** Remembers what is durable in the log file. */
  remember(synced: Synced): Promise<void>;
}

type EventType = keyof Events;

export function createRecorder({ queue, log }: { queue: Queue; log: Log }): Recorder {
  return {
    report: async (report, caller, mark) => queue.submit(reportChange({ report, caller, mark, own: null }, log)),
    step: async (step, request) => queue.submit(stepChange(step, request, log)),
    note: async (request) => queue.submit(noteChange(request)),
    adopt: async (policy, tokens, caller, mark) =>
      queue.submit((draft) => {
        if (doneBefore(draft, mark)) return null;
        const receipt = adopt(draft, policy, tokens, caller, mark);
        keepDone(draft, mark, null, receipt);
        return receipt;
      }),
    tell: async (type, data) => queue.submit((draft) => draft.record(type, null, OURSELVES.actor, data)),
    endFile: async () => void (await queue.submit((draft) => draft.record('log.rotated', null, OURSELVES.actor, {}))),
    found: async (damage) => queue.submit((draft) => foundChange(draft, damage, log)),
    foundForged: async (seq, reason) => {
      log.critical('a record of the store is not the one that was written', { seq, reason });
      await queue.submit(findingChange(forgeryFinding(seq, reason), log));
    },
    remember: async (synced) =>
      queue.submit((draft) => {
        draft.canWait();
        draft.meta.setSynced(synced);
      }),
  };
}

/** Records that a file of the log was damaged, and makes it an incident of our own. */
export function foundChange(draft: Draft, damage: Damage, log: Log): void {
  draft.record('log.recovered', null, OURSELVES.actor, { reason: damage.reason, damaged: damage.file, restored: null, went_on_as: null });
  findingChange(damageFinding(damage), log)(draft);
}

/** Records a policy and who may do what under it; the policy is in force for every change after this one. */
export function adopt(
  draft: Draft,
  policy: Policy,
  tokens: readonly Token[],
  { actor }: Caller,
  request: RequestMark | null = null,
): Receipt {
  const { sha256, from, mode, text } = policy;
  const isNew = draft.meta.keepPolicy(sha256, text);
  const receipt = draft.record('policy.loaded', null, actor, {
    ...{ sha256, from, rules: policy.rules.size, mode, ...(isNew ? { text } : {}) },
    request,
  });
  const told = tokens.map(({ name, role, sources, classes }) => ({ name, role, sources, classes }));
  draft.record('tokens.loaded', null, actor, { tokens: told });
  draft.policy = policy;
  return receipt;
}
