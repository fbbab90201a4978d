// The lanes of all actuators that commands are pushed to, as the policy in force names them: none of them waits for another.

import type { Result } from '../incident/command.ts';
import type { Aim } from './attempt.ts';
import { type Delivery, type Lane, type LaneHealth, type LaneParts, createLane } from './lane.ts';

export interface Lanes {
  /** Delivers to these from now on, and to no others. */
  adopt(aims: readonly Aim[]): void;
  /** An actuator was heard elsewhere: what waits for it need not wait. */
  back(actuator: string): void;
  /** What is in memory of a command; null when nothing is: it is not open, not pushed, or waits in the table. */
  view(id: string): Delivery | null;
  /** By the names of the actuators. @throws what the store throws */
  health(): Map<string, LaneHealth>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

export interface LanesParts extends Omit<LaneParts, 'name' | 'tell' | 'onTold'> {
  /** Records what came of a command. @throws RecorderError */
  tell: (actuator: string, id: string, result: Result, attempts: number) => Promise<unknown>;
  /** It was recorded. It must not throw. */
  onTold: (actuator: string, result: Result) => void;
  /** @returns what stops the listening */
  listen: (topic: string, heard: () => void) => () => void;
}

export function createLanes(parts: LanesParts): Lanes {
  /** One that is no longer aimed at anything stays, until what is under way is told. */
  const lanes = new Map<string, Lane>();
  const stops: (() => void)[] = [];
  let aimed: ReadonlySet<string> = new Set();

  function open(name: string): Lane {
    const lane = createLane({
      ...parts,
      name,
      tell: async (id, result, attempts) => parts.tell(name, id, result, attempts),
      onTold: (result) => parts.onTold(name, result),
    });
    lanes.set(name, lane);
    stops.push(parts.listen(`actuator ${name}`, lane.wake));
    return lane;
  }

  return {
    adopt(aims) {
      aimed = new Set(aims.map(({ actuator }) => actuator.name));
      for (const [name, lane] of lanes) if (!aimed.has(name)) lane.aim(null);
      for (const aim of aims) (lanes.get(aim.actuator.name) ?? open(aim.actuator.name)).aim(aim);
    },
    back: (actuator) => lanes.get(actuator)?.back(),
    view(id) {
      for (const lane of lanes.values()) {
        const delivery = lane.view(id);
        if (delivery) return delivery;
      }
      return null;
    },
    health: () =>
      new Map([...aimed].flatMap((name) => [lanes.get(name)].flatMap((lane) => (lane ? [[name, lane.health()] as const] : [])))),
    async close() {
      for (const stop of stops) stop();
      await Promise.all([...lanes.values()].map(async (lane) => lane.close()));
    },
  };
}
