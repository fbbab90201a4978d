// What the look through the log works with, whatever it looks at.

import type { Store } from '../store/store.ts';
import type { Mirror } from './mirror.ts';
import type { Damage } from '../audit/segments.ts';

export interface Inspected {
  path: string;
  store: Pick<Store, 'records' | 'tree'>;
  mirror: Pick<Mirror, 'first' | 'replace'>;
  now: () => Date;
  /** The last record that is looked at: what is durable in the files by now. */
  until: number;
  /** A file was not what had been written to it; it is kept aside. */
  onDamage: (damage: Damage) => Promise<void>;
  /** A record of the store is not the one that was written. */
  onForgery: (seq: number, reason: string) => Promise<void>;
}

/** To be awaited after each piece of work. @throws AbortError when it is to end */
export type Rest = () => Promise<void>;
