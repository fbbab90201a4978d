// Reading incidents: the list, one of them, its timeline.

import { hash } from 'node:crypto';
import { mayDo } from '../../access/roles.ts';
import type { Token } from '../../access/token.ts';
import { RecorderError } from '../../errors.ts';
import { INCIDENT_ID, type Kept } from '../../incident/incident.ts';
import { viewOf } from '../../incident/view.ts';
import { rankOf } from '../../incident/vocabulary.ts';
import type { Store } from '../../store/store.ts';
import type { Call, Route } from '../guard.ts';
import { LIST_PARAMETERS, PAGE_PARAMETERS, cursorOf, encodeCursor, filterOf, limitOf, linkTo, parametersOf, single } from '../query.ts';
import { type Reply, incidentReply, raw } from '../reply.ts';

/** `{id}` in a path: nothing else can be one, so every other path is free for a name. */
export const ID = ':id{INC-[0-9]{8}-[0-9a-f]{6,32}}';

/** A page is cut short, and goes on behind its `next`, when its JSON outgrows this (UTF-16 units). */
const MAX_PAGE_LENGTH = 512 * 1024;

export function incidentRoutes({ store }: { store: Pick<Store, 'incidents' | 'pages' | 'records'> }): Route[] {
  function list({ url, path, token }: Call): Reply {
    const parameters = parametersOf(url, LIST_PARAMETERS);
    const filter = filterOf(parameters, ownOf(token));
    const boundTo = hash('sha256', JSON.stringify(filter), 'base64url').slice(0, 16);
    const page = store.pages.list(filter, cursorOf(parameters, boundTo), limitOf(parameters));
    const parts: string[] = [];
    let next = page.next;
    let length = 0;
    for (const seq of page.seqs) {
      const kept = store.incidents.bySeq(seq);
      if (!kept) continue;
      if (length > MAX_PAGE_LENGTH) {
        next = { rank: rankOf(kept.incident.severity), before: seq + 1 };
        break;
      }
      const part = JSON.stringify(viewOf(kept.incident));
      parts.push(part);
      length += part.length;
    }
    return raw(`[${parts.join(',')}]`, 200, next ? linkTo(path, parameters, encodeCursor(next, boundTo)) : {});
  }

  function timeline(call: Call): Reply {
    const parameters = parametersOf(call.url, PAGE_PARAMETERS);
    const { incident } = mustFind(store.incidents, call.param('id'), call.token);
    const after = cursorOf(parameters, incident.id)?.before ?? 0;
    const records = store.records.timeline(incident.audit.seq, after, limitOf(parameters), MAX_PAGE_LENGTH);
    const last = records.at(-1)?.seq ?? 0;
    const more = store.records.timeline(incident.audit.seq, last, 1, 1).length > 0 && records.length > 0;
    const link = more ? linkTo(call.path, parameters, encodeCursor({ rank: 0, before: last }, incident.id)) : {};
    return raw(`[${records.map(({ line }) => line).join(',')}]`, 200, link);
  }

  return [
    { method: 'GET', path: '/api/v1/incidents', for: 'read_own', openBut: ['q'], handle: list },
    {
      method: 'GET',
      path: '/api/v1/incidents/get',
      for: 'read_own',
      openBut: [],
      handle({ url, token }) {
        const id = single(parametersOf(url, ['id']), 'id');
        if (!id) throw new RecorderError('invalid_parameter', 'id is required: /api/v1/incidents/get?id=INC-…');
        return incidentReply(mustFind(store.incidents, id, token));
      },
    },
    {
      method: 'GET',
      path: `/api/v1/incidents/${ID}`,
      for: 'read_own',
      openBut: [],
      handle: (call) => incidentReply(mustFind(store.incidents, call.param('id'), call.token)),
    },
    { method: 'GET', path: `/api/v1/incidents/${ID}/timeline`, for: 'read_own', handle: timeline },
  ];
}

/** @throws RecorderError "not_found" also for an incident that the token may not see: its existence is not told */
export function mustFind(incidents: Pick<Store['incidents'], 'byId'>, id: string, token: Token | null): Kept {
  const kept = INCIDENT_ID.test(id) ? incidents.byId(id) : null;
  const own = ownOf(token);
  if (!kept || (own !== null && kept.incident.reported_by !== own)) throw new RecorderError('not_found', 'there is no such incident');
  return kept;
}

/** The name whose reports are all that a token may see; null when it may see everything, as anyone may where reads are open. */
function ownOf(token: Token | null): string | null {
  return token === null || mayDo(token.role, 'read') ? null : token.name;
}
