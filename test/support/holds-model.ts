// A small model of holds: who wants what, until when; and actuators that do what they are told, or not, and forget.

import type { Command } from '../../src/incident/command.ts';
import type { Hold } from '../../src/incident/hold.ts';
import type { WritePath } from './write-path.ts';

/** What is wanted of one target: by which incidents, and until when by both clocks. */
interface Wanted {
  readonly owners: Set<string>;
  /** Milliseconds of the wall clock and of the steady one; null = for ever. */
  until: { wall: number; steady: number } | null;
}

/** By `action target`. Written without a look at how the recorder does it. */
export class HoldsModel {
  readonly wanted = new Map<string, Wanted>();
  readonly steady: () => number;
  readonly wall: () => number;

  constructor(path: WritePath) {
    this.steady = path.clock.monotonic;
    this.wall = () => path.clock.now().getTime();
  }

  order(key: string, incident: string, ttl_ms: number | null, told_at: number): void {
    const known = this.wanted.get(key);
    const until = ttl_ms === null ? null : { wall: told_at + ttl_ms, steady: this.steady() + ttl_ms };
    if (!known) return void this.wanted.set(key, { owners: new Set([incident]), until });
    known.owners.add(incident);
    if (known.until && (until === null || until.wall > known.until.wall)) known.until = until;
  }

  resolve(incident: string): void {
    for (const [key, { owners }] of this.wanted) {
      owners.delete(incident);
      if (owners.size === 0) this.wanted.delete(key);
    }
  }

  release(key: string): void {
    this.wanted.delete(key);
  }

  /** What the steady clock knew is lost; from now on it goes on from what the wall clock shows. */
  crash(): void {
    for (const { until } of this.wanted.values()) if (until) until.steady = this.steady() + until.wall - this.wall();
  }

  /** What is over by both clocks. To be called when the recorder has looked at the time. */
  expire(): void {
    for (const [key, { until }] of this.wanted) {
      if (until && until.wall <= this.wall() && until.steady <= this.steady()) this.wanted.delete(key);
    }
  }
}

export const keyOf = ({ action, target }: Pick<Hold | Command, 'action' | 'target'>) => `${action} ${target.type}:${target.id}`;

/** One that does as it is told: what is in force there, and every command that it ever got. */
export class FakeActuator {
  readonly inForce = new Set<string>();
  readonly got: string[] = [];

  act(command: Command): void {
    this.got.push(command.id);
    if (command.op === 'apply') this.inForce.add(keyOf(command));
    else this.inForce.delete(keyOf(command));
  }
}
