// Waiting for what comes of an incident's containment, before the change that began it is answered.

import { isUnderWay } from '../incident/containment.ts';
import type { Incident, Kept } from '../incident/incident.ts';
import type { Store } from '../store/store.ts';
import type { KnownCall } from './guard.ts';
import { preferredWait } from './headers.ts';
import type { WaitingRoom } from './waiting.ts';

export interface OutcomeParts {
  waiting: WaitingRoom;
  store: { readonly incidents: Pick<Store['incidents'], 'bySeq'> };
}

/** How long somebody would wait, and whether it was asked for. */
export interface Patience {
  readonly ms: number;
  /** Seconds that `Prefer: wait` named; null = it did not. */
  readonly asked: number | null;
}

/** @throws RecorderError "invalid_parameter" for a wait that is out of bounds */
export function patienceOf({ incoming }: KnownCall, unasked_ms: number): Patience {
  const asked = preferredWait(incoming.headers);
  return { asked, ms: asked === null ? unasked_ms : asked * 1000 };
}

export type IsOver = (incident: Incident) => boolean;

/** Nothing more comes of it by itself, or it is contained at the level that the policy wants, or it was ended meanwhile. */
export const isContainmentOver: IsOver = ({ state, containment }) =>
  !isUnderWay(containment.actions) || state === 'contained' || state === 'resolved';

/** Its holds are released, or none is being. */
export const isReleaseOver: IsOver = ({ containment }) => !isUnderWay(containment.actions);

interface Outcome {
  readonly kept: Kept;
  /** What is said of the wait. */
  readonly headers: Record<string, string>;
}

/** The incident as it is when that is over, or as late as `patience` reaches. */
export type AwaitOutcome = (call: KnownCall, kept: Kept, patience: Patience, isOver: IsOver) => Outcome | Promise<Outcome>;

export function createAwaitOutcome({ waiting, store }: OutcomeParts): AwaitOutcome {
  async function wait({ token, outgoing }: KnownCall, { incident, version }: Kept, ms: number, isOver: IsOver) {
    const { seq } = incident.audit;
    let kept: Kept = { incident, version };
    const look = () => {
      kept = store.incidents.bySeq(seq) ?? kept;
      return isOver(kept.incident) || Infinity;
    };
    const waited = await waiting.until({ who: token.name, topic: `incident ${seq}`, ms, outgoing, look });
    return { kept, isCut: waited === 'cut' };
  }

  return (call, kept, { ms, asked }, isOver) => {
    const applied: Record<string, string> = asked === null ? {} : { 'preference-applied': `wait=${asked}` };
    // Most have nothing to wait for, and for them there is no promise to be kept either.
    if (ms <= 0 || isOver(kept.incident)) return { kept, headers: applied };
    return wait(call, kept, ms, isOver).then(({ kept: now, isCut }) => ({ kept: now, headers: isCut ? {} : applied }));
  };
}
