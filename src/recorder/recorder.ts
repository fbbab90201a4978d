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
import { type Decided, type DecisionRequest, decisionChange } from './approvals.ts';
import { type Check, checksChange } from './checks.ts';
import { type AttestRequest, attestChange } from './gate.ts';
import {
  type HoldChanged,
  type HoldRequest,
  type HoldStep,
  type Retried,
  type RetryRequest,
  holdChange,
  retryChange,
} from './hold-steps.ts';
import type { Changed, StepRequest } from './incident-change.ts';
import type { Reported } from './judged.ts';
import { measureBy } from './reconcile.ts';
import { findingChange, reportChange } from './report.ts';
import { type ResultFrom, type Told, resultChange } from './results.ts';
import { noteChange, stepChange } from './steps.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Result } from '../incident/command.ts';

export interface Recorder {
  report(report: Report, caller: Caller, mark: RequestMark | null): Promise<Reported>;
  step(step: StepName, request: StepRequest): Promise<Changed>;
  note(request: StepRequest & { note: string }): Promise<Changed>;
  /** Takes the evidence that the host is what it should be again. */
  attest(request: AttestRequest): Promise<Changed>;
  /** What an operator does to a hold, to a command that has failed, to what waits for an approval. */
  hold(step: HoldStep, request: HoldRequest): Promise<HoldChanged>;
  retry(request: RetryRequest): Promise<Retried>;
  decideApproval(request: DecisionRequest): Promise<Decided>;
  /** What an actuator says came of a command. @throws RecorderError "not_found", "forbidden", "state_conflict" */
  result(id: string, result: Result, from: ResultFrom): Promise<Told>;
  /** Whether its holds were found to stand. */
  checked(actuator: string, checks: readonly Check[]): Promise<void>;
  /** Remembers how far a follower has come. */
  keepCursor(name: string, seq: number): Promise<void>;
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
    report: (report, caller, mark) => queue.submit(reportChange({ report, caller, mark, own: null }, log)),
    step: async (step, request) => queue.submit(stepChange(step, request, log)),
    note: async (request) => queue.submit(noteChange(request)),
    attest: async (request) => queue.submit(attestChange(request)),
    hold: async (step, request) => queue.submit(holdChange(step, request)),
    retry: async (request) => queue.submit(retryChange(request)),
    decideApproval: async (request) => queue.submit(decisionChange(request)),
    result: async (id, result, from) => queue.submit(resultChange(id, result, from, log)),
    checked: async (actuator, checks) => queue.submit(checksChange(actuator, checks, log)),
    keepCursor: async (name, seq) =>
      queue.submit((draft) => {
        draft.canWait();
        draft.meta.setCursor(name, seq);
      }),
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
  const told = tokens.map(({ name, role, sources, classes, actuator }) => ({
    ...{ name, role, sources, classes },
    ...(actuator === null ? {} : { actuator }),
  }));
  draft.record('tokens.loaded', null, actor, { tokens: told });
  draft.policy = policy;
  measureBy(draft, policy);
  draft.ring('policy');
  return receipt;
}
