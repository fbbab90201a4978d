// What a replay remembers, bounded: a map that forgets its oldest entry when it is full, and counts what it forgot.

import { createHash } from 'node:crypto';

export interface Memory<V> {
  get(key: string): V | undefined;
  has(key: string): boolean;
  /** The key is the newest then. */
  set(key: string, value: V): void;
  delete(key: string): void;
  clear(): void;
  /** Oldest first. */
  values(): IteratorObject<V>;
  readonly size: number;
  /** How many entries were forgotten to make room. */
  readonly forgotten: number;
}

/** @param max entries, at least 1 */
export function createMemory<V>(max: number, onForgotten: (key: string, value: V) => void = () => {}): Memory<V> {
  const entries = new Map<string, V>();
  let forgotten = 0;

  function forgetOldest(): void {
    for (const [key, value] of entries) {
      entries.delete(key);
      forgotten += 1;
      return onForgotten(key, value);
    }
  }

  return {
    get: (key) => entries.get(key),
    has: (key) => entries.has(key),
    set(key, value) {
      entries.delete(key);
      if (entries.size >= max) forgetOldest();
      entries.set(key, value);
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    values: () => entries.values(),
    get size() {
      return entries.size;
    },
    get forgotten() {
      return forgotten;
    },
  };
}

const MAX_KEY = 64;

/** A short word for a text of any length, which reporters write; equal for equal texts only. */
export function wordFor(text: string): string {
  return text.length <= MAX_KEY ? `=${text}` : createHash('sha256').update(text).digest('base64url');
}
