// A token as the service knows it: a name, what it may do, and a hash; never the token itself.

import type { Role } from './roles.ts';

export interface Rate {
  readonly per_second: number;
  /** How many may come at once. */
  readonly burst: number;
}

export interface Token {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token. */
  readonly sha256: Buffer;
  /** What it may report; null = anything. */
  readonly sources: readonly string[] | null;
  readonly classes: readonly string[] | null;
  /** The actuator that it acts for; null = none of its own. */
  readonly actuator: string | null;
  /** null = no limit. */
  readonly rate: Rate | null;
}

/** Whether a token may report this source and class. */
export function covers({ sources, classes }: Token, source: string, className: string): boolean {
  return (sources === null || sources.includes(source)) && (classes === null || classes.includes(className));
}

/** Whether a token may act for this actuator. The service token may for any. */
export function actsFor({ role, actuator }: Token, name: string): boolean {
  return role === 'service' || (role === 'actuator' && actuator === name);
}
