// GET /api/v1/incidents/{id}/evidence: an incident as one file that can be checked without this service, sent while it is made.

import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { RecorderError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Evidence } from '../../observers/evidence.ts';
import type { Store } from '../../store/store.ts';
import type { Call, Route } from '../guard.ts';
import { SECURITY_HEADERS } from '../problem.ts';
import { parametersOf } from '../query.ts';
import { raw } from '../reply.ts';
import { ID, mustFind } from './incidents.ts';

export interface EvidenceRouteParts {
  store: Pick<Store, 'incidents'>;
  evidence: Evidence;
  log: Log;
}

/** Bundles that are sent to one token at the same time: each takes memory for as long as its reader likes. */
const MAX_AT_ONCE = 2;

export function evidenceRoutes({ store, evidence, log }: EvidenceRouteParts): Route[] {
  const underWay = new Map<string, number>();

  function takeTurn(name: string): Disposable {
    const turns = underWay.get(name) ?? 0;
    if (turns >= MAX_AT_ONCE)
      throw new RecorderError('rate_limited', `${MAX_AT_ONCE} bundles are being sent to this token already`, { retry_after: 5 });
    underWay.set(name, turns + 1);
    return {
      [Symbol.dispose]() {
        const left = (underWay.get(name) ?? 1) - 1;
        if (left === 0) underWay.delete(name);
        else underWay.set(name, left);
      },
    };
  }

  async function bundle({ incoming, outgoing, url, token, param }: Call): Promise<Response> {
    parametersOf(url, []);
    const id = param('id');
    const kept = mustFind(store.incidents, id, token);
    using _turn = takeTurn(token?.name ?? '');
    const pieces = await evidence(kept);
    const disposition = { 'content-disposition': `attachment; filename="${id}.evidence.json"` };
    if (incoming.method === 'HEAD') return raw('', 200, disposition);
    outgoing.writeHead(200, { ...SECURITY_HEADERS, 'content-type': 'application/json', ...disposition });
    try {
      await pipeline(rested(pieces), outgoing);
    } catch (error) {
      // The connection is cut by that: half a bundle must not look whole.
      if (!hasLeft(error)) log.error('a bundle of evidence was cut short', { incident: id, error: String(error) });
    }
    return RESPONSE_ALREADY_SENT;
  }

  return [{ method: 'GET', path: `/api/v1/incidents/${ID}/evidence`, for: 'read_own', handle: bundle }];
}

/** Lets everybody else have a turn after each piece, however fast the reader is. */
async function* rested(pieces: Iterable<string>): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    yield Buffer.from(piece);
    await setImmediate();
  }
}

/** Whether the reader ended the connection. */
function hasLeft(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}
