// An incident as JSON for whoever asked: the fields in the order of the contract.

import { resultsOf } from './containment.ts';
import type { Incident, Receipt } from './incident.ts';

/** The incident, and what follows from it. `audit` is the receipt of the change that was just made, else of its report. */
export function viewOf(incident: Incident, receipt: Receipt = incident.audit): Record<string, unknown> {
  const { resolved_at, resolution, decided_by, audit, ...rest } = incident;
  return {
    ...rest,
    containment_results: resultsOf(incident.containment.actions),
    resolved_at,
    resolution,
    decided_by,
    audit: receipt,
    hash: audit.hash,
  };
}
