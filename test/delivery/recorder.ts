// A recorder of the tests' own, in memory: as much of commands, holds and results as delivery asks for, and it fails when told to.

import type { Target } from '../../src/incident/actions.ts';
import { type Command, type CommandOp, type Result, statusBy } from '../../src/incident/command.ts';
import { type Hold, isWanted, statusAfter } from '../../src/incident/hold.ts';
import type { Evidence } from '../../src/incident/report.ts';
import type { Severity } from '../../src/incident/vocabulary.ts';
import { createLog } from '../../src/log.ts';
import type { Actuator, Address } from '../../src/policy/policy.ts';
import type { Secrets } from '../../src/policy/secrets.ts';
import { type Delivery, type DeliveryParts, createDelivery } from '../../src/delivery/delivery.ts';
import type { Finding } from '../../src/delivery/finding.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface TestRecorder extends AsyncDisposable {
  readonly delivery: Delivery;
  readonly commands: Mutable<Command>[];
  readonly holds: Mutable<Hold>[];
  /** Results as they were taken, oldest first. */
  readonly told: { readonly id: string; readonly result: Result; readonly attempts: number | null; readonly actuator: string }[];
  /** Findings as they were taken, and how many calls brought them. */
  readonly found: Finding[];
  readonly logged: { level: string; message: string; [field: string]: unknown }[];
  /** Thrown instead of taking a result or a finding. */
  refuses: Error | null;
  /** What an incident is said to be. */
  severity: Severity;
  evidence: Evidence | null;
  /** Opens a hold that is in force already, as far as is known. */
  hold(of: Partial<Hold> & { readonly action: string }): Mutable<Hold>;
  /** Commands a hold, and rings. */
  command(hold: Mutable<Hold>, op?: CommandOp, of?: Partial<Command>): Mutable<Command>;
  /** A new hold and its first command. */
  order(action: string, target?: string, of?: Partial<Command>): Mutable<Command>;
  ring(actuator: string): void;
  adopt(...actuators: Actuator[]): void;
  /** What of it a result does not change. */
  seq: number;
}

const CANNOT = 'a hold without an actuator';

export function anActuator(name: string, push: Address | null, of: Partial<Actuator> = {}): Actuator {
  return {
    ...{ name, actions: ['freeze_agent'], push, dialect: 'standard', secret: null, token: null, token_required: false },
    ...{ deadline_ms: 5000, verify: null, heartbeat_ms: null, ...of },
  };
}

