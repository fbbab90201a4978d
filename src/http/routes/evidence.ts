// GET /api/v1/incidents/{id}/evidence: an incident as one file that can be checked without this service, sent while it is made.

import type { Log } from '../../log.ts';
import type { Evidence } from '../../observers/evidence.ts';
import type { Store } from '../../store/store.ts';
import type { Call, Route } from '../guard.ts';
import { createTurns, sendPieces } from '../pieces.ts';
import { parametersOf } from '../query.ts';
import { type Reply, raw } from '../reply.ts';
import { ID, mustFind } from './incidents.ts';

export interface EvidenceRouteParts {
  store: Pick<Store, 'incidents'>;
  evidence: Evidence;
  log: Log;
}

/** Bundles that are sent to one token at the same time: each takes memory for as long as its reader likes. */
const MAX_AT_ONCE = 2;

export function evidenceRoutes({ store, evidence, log }: EvidenceRouteParts): Route[] {
  const takeTurn = createTurns(MAX_AT_ONCE, 'bundles');

  async function bundle({ incoming, outgoing, url, token, param }: Call): Promise<Reply> {
    parametersOf(url, []);
    const id = param('id');
    const kept = mustFind(store.incidents, id, token);
    using _turn = takeTurn(token?.name ?? '');
    const pieces = await evidence(kept);
    const disposition = { 'content-disposition': `attachment; filename="${id}.evidence.json"` };
    if (incoming.method === 'HEAD') return raw('', 200, disposition);
    return await sendPieces(outgoing, disposition, pieces, (error) =>
      log.error('a bundle of evidence was cut short', { incident: id, error: String(error) }),
    );
  }

  return [{ method: 'GET', path: `/api/v1/incidents/${ID}/evidence`, for: 'read_own', handle: bundle }];
}
