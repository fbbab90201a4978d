// Has each actuator that can be asked verified: soon after something was done, and then on its schedule. None of them waits for another.

import type { Log } from '../log.ts';
import type { Aim } from './attempt.ts';
import { jittered } from './backoff.ts';
import type { Check, CheckParts, Verifiable } from './question.ts';
import type { Finding } from './finding.ts';
import { createHoldCheck } from './verify-holds.ts';
import { createStateCheck } from './verify-state.ts';

export interface Verifier {
  /** Verifies these from now on, and no others. */
  adopt(aims: readonly Aim[]): void;
  /** Something was done: it is looked at within a second. */
  soon(actuator: string): void;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

export interface VerifierParts extends Omit<CheckParts, 'report'> {
  /** Records what was found. @throws RecorderError */
  report: (actuator: string, findings: readonly Finding[]) => Promise<void>;
  /** It answered. It must not throw. */
  onAnswer: (actuator: string) => void;
  log: Log;
  /** From 0 to 1. */
  random: () => number;
}

interface Schedule {
  aim(of: Verifiable): void;
  soon(): void;
  close(): Promise<void>;
}

/** Between two rounds that something was done before. */
const SPACING_MS = 1000;
/** The first rounds after a start are spread over this. */
const SPREAD_MS = 10_000;

export function createVerifier(parts: VerifierParts): Verifier {
  const schedules = new Map<string, Schedule>();
  const ending = new Set<Promise<void>>();

  function end(name: string, schedule: Schedule): void {
    schedules.delete(name);
    const ended = schedule.close();
    ending.add(ended);
    void ended.finally(() => ending.delete(ended));
  }

  return {
    adopt(aims) {
      const verifiable = aims.flatMap(verifiableOf);
      const named = new Set(verifiable.map(({ actuator }) => actuator.name));
      for (const [name, schedule] of [...schedules]) if (!named.has(name)) end(name, schedule);
      for (const of of verifiable) {
        const { name } = of.actuator;
        const schedule = schedules.get(name) ?? createSchedule(name, parts);
        schedules.set(name, schedule);
        schedule.aim(of);
      }
    },
    soon: (actuator) => schedules.get(actuator)?.soon(),
    async close() {
      for (const [name, schedule] of [...schedules]) end(name, schedule);
      await Promise.all(ending);
    },
  };
}

function verifiableOf(aim: Aim): Verifiable[] {
  const { verify } = aim.actuator;
  return verify ? [{ ...aim, verify }] : [];
}

function createSchedule(name: string, parts: VerifierParts): Schedule {
  const { monotonic, random, log, onAnswer } = parts;
  const giveUp = new AbortController();
  const checkParts: CheckParts = { ...parts, report: async (findings) => parts.report(name, findings) };
  let target: Verifiable | null = null;
  let check: Check | null = null;
  let running: Promise<void> | null = null;
  let isWanted = false;
  let startedAt = -Infinity;
  let dueAt = Infinity;
  let timer: NodeJS.Timeout | undefined;

  function armAt(at: number): void {
    if (giveUp.signal.aborted || at >= dueAt) return;
    dueAt = at;
    clearTimeout(timer);
    timer = setTimeout(start, Math.max(0, at - monotonic())).unref();
  }

  function start(): void {
    dueAt = Infinity;
    if (running || !target || !check) return;
    isWanted = false;
    startedAt = monotonic();
    running = round(target, check).finally(() => {
      running = null;
      armAt(isWanted ? startedAt + SPACING_MS : startedAt + jittered(target?.verify.every_ms ?? 0, random()));
    });
  }

  async function round(of: Verifiable, by: Check): Promise<void> {
    try {
      if (await by.round(of, giveUp.signal)) onAnswer(name);
    } catch (error) {
      by.changed();
      log.error('what was verified is not recorded', { actuator: name, error: String(error) });
    }
  }

  return {
    aim(of) {
      const path = of.verify.get;
      if (!target || target.verify.get !== path) check = path === null ? createHoldCheck(checkParts) : createStateCheck(path, checkParts);
      const isFirst = target === null;
      target = of;
      check?.changed();
      if (isFirst) armAt(monotonic() + random() * Math.min(of.verify.every_ms, SPREAD_MS));
    },
    soon() {
      check?.changed();
      isWanted = true;
      if (!running) armAt(Math.max(monotonic(), startedAt + SPACING_MS));
    },
    async close() {
      giveUp.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
