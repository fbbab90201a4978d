// Actuators: which there are, what each is to make true, and the beat by which one says that it lives.

import { z } from 'zod';
import { RecorderError } from '../../errors.ts';
import { HOLD_ID, type Hold } from '../../incident/hold.ts';
import { desiredView } from '../../incident/view.ts';
import { line, optional, parseShape } from '../../input/shape.ts';
import type { Log } from '../../log.ts';
import type { Actuator, Address, Policy } from '../../policy/policy.ts';
import type { Delivery } from '../../delivery/delivery.ts';
import { pagesOf } from '../../delivery/finding.ts';
import type { Pulse } from '../../delivery/heartbeats.ts';
import type { LaneHealth } from '../../delivery/lane.ts';
import type { Refusals } from '../../recorder/refusals.ts';
import type { Store } from '../../store/store.ts';
import { ACTUATOR, mustActFor } from '../acting.ts';
import { askedBy } from '../asking.ts';
import { parseJson } from '../body.ts';
import type { Call, KnownCall, Route } from '../guard.ts';
import { isKnown } from '../headers.ts';
import { createTurns, sendPieces } from '../pieces.ts';
import { SECURITY_HEADERS } from '../problem.ts';
import { parametersOf } from '../query.ts';
import { type Reply, json, raw } from '../reply.ts';

export interface ActuatorParts {
  policy: () => Policy;
  refusals: Pick<Refusals, 'denied'>;
  log: Log;
  store: { readonly holds: Pick<Store['holds'], 'desired'> };
  delivery: Pick<Delivery, 'digest' | 'beat' | 'health'>;
}

const MAX_TURNS = 2;
/** What is no longer than this is sent in one go (UTF-16 units). */
const MAX_PIECE_LENGTH = 64 * 1024;

const holdId = z.string().regex(HOLD_ID, 'must be the id of a hold: HLD- and 12 hex digits');
const BeatBody = z.strictObject({
  desired_digest: optional(z.string().regex(/^"?[\x21\x23-\x7e]{1,128}"?$/, 'must be the ETag of a desired set')),
  holds: optional(z.array(holdId).max(10_000)),
  boot_id: optional(line(128)),
});

export function actuatorRoutes({ policy, refusals, log, store, delivery }: ActuatorParts): Route[] {
  const takeTurn = createTurns(MAX_TURNS, 'desired sets');

  function list({ url }: Call): Reply {
    parametersOf(url, []);
    const { pushed, pulled } = delivery.health();
    return json([...policy().actuators.values()].map((each) => viewOf(each, pushed.get(each.name), pulled.get(each.name))));
  }

  async function wanted(call: KnownCall): Promise<Reply> {
    parametersOf(call.url, []);
    const name = actingFor(call, { policy, refusals });
    const digest = await delivery.digest(name);
    const headers = { etag: `"${digest}"` };
    if (isKnown(call.incoming.headers, digest)) return { status: 304, headers: { ...SECURITY_HEADERS, ...headers }, body: null };
    // What changes while it is sent leads to another digest, which the next heartbeat is told.
    const pieces = piecesOf(name, digest, pagesOf(store.holds, name));
    const first = pieces.next();
    const rest = pieces.next();
    if (first.done || rest.done) return raw(first.value ?? '', 200, headers);
    if (call.incoming.method === 'HEAD') return raw('', 200, headers);
    using _turn = takeTurn(call.token.name);
    return await sendPieces(call.outgoing, headers, joined([first.value, rest.value], pieces), (error) =>
      log.error('a desired set was cut short', { actuator: name, error: String(error) }),
    );
  }

  async function heartbeat(call: KnownCall): Promise<Reply> {
    askedBy(call);
    const told = parseShape(BeatBody, parseJson(call.body), 'invalid_request');
    const name = actingFor(call, { policy, refusals });
    const desired_digest = told.desired_digest?.replaceAll('"', '') ?? null;
    await delivery.beat(name, { ...told, desired_digest });
    return json({ desired_digest: await delivery.digest(name), interval_ms: policy().actuators.get(name)?.heartbeat_ms ?? null });
  }

  return [
    { method: 'GET', path: '/api/v1/actuators', for: 'read', handle: list },
    { method: 'GET', path: `/api/v1/actuators/${ACTUATOR}/desired`, for: 'actuate', handle: wanted },
    { method: 'POST', path: `/api/v1/actuators/${ACTUATOR}/heartbeat`, for: 'actuate', handle: heartbeat },
  ];
}

/**
 * The actuator that a call is about.
 * @throws RecorderError "forbidden" for another one's token, whether there is such an actuator or not; "not_found"
 */
export function actingFor({ token, param }: KnownCall, { policy, refusals }: Pick<ActuatorParts, 'policy' | 'refusals'>): string {
  const name = param('actuator');
  mustActFor(token, name, refusals);
  if (!policy().actuators.has(name)) throw new RecorderError('not_found', 'the policy in force names no such actuator');
  return name;
}

/** How it is reached and how it does; nothing of what opens its door. */
function viewOf(
  { name, actions, push, dialect, deadline_ms, verify, heartbeat_ms }: Actuator,
  pushed: LaneHealth | undefined,
  pulled: Pulse | undefined,
): Record<string, unknown> {
  return {
    ...{ name, actions, reached: push ? urlOf(push) : 'pull', dialect, deadline_ms },
    ...{ verify: verify && { every_ms: verify.every_ms }, heartbeat_ms },
    health: (pushed ?? pulled)?.health ?? 'unknown',
    ...{ breaker: pushed?.breaker ?? null, last_error: pushed?.last_error ?? null, waits_since: pushed?.oldest ?? null },
    heard_at: pulled?.heard_at ?? null,
  };
}

/** Without what follows the path: a query may hold a secret. */
function urlOf(address: Address): string {
  const path = address.path.split('?', 1)[0] ?? '';
  if (address.over === 'unix') return `unix:${address.socket}:${path}`;
  return `${address.tls ? 'https' : 'http'}://${address.host}:${address.port}${path}`;
}

/** One piece, or at least two. */
function* piecesOf(actuator: string, digest: string, pages: Iterable<readonly Hold[]>): Generator<string, undefined> {
  let piece = `{"actuator":${JSON.stringify(actuator)},"digest":${JSON.stringify(digest)},"holds":[`;
  let separator = '';
  for (const page of pages) {
    for (const hold of page) {
      piece += separator + JSON.stringify(desiredView(hold));
      separator = ',';
      if (piece.length < MAX_PIECE_LENGTH) continue;
      yield piece;
      piece = '';
    }
  }
  yield `${piece}]}`;
}

function* joined(first: readonly string[], rest: Iterable<string>): Generator<string> {
  yield* first;
  yield* rest;
}
