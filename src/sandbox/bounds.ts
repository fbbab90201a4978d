// The bounds of the unit as it is shipped, and what of them still is one.

/** systemd/incident-recorder.service; bytes, and parts of one CPU. A test holds both together. */
export const SHIPPED = { memory: 128 * 1024 * 1024, cpu: 0.1, tasks: 32, open_files: 512 } as const;
export type Bounded = keyof typeof SHIPPED;

/** An operator may widen a bound; past so many times the shipped one it keeps nothing in. What systemd gives everyone is far beyond. */
const WIDEST = 8;

const MIB = 1024 * 1024;
const SHOWN: Record<Bounded, (value: number) => string> = {
  memory: (bytes) => `${Math.round(bytes / MIB)} MiB`,
  cpu: (parts) => `${Math.round(parts * 100)} % of a CPU`,
  tasks: String,
  open_files: String,
};

/** @param value Infinity = none is set */
export function boundOf(what: Bounded, value: number): { in_force: boolean; seen: string } {
  const shipped = SHIPPED[what];
  const shown = value === Infinity ? 'no bound' : SHOWN[what](value);
  const in_force = value <= shipped * WIDEST;
  if (value <= shipped) return { in_force, seen: shown };
  return { in_force, seen: `${shown}${in_force ? ', which is wider than shipped' : ''}; shipped is ${SHOWN[what](shipped)}` };
}
