// Asking for an approval once more: nobody was asked, or what was asked is not what would be done any more.

import type { Hold } from '../incident/hold.ts';
import { doerOf } from '../policy/policy.ts';
import { close, requestApproval, stillWaiting } from './approvals.ts';
import { OURSELVES } from './caller.ts';
import type { Draft } from './draft.ts';
import { move } from './holds.ts';

/** A log that was cut short can have lost who was asked, and a policy can say that another one does it now: then all of it is asked again. */
export function askAnew(draft: Draft, hold: Hold, actor: string): void {
  const kept = draft.incidents.byId(hold.incident_id);
  if (!kept) return;
  const { id, audit, reported_by } = kept.incident;
  const asked = draft.approvals.pendingOf(audit.seq).find(({ proposals }) => proposals.some(({ hold_id }) => hold_id === hold.id));
  const waiting = asked ? stillWaiting(draft, asked) : [{ hold, ttl_ms: null }];
  if (asked && waiting.every((each) => each.hold.actuator === doerOf(draft.policy, each.hold.action))) return;
  const by = { actor, incident_id: null };
  const proposed = waiting.map(({ hold: each, ttl_ms }) => {
    const actuator = doerOf(draft.policy, each.action);
    const reason = asked?.reason ?? 'what was said of it is lost';
    if (actuator === each.actuator) return { hold: each, ttl_ms, reason };
    return { hold: move(draft, each, { to: { actuator }, reason: 'another one does it now', by }).hold, ttl_ms, reason };
  });
  if (asked) close(draft, asked, { status: 'expired', by: OURSELVES, note: 'who does it has changed: it is asked anew', mark: null });
  requestApproval(draft, proposed, { seq: audit.seq, id, actor }, asked?.requested_by ?? reported_by);
}
