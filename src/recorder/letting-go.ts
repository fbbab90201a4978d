// What happens to the holds of an incident that is resolved: those that others own go on, the rest end.

import { type ContainmentStatus, statusOf } from '../incident/containment.ts';
import type { Events } from '../incident/events.ts';
import type { HoldStatus } from '../incident/hold.ts';
import type { Incident, Receipt } from '../incident/incident.ts';
import { closeIdle } from './approvals.ts';
import type { By } from './commands.ts';
import type { Draft } from './draft.ts';
import { endHold, endingOf } from './holds.ts';

interface LettingGo extends Required<Pick<Events['incident.resolved'], 'ending' | 'let_go'>> {
  /** Of the whole containment then. */
  readonly status: ContainmentStatus;
  /** Does it, by the record that tells of it. */
  readonly carryOut: (record: Receipt, by: By) => void;
}

/** Reads what is to be done. Writes nothing yet, so that the record of the resolution can tell of it first. */
export function letGo(draft: Draft, { audit: { seq }, containment }: Incident): LettingGo {
  const owned = draft.holds.ownedBy(seq);
  const shared = owned.filter((hold) => draft.holds.hasOtherOwner(hold.seq, seq));
  const ends = owned.filter((hold) => !shared.includes(hold));
  const then = new Map<string | null, HoldStatus>([
    ...shared.map(({ id }) => [id, 'released'] as const),
    ...ends.map((hold) => [hold.id, endingOf(draft, hold)] as const),
  ]);
  const actions = containment.actions.map((action) => ({ ...action, status: then.get(action.hold_id) ?? action.status }));
  return {
    status: actions.length === 0 ? containment.status : statusOf(actions),
    ending: ends.map(({ id }) => id),
    let_go: shared.map(({ id, actuator, attempts, error, completed_at }) => ({ hold_id: id, actuator, attempts, error, completed_at })),
    carryOut(record, by) {
      draft.holds.disown(
        seq,
        record.seq,
        shared.map((hold) => hold.seq),
      );
      for (const hold of ends) endHold(draft, hold, { reason: 'last owner ended', ending: 'released', by });
      closeIdle(draft, seq);
    },
  };
}
