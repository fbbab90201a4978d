// The few single facts that must survive a restart.

import type { Damage } from '../audit/segments.ts';
import type { Db } from './database.ts';

const PROBE_LENGTH = 64 * 1024;

/** What was amiss when the recorder started. */
export interface Found {
  readonly damaged: readonly Damage[];
  /** Records that were taken from the log. */
  readonly restored: { readonly from: number; readonly to: number } | null;
}

export interface Meta {
  /** The public half of the signing key that the log was last opened under; null before the first start. */
  verifierKey(): string | null;
  setVerifierKey(key: string): void;
  /** The last record that is durable in the log file, the offset at which its line ends, and the first record of that file. */
  synced(): { seq: number; offset: number; first: number };
  setSynced(synced: { seq: number; offset: number; first: number }): void;
  /** What a start has found and not told of yet: it may have ended before it could. */
  found(): Found;
  setFound(found: Found): void;
  /** What counted as contained when incidents were last looked at by it; null before. */
  measure(): string | null;
  setMeasure(measure: string): void;
  /** How far a follower has come that is not the log, by its name; null before it began. */
  cursor(name: string): number | null;
  setCursor(name: string, seq: number): void;
  /** Writes as much as a large report, and of no consequence: whether the store takes it is what is asked. */
  probe(): void;
  /** True the first time a policy text is kept. */
  keepPolicy(sha256: string, text: string): boolean;
  /** The text of a policy; null when it is not kept. */
  policy(sha256: string): string | null;
}

export function createMeta(db: Db): Meta {
  const get = db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck();
  const set = db.prepare<[string, string]>('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  const keepPolicy = db.prepare<[string, string]>('INSERT INTO policies VALUES (?, ?) ON CONFLICT DO NOTHING');
  const policy = db.prepare<[string], string>('SELECT text FROM policies WHERE sha256 = ?').pluck();
  return {
    verifierKey: () => get.get('verifier_key') ?? null,
    setVerifierKey: (key) => void set.run('verifier_key', key),
    synced() {
      const [seq = 0, offset = 0, first = 1] = (get.get('synced') ?? '').split(':').filter(Boolean).map(Number);
      return { seq, offset, first };
    },
    setSynced: ({ seq, offset, first }) => void set.run('synced', `${seq}:${offset}:${first}`),
    found: () => JSON.parse(get.get('found') ?? '{"damaged":[],"restored":null}') as Found,
    setFound: (found) => void set.run('found', JSON.stringify(found)),
    measure: () => get.get('measure') ?? null,
    setMeasure: (measure) => void set.run('measure', measure),
    cursor(name) {
      const seq = get.get(`cursor ${name}`);
      return seq === undefined ? null : Number(seq);
    },
    setCursor: (name, seq) => void set.run(`cursor ${name}`, String(seq)),
    probe: () => void set.run('probed', '.'.repeat(PROBE_LENGTH)),
    keepPolicy: (sha256, text) => keepPolicy.run(sha256, text).changes === 1,
    policy: (sha256) => policy.get(sha256) ?? null,
  };
}
