// What the recorder finds out about itself, as reports of its own.

import type { Report } from '../incident/report.ts';
import { OWN_SOURCE, type Severity } from '../incident/vocabulary.ts';

export interface Finding {
  readonly report: Report;
  readonly severity: Severity;
}

const PLAIN = {
  source: OWN_SOURCE,
  severity: null,
  evidence: null,
  subject: null,
  confidence: null,
  occurred_at: null,
  trace_id: null,
  attack: null,
};

/** One incident until an operator resolves it: what is found again joins it. */
export function tokensFinding(count: number): Finding {
  const description = `${count} or more callers without a good token within a minute`;
  return { severity: 'medium', report: { ...PLAIN, class: 'unauthorized_access', description, dedup_key: 'auth.denied' } };
}

export function keyFinding(old: string, verifierKey: string): Finding {
  const evidence = { old_key: old, new_key: verifierKey };
  return integrity(
    'high',
    'the key that signs checkpoints is not the one that the log was kept under',
    `key.changed ${verifierKey.slice(-64)}`,
    evidence,
  );
}

export function damageFinding({ file, reason }: { file: string; reason: string }): Finding {
  const evidence = { kept_as: file, reason };
  return integrity(
    'critical',
    'a file of the recorder was not what had been written to it; it was kept aside and made anew',
    'log.recovered',
    evidence,
  );
}

export function forgeryFinding(seq: number, reason: string): Finding {
  const evidence = { seq, reason };
  return integrity('critical', 'a record of the store is not the one that was written', `record ${seq}`, evidence);
}

/** `restored`: up to which record the store has again what it was short of; null when that could not be done. */
export function storeFinding(restored: number | null, reason: string): Finding {
  const description =
    restored === null
      ? 'the store is not the one that the log was last kept with; the log goes on as another'
      : 'the store was an older copy; what it was short of was taken from the log';
  return integrity('critical', description, `store ${restored ?? 'lost'}`, { reason });
}

/** A finding about our own integrity; `position` tells one from another, so that none becomes two incidents. */
function integrity(severity: Severity, description: string, position: string, evidence: Report['evidence']): Finding {
  return { severity, report: { ...PLAIN, class: 'integrity_violation', description, dedup_key: position, evidence } };
}
