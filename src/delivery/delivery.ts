// Delivery as one part of the house: commands are pushed, what was done is verified, who fetches for himself is listened to.

import type { Command, Result } from '../incident/command.ts';
import type { Log } from '../log.ts';
import type { Policy } from '../policy/policy.ts';
import type { Secrets } from '../policy/secrets.ts';
import type { Caller } from '../recorder/caller.ts';
import { ask } from './ask.ts';
import { type Facts, aimAt, orderOf } from './attempt.ts';
import type { Beat } from './beat.ts';
import { type Desired, createDesired } from './desired.ts';
import { dataOf } from './dialect.ts';
import type { Finding, HoldPages } from './finding.ts';
import { type Pulse, createHeartbeats } from './heartbeats.ts';
import type { Delivery as Progress, LaneHealth } from './lane.ts';
import { createLanes } from './lanes.ts';
import { createVerifier } from './verifier.ts';
import type { Outbox } from './window.ts';

export interface Delivery {
  /** Delivers to the actuators of this policy from now on, at once. */
  adopt(policy: Pick<Policy, 'actuators'>, secrets: Secrets): void;
  /** An actuator told by itself what came of a command, or was heard otherwise: it is verified soon, and what waits for it need not wait. */
  heard(actuator: string): void;
  /** A heartbeat. @throws RecorderError, and what the store throws */
  beat(actuator: string, beat: Beat): Promise<void>;
  /** The digest of what an actuator should have in force. @throws what the store throws */
  digest: Desired['digest'];
  /** A command as it is told to who fetches his: the `data` of the standard dialect. @throws what the store throws */
  told(command: Command, attempt: number): Record<string, unknown>;
  /** What is in memory of a command; null when nothing is. */
  view(command: string): Progress | null;
  /** `none` without an actuator. @throws what the store throws */
  health(): {
    readonly health: 'none' | 'ok' | 'failing';
    readonly pushed: ReadonlyMap<string, LaneHealth>;
    readonly pulled: ReadonlyMap<string, Pulse>;
  };
  /** Gives up what is under way; afterwards nothing is sent, asked or told. */
  close(): Promise<void>;
}

export interface DeliveryParts {
  store: { readonly commands: Outbox; readonly holds: HoldPages & Pick<Facts, 'owners'>; readonly incidents: Incidents };
  recorder: {
    /** @throws RecorderError */
    result(id: string, result: Result, from: { actuator: string; caller: Caller; attempts: number | null }): Promise<unknown>;
    /** @throws RecorderError */
    checked(actuator: string, findings: readonly Finding[]): Promise<void>;
  };
  bell: { listen(topic: string, heard: () => void): () => void };
  /** The seq of the newest record. */
  head: () => number;
  log: Log;
  now: () => Date;
  /** Milliseconds that never go back. */
  monotonic: () => number;
  ask?: typeof ask;
  /** From 0 to 1. */
  random?: () => number;
}

interface Incidents {
  byId(id: string): { readonly incident: NonNullable<ReturnType<Facts['incident']>> } | null;
}

export function createDelivery(parts: DeliveryParts): Delivery {
  const { store, recorder, bell, head, log, now, monotonic, random = Math.random } = parts;
  const { listen } = bell;
  const { holds } = store;
  const facts: Facts = { owners: holds.owners, incident: (id) => store.incidents.byId(id)?.incident ?? null };
  const attempts = { facts, ask: parts.ask ?? ask, now };
  const clocks = { log, monotonic, random };

  const lanes = createLanes({
    ...{ ...attempts, ...clocks, outbox: store.commands, listen },
    tell: async (actuator, id, result, count) =>
      recorder.result(id, result, { actuator, caller: { name: actuator, actor: `actuator:${actuator}` }, attempts: count }),
    onTold: (actuator) => verifier.soon(actuator),
  });
  const report = async (actuator: string, findings: readonly Finding[]) => recorder.checked(actuator, findings);
  const verifier = createVerifier({ ...attempts, ...clocks, holds, head, report, onAnswer: lanes.back });
  const desired = createDesired({ holds, listen });
  const heartbeats = createHeartbeats({ holds, desired, head, report, log, now, monotonic });

  return {
    adopt({ actuators }, secrets) {
      const all = [...actuators.values()];
      const aims = all.map((actuator) => aimAt(actuator, secrets)).filter((aim) => aim !== null);
      lanes.adopt(aims);
      verifier.adopt(aims);
      heartbeats.adopt(all.filter(({ push }) => push === null));
    },
    heard(actuator) {
      lanes.back(actuator);
      verifier.soon(actuator);
      heartbeats.changed(actuator);
    },
    beat: heartbeats.beat,
    digest: desired.digest,
    told: (command, attempt) => dataOf(orderOf(command, attempt, facts)),
    view: lanes.view,
    health() {
      const [pushed, pulled] = [lanes.health(), heartbeats.health()];
      const all = [...pushed.values(), ...pulled.values()];
      const health = all.length === 0 ? 'none' : all.some((each) => each.health === 'failing') ? 'failing' : 'ok';
      return { health, pushed, pulled };
    },
    async close() {
      await Promise.all([lanes.close(), verifier.close(), heartbeats.close()]);
      desired.close();
    },
  };
}
