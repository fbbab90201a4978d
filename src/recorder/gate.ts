// Passing the release gate of an incident: an attestation is taken when it is of exactly the containment that it lets go.

import { RecorderError } from '../errors.ts';
import { bindingOf, missingAt } from '../incident/gate.ts';
import type { Incident } from '../incident/incident.ts';
import { allowedFrom } from '../incident/lifecycle.ts';
import type { Evidence } from '../incident/report.ts';
import { mustBeAnother } from './caller.ts';
import type { Draft } from './draft.ts';
import { type Changed, type StepRequest, change, subjectOf } from './incident-change.ts';

export interface AttestRequest extends Omit<StepRequest, 'resolution'> {
  /** What the evidence was made for: the incident shows it under `release`. */
  readonly binding: string;
  readonly evidence: Evidence;
}

const WORDS = { acknowledged: 'an operator must acknowledge it', attested: 'its containment must be attested anew' } as const;

/** @throws RecorderError "state_conflict" with what is missing */
export function checkGate(incident: Incident): void {
  const missing = missingAt(incident);
  if (missing.length === 0) return;
  const { state } = incident;
  throw new RecorderError('state_conflict', `it cannot be resolved yet: ${missing.map((gate) => WORDS[gate]).join(', and ')}`, {
    ...{ state, missing, allowed: allowedFrom(state).filter((step) => step !== 'resolve') },
  });
}

/** @throws RecorderError "state_conflict" when it has no such gate, or is bound to another containment; and as any step */
export function attestChange(request: AttestRequest): (draft: Draft) => Changed {
  const { binding, evidence, note, caller, mark } = request;
  return change(request, (draft, incident) => {
    const { release, state } = incident;
    const allowed = allowedFrom(state);
    if (!release?.gate.includes('attested') || state === 'resolved')
      throw new RecorderError('state_conflict', 'this incident does not wait for an attestation', { state, allowed });
    mustBeAnother(caller, incident.reported_by);
    if (binding !== bindingOf(incident))
      throw new RecorderError('state_conflict', 'the containment is not the one that was attested; read the incident again', {
        ...{ state, allowed },
      });
    const record = draft.record('incident.attested', subjectOf(incident), caller.actor, { binding, evidence, note, request: mark });
    const attested = { binding, by: caller.actor, at: draft.now };
    return { incident: { ...incident, release: { ...release, attested } }, first: record, last: record };
  });
}
