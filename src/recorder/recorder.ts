// What the rest of the house may ask of the write path: report, step, note, reload, start, stop.

import type { Events, RequestMark } from '../incident/events.ts';
import type { Report } from '../incident/report.ts';
import type { StepName } from '../incident/lifecycle.ts';
import type { Log } from '../log.ts';
import type { Policy } from '../policy/policy.ts';
import type { Token } from '../access/token.ts';
import { type Caller, OURSELVES } from './caller.ts';
import { doneBefore, keepDone } from './once.ts';
import type { Draft } from './draft.ts';
import type { Queue } from './queue.ts';
import type { Reported } from './occurrence.ts';
import { reportChange } from './report.ts';
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
  /** Remembers what is durable in the log file. */
  remember(synced: { seq: number; offset: number }): Promise<void>;
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
        const receipt = adopt(draft, policy, tokens, caller);
        keepDone(draft, mark, null, receipt);
        return receipt;
      }),
    tell: async (type, data) => queue.submit((draft) => draft.record(type, null, OURSELVES.actor, data)),
    remember: async ({ seq, offset }) => queue.submit((draft) => draft.meta.setSynced(seq, offset)),
  };
}

/** Records a policy and who may do what under it; the policy is in force for every change after this one. */
export function adopt(draft: Draft, policy: Policy, tokens: readonly Token[], { actor }: Caller): Receipt {
  const { sha256, from, mode, text } = policy;
  const isNew = draft.meta.keepPolicy(sha256, text);
  const receipt = draft.record('policy.loaded', null, actor, { sha256, from, rules: policy.rules.size, mode, ...(isNew ? { text } : {}) });
  const told = tokens.map(({ name, role, sources, classes }) => ({ name, role, sources, classes }));
  draft.record('tokens.loaded', null, actor, { tokens: told });
  draft.policy = policy;
  return receipt;
}
