// The sliding windows of escalation, told again: each report is counted by the policy that judged it.

import type { Recorded } from '../incident/recorded.ts';
import { escalation } from '../policy/escalate.ts';
import { parsePolicy } from '../policy/load.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tables } from '../store/store.ts';

type Report = Extract<Recorded, { type: 'incident.reported' | 'incident.joined' }>;

export function createSight({ sightings, meta }: Tables): (record: Report) => void {
  let last: { sha256: string; rules: Policy['rules'] } | null = null;

  return ({ ts, data: { report, decided_by } }) => {
    // The recorder's own findings are not counted.
    if (decided_by.severity_from === 'recorder') return;
    const { policy_sha256: sha256 } = decided_by;
    if (last?.sha256 !== sha256) {
      const text = meta.policy(sha256);
      // Of a log that was pruned, it may be told of further on; and then the windows are told as well.
      if (text === null) return;
      last = { sha256, rules: rulesOf(text) };
    }
    const rule = last.rules.get(report.class)?.escalate;
    if (!rule) return;
    const before = sightings.of(report.class, report.source);
    sightings.keep(report.class, report.source, escalation(rule, before, Date.parse(ts)).sightings);
  };
}

/** None where it is the built-in table, which escalates nothing, or no policy to this version. */
function rulesOf(text: string): Policy['rules'] {
  try {
    return parsePolicy('', text).rules;
  } catch {
    return new Map();
  }
}
