// Holds: what is wanted now and how far it has come; releasing, extending and applying one.

import { z } from 'zod';
import { RecorderError } from '../../errors.ts';
import { ACTION_NAMES } from '../../incident/actions.ts';
import { HOLD_STATUSES, type Hold } from '../../incident/hold.ts';
import { holdView } from '../../incident/view.ts';
import { INSTANT, parseInstant } from '../../input/instant.ts';
import { optional, parseShape, text } from '../../input/shape.ts';
import { DURATION, MAX_DURATION, parseDuration } from '../../policy/duration.ts';
import type { HoldStep } from '../../recorder/hold-steps.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { Store } from '../../store/store.ts';
import { askedOfVersion, parseOptionalJson } from '../asking.ts';
import type { Call, Route } from '../guard.ts';
import { listReply } from '../listing.ts';
import { PAGE_PARAMETERS, among, parametersOf, words } from '../query.ts';
import { type Reply, changeReply, json } from '../reply.ts';

const HOLD = ':id{HLD-[0-9a-f]{12}}';
/** Owners that are shown by name. */
const MAX_IDS = 100;

const note = optional(text(4096));
const MAX_TTL_MS = parseDuration(MAX_DURATION) ?? 0;

const Apply = z.strictObject({ note });
const Extend = z
  .strictObject({
    /** From now on. */
    ttl: optional(
      z.string().transform((written, context) => {
        const ms = parseDuration(written) ?? 0;
        if (ms > 0 && ms <= MAX_TTL_MS) return ms;
        context.addIssue(ms > 0 ? `must be at most ${MAX_DURATION}` : DURATION);
        return z.NEVER;
      }),
    ),
    expires_at: optional(
      z.string().transform((written, context) => {
        const at = parseInstant(written)?.toISOString() ?? '';
        // Of four digits: texts of instants are compared as they stand.
        if (/^\d{4}-/.test(at)) return at;
        context.addIssue(INSTANT);
        return z.NEVER;
      }),
    ),
    note,
  })
  .refine(({ ttl, expires_at }) => (ttl === null) !== (expires_at === null), 'must have either ttl or expires_at');

export interface HoldParts {
  store: { readonly holds: Pick<Store['holds'], 'byId' | 'list' | 'reach' | 'owners'> };
  recorder: Pick<Recorder, 'hold'>;
}

export function holdRoutes({ store, recorder }: HoldParts): Route[] {
  const view = (hold: Hold) => holdView(hold, store.holds.owners(hold.seq, MAX_IDS));
  const etag = ({ version }: Hold) => ({ etag: `"${version}"` });

  function list(call: Call): Reply {
    const parameters = parametersOf(call.url, ['status', 'action', 'actuator', ...PAGE_PARAMETERS]);
    const filter = {
      /** Null: those that are not over. */
      status: among(parameters, 'status', HOLD_STATUSES),
      action: among(parameters, 'action', ACTION_NAMES),
      actuator: words(parameters, 'actuator'),
    };
    return listReply(call, parameters, {
      filter,
      list: (before, limit) => store.holds.list(filter, before, limit),
      reach: store.holds.reach,
      view,
    });
  }

  function one({ url, param }: Call): Reply {
    parametersOf(url, []);
    const hold = store.holds.byId(param('id'));
    if (!hold) throw new RecorderError('not_found', 'there is no such hold');
    return json(view(hold), 200, etag(hold));
  }

  const step = (name: HoldStep): Route => ({
    method: 'POST',
    path: `/api/v1/holds/${HOLD}/${name}`,
    for: 'operate',
    async handle(call) {
      const body = parseOptionalJson(call.body);
      const { note: why, ...until } =
        name === 'extend' ? parseShape(Extend, body, 'invalid_request') : { ...parseShape(Apply, body, 'invalid_request'), ...NO_END };
      const request = { id: call.param('id'), note: why, expires_at: until.expires_at, ttl_ms: until.ttl };
      const { hold, ...done } = await recorder.hold(name, { ...request, ...askedOfVersion(call) });
      return changeReply(view(hold), { ...done, headers: etag(hold) });
    },
  });

  return [
    { method: 'GET', path: '/api/v1/holds', for: 'read', handle: list },
    { method: 'GET', path: `/api/v1/holds/${HOLD}`, for: 'read', handle: one },
    step('release'),
    step('extend'),
    step('apply'),
  ];
}

const NO_END = { ttl: null, expires_at: null };
