// The door: what every request passes before its route sees it, in one order.
//
//   503 draining · 421 host   in server.ts, before any routing
//   404 · 405                 in app.ts, by the table of routes
//   401 · 403 · 429 · 415 · 413 · 400   here

import type { Reply } from './reply.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { isToken } from '../access/load.ts';
import type { Keyring } from '../access/keyring.ts';
import { type Right, mayDo } from '../access/roles.ts';
import type { Token } from '../access/token.ts';
import { RecorderError } from '../errors.ts';
import type { Refusals } from '../recorder/refusals.ts';
import { MAX_BODY_BYTES, checkContentType, readBody } from './body.ts';
import type { Pace } from './pace.ts';
import { queryOf } from './query.ts';

/** A request that has come through the door. */
export interface Call {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Path and query, as they came. */
  readonly url: string;
  readonly path: string;
  /** A part of the path, by its name in the route. */
  param(name: string): string;
  /** Empty for routes without one. */
  readonly body: Buffer;
  readonly token: Token | null;
}

/** A call that cannot be without a token. */
export interface KnownCall extends Call {
  readonly token: Token;
}

interface Door {
  readonly path: string;
}

interface ReadRoute extends Door {
  readonly method: 'GET';
  readonly for: 'anyone' | 'read' | 'read_own';
  /** Needs no token on loopback unless REQUIRE_READ_TOKEN says so; these parameters need one all the same. */
  readonly openBut?: readonly string[];
  readonly handle: (call: Call) => Reply | Promise<Reply>;
}

/** What an actuator reads: always with its token. */
interface FetchRoute extends Door {
  readonly method: 'GET';
  readonly for: 'actuate';
  readonly handle: (call: KnownCall) => Reply | Promise<Reply>;
}

interface ChangeRoute extends Door {
  readonly method: 'POST';
  readonly for: 'report' | 'operate' | 'actuate';
  /** What reads its body by itself says of which type it is. */
  readonly streams?: string;
  readonly handle: (call: KnownCall) => Reply | Promise<Reply>;
}

/** One row of the table of routes. */
export type Route = ReadRoute | FetchRoute | ChangeRoute;

export interface GuardParts {
  keyring: () => Keyring;
  pace: Pace;
  refusals: Pick<Refusals, 'denied'>;
  /** True when reads need a token. */
  readsClosed: () => boolean;
}

export type Guarded = (request: HttpBindings, path: string, param: Call['param']) => Reply | Promise<Reply>;

export function createGuard({ keyring, pace, refusals, readsClosed }: GuardParts): (route: Route) => Guarded {
  function authenticate(header: string | undefined): Token {
    if (header === undefined) {
      refusals.denied('no token');
      throw new RecorderError('unauthenticated', 'a token is needed: Authorization: Bearer <token>');
    }
    const presented = header.startsWith('Bearer ') ? header.slice('Bearer '.length) : '';
    if (!isToken(presented)) {
      refusals.denied('malformed token');
      throw new RecorderError('unauthenticated', 'the Authorization header must be "Bearer", one space and the token');
    }
    const token = keyring().find(presented);
    if (token) return token;
    refusals.denied('unknown token');
    throw new RecorderError('unauthenticated', 'this token is not known');
  }

  function admit(token: Token, right: Right): void {
    if (mayDo(token.role, right)) return;
    refusals.denied('role');
    throw new RecorderError('forbidden', `a token with the role ${token.role} may not do this`);
  }

  function isOpen({ for: right, openBut }: ReadRoute, url: string): boolean {
    if (right === 'anyone') return true;
    if (openBut === undefined || readsClosed()) return false;
    const parameters = queryOf(url);
    return !openBut.some((name) => parameters.has(name));
  }

  function read(route: ReadRoute | FetchRoute, call: Omit<Call, 'token'>): Reply | Promise<Reply> {
    if (route.for !== 'actuate' && isOpen(route, call.url)) return route.handle({ ...call, token: null });
    const token = authenticate(call.incoming.headers.authorization);
    admit(token, route.for);
    pace(token);
    return route.handle({ ...call, token });
  }

  function change(route: ChangeRoute, call: Omit<Call, 'token'>): Reply | Promise<Reply> {
    const { headers } = call.incoming;
    const token = authenticate(headers.authorization);
    admit(token, route.for);
    if (route.streams !== undefined) {
      checkContentType(headers['content-type'], route.streams);
      return route.handle({ ...call, token });
    }
    pace(token);
    checkContentType(headers['content-type'], 'application/json');
    return readBody(call.incoming, MAX_BODY_BYTES).then((body) => route.handle({ ...call, token, body }));
  }

  return (route) =>
    ({ incoming, outgoing }, path, param) => {
      const call = { incoming, outgoing, url: incoming.url ?? '/', path, param, body: EMPTY };
      return route.method === 'POST' ? change(route, call) : read(route, call);
    };
}

const EMPTY = Buffer.alloc(0);
