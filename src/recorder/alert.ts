// An alert: a record, and a critical line of the journal once it is durable.

import { targetName } from '../incident/actions.ts';
import type { Hold } from '../incident/hold.ts';
import type { Receipt } from '../incident/incident.ts';
import type { Severity } from '../incident/vocabulary.ts';
import type { Log } from '../log.ts';
import type { Draft, Subject } from './draft.ts';

/** What is alarming, and about what kind of incident. */
interface Facts {
  readonly reason: string;
  readonly class: string;
  readonly severity: Severity;
  readonly source: string;
}

export function alert(draft: Draft, subject: Required<Subject>, actor: string, facts: Facts, description: string, log: Log): Receipt {
  const { reason, class: className, severity, source } = facts;
  const told = { reason, class: className, severity, source };
  const about = subject.id.startsWith('HLD-') ? { hold: subject.id } : { incident: subject.id };
  draft.afterwards(() => log.critical('alert raised', { ...about, ...told, description }));
  return draft.record('alert.raised', subject, actor, told);
}

/** About a hold, once for all the incidents that own it. */
export function alertOfHold(draft: Draft, hold: Hold, actor: string, reason: string, log: Log): Receipt {
  const severity = draft.incidents.byId(hold.incident_id)?.incident.severity ?? 'high';
  const receipt = alert(
    draft,
    { id: hold.id, about: hold.seq },
    actor,
    { reason, class: hold.rule, severity, source: hold.source },
    `${hold.action} ${targetName(hold.target)}`,
    log,
  );
  draft.holds.touch(hold.seq, receipt.seq);
  return receipt;
}