/** @param actuators actions go to the first that lists them */
export function openRecorder(actuators: Actuator[], parts: Partial<DeliveryParts> = {}, secrets: Partial<Secrets> = {}): TestRecorder {
  const listeners = new Map<string, Set<() => void>>();
  const known = { keys: () => [], token: () => null, ...secrets };
  const now = () => new Date();
  const later = (ms: number) => new Date(now().getTime() + ms).toISOString();
  let adopted = actuators;
  const next = () => (recorder.seq += 1);
  const idOf = (prefix: string, seq: number) => `${prefix}-${seq.toString(16).padStart(12, '0')}`;
  const actuatorFor = (action: string) => adopted.find(({ actions }) => (actions as readonly string[]).includes(action));

  const recorder: TestRecorder = {
    ...{ commands: [], holds: [], told: [], found: [], logged: [], refuses: null, severity: 'medium', evidence: null, late: null, seq: 0 },
    hold(of) {
      const seq = next();
      const target: Target = { type: 'agent', id: '*' };
      const hold: Mutable<Hold> = {
        ...{ seq, id: idOf('HLD', seq), target, params: {}, status: 'enforced', actuator: actuatorFor(of.action)?.name ?? null },
        ...{ attempts: 0, error: null, completed_at: null, rule: 'r', source: 's', incident_id: 'INC-20260313-000001' },
        ...{ created_at: later(0), expires_at: null, ending: null, released_at: null, version: seq, ...of },
      };
      recorder.holds.push(hold);
      return hold;
    },
    command(hold, op = 'apply', of = {}) {
      const actuator = adopted.find(({ name }) => name === hold.actuator);
      if (!actuator) throw new Error(CANNOT);
      for (const old of recorder.commands) {
        if (old.hold === hold.seq && old.open)
          Object.assign(old, { open: false, status: old.status === 'failed' ? 'failed' : 'superseded' });
      }
      const seq = next();
      hold.version = seq;
      const { id: hold_id, action, target, params, expires_at, incident_id } = hold;
      const command: Mutable<Command> = {
        ...{ seq, id: idOf('CMD', seq), op, hold: hold.seq, hold_id, action, target, params, expires_at, incident_id },
        ...{ actuator: actuator.name, reason: 'ordered', status: 'pending', overdue: false, open: true, created_at: later(0) },
        ...{
          not_before: later(0),
          deadline_at: later(actuator.deadline_ms),
          attempts: 0,
          error: null,
          evidence: null,
          late: null,
          completed_at: null,
        },
        ...of,
      };
      recorder.commands.push(command);
      recorder.ring(actuator.name);
      return command;
    },
    order: (action, target = '*', of = {}) => {
      const hold = recorder.hold({ action, target: { type: 'agent', id: target }, status: 'requested' });
      return recorder.command(hold, 'apply', of);
    },
    ring: (actuator) => listeners.get(`actuator ${actuator}`)?.forEach((heard) => heard()),
    adopt(...to) {
      adopted = to;
      recorder.delivery.adopt({ actuators: new Map(to.map((actuator) => [actuator.name, actuator])) }, known);
    },
    delivery: createDelivery({
      store: {
        commands: {
          byId: (id) => recorder.commands.find((command) => command.id === id) ?? null,
          open: (actuator, after, limit) =>
            recorder.commands
              .filter((command) => command.open && command.actuator === actuator && command.seq > after)
              // What must not be done yet is not there yet.
              .filter(({ not_before }) => Date.parse(not_before) <= Date.now())
              .slice(0, limit),
        },
        holds: {
          owners: (hold) => {
            const ids = recorder.holds.filter(({ seq, status }) => seq === hold && isWanted(status)).map(({ incident_id }) => incident_id);
            return { count: ids.length, ids: ids.flatMap((id) => [id, 'INC-20260313-000002']) };
          },
          desired: (actuator, after, limit) =>
            recorder.holds
              .filter((hold) => hold.actuator === actuator && hold.seq > after && isWanted(hold.status))
              .slice(0, limit)
              .map((hold) => ({ ...hold })),
        },
        incidents: {
          byId: () => ({ incident: { class: 'attestation_failure', severity: recorder.severity, evidence: recorder.evidence } }),
        },
      },
      recorder: {
        result: async (id, result, from) => take(id, result, from),
        checked: async (actuator, findings) => check(actuator, findings),
      },
      bell: {
        listen(topic, heard) {
          listeners.set(topic, (listeners.get(topic) ?? new Set()).add(heard));
          return () => listeners.get(topic)?.delete(heard);
        },
      },
      head: () => recorder.seq,
      log: createLog({ level: 'debug', journal: false, write: (line) => recorder.logged.push(JSON.parse(line)) }),
      now,
      monotonic: () => performance.now(),
      random: () => 0.5,
      ...parts,
    }),
    [Symbol.asyncDispose]: async () => recorder.delivery.close(),
  };

  function take(id: string, result: Result, { actuator, attempts }: { actuator: string; attempts: number | null }): void {
    if (recorder.refuses) throw recorder.refuses;
    const command = recorder.commands.find((each) => each.id === id);
    const hold = recorder.holds.find(({ seq }) => seq === command?.hold);
    if (!command || !hold) throw new Error(`there is no ${id}`);
    recorder.told.push({ id, result, attempts, actuator });
    if (command.status === 'superseded') return;
    Object.assign(command, { status: statusBy(result.status), open: false, attempts, error: result.error });
    const verifies = adopted.some(({ name, verify, heartbeat_ms }) => name === actuator && (verify ?? heartbeat_ms) !== null);
    hold.status = command.op === 'release' ? 'released' : statusAfter(hold.status, command.op, result.status, verifies);
    hold.version = next();
  }

  function check(actuator: string, findings: readonly Finding[]): void {
    if (recorder.refuses) throw recorder.refuses;
    for (const finding of findings) {
      recorder.found.push(finding);
      const hold = recorder.holds.find(({ seq }) => seq === finding.hold);
      if (!hold || hold.actuator !== actuator || hold.version !== finding.commanded) continue;
      hold.status = finding.stands ? 'verified' : 'drifted';
      hold.version = next();
      if (!finding.stands) recorder.command(hold, 'apply', { reason: 'drifted' });
    }
  }

  recorder.adopt(...actuators);
  return recorder;
}

/** Waits until it is so, by turns of the event loop: the clock stands still meanwhile. */
export async function until(holds: () => boolean): Promise<void> {
  for (const latest = process.hrtime.bigint() + 10_000_000_000n; !holds();) {
    if (process.hrtime.bigint() > latest) throw new Error(`it never came to this: ${holds.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Lets everything happen that happens without time going by. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 100; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
