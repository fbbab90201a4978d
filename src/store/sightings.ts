// When a class was last reported by a source: what a sliding window needs after a restart.

import type { Db } from './database.ts';

export interface Sightings {
  /** Milliseconds since 1970, oldest first. */
  of(className: string, source: string): number[];
  keep(className: string, source: string, at: readonly number[]): void;
}

export function createSightings(db: Db): Sightings {
  const get = db.prepare<[string, string], string>('SELECT at FROM sightings WHERE class = ? AND source = ?').pluck();
  const set = db.prepare<[string, string, string]>('INSERT INTO sightings VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at');
  return {
    of: (className, source) => JSON.parse(get.get(className, source) ?? '[]') as number[],
    keep: (className, source, at) => void set.run(className, source, JSON.stringify(at)),
  };
}
