// What the running service says when it is asked: how it is, what it sees of its cage, and how its actuators do.

import { z } from 'zod';
import { ask } from '../delivery/ask.ts';
import { RecorderError } from '../errors.ts';
import type { Address } from '../policy/policy.ts';
import { parsePush } from '../policy/push.ts';
import type { Sight } from '../sandbox/in-force.ts';

export interface Answers {
  readonly health: Health | null;
  readonly cage: Pick<z.infer<typeof Cage>, 'software' | 'node'> | null;
  /** What it sees of its own cage, by layer. */
  readonly layers: ReadonlyMap<string, Sight> | null;
  readonly actuators: readonly ToldActuator[] | null;
  /** Why it gave no answer at all; null = it did. */
  readonly unreachable: string | null;
  /** Why it told less than it knows; null = it told all. */
  readonly refused: string | null;
  /** There is no token, or not one that it takes. */
  readonly unauthorised: boolean;
}

const text = z.string().max(4096);
const Health = z.object({ status: text, checks: z.record(text, text) });
export type Health = z.infer<typeof Health>;
const Cage = z.object({
  software: text,
  node: text,
  layers: z.array(z.object({ layer: text, in_force: z.boolean().nullable(), seen: text })).max(64),
});
const Actuators = z.array(
  z.object({
    ...{ name: text, reached: text, health: z.enum(['ok', 'failing', 'unknown']), heartbeat_ms: z.number().nullable() },
    ...{ breaker: text.nullable(), last_error: text.nullable(), waits_since: text.nullable(), heard_at: text.nullable() },
  }),
);
export type ToldActuator = z.infer<typeof Actuators>[number];

/** At a tenth of a CPU, under load. */
const PATIENCE_MS = 10_000;

/** @throws RecorderError "invalid_parameter" */
export function addressGiven(url: string): Address {
  const at = parsePush(url.startsWith('unix:') ? `${url}:/` : `${url.replace(/\/$/, '')}/`, true);
  if (!('fault' in at)) return at;
  throw new RecorderError('invalid_parameter', `--url ${url}: must be such as http://127.0.0.1:8515 or unix:/path.sock`);
}

/** @param why it was not even asked */
export function unasked(why: string): Answers {
  return { health: null, cage: null, layers: null, actuators: null, unreachable: why, refused: null, unauthorised: false };
}

/** Never rejects. @param token null = there is none */
export async function askService(address: Address, token: string | null): Promise<Answers> {
  const why = {
    unreachable: null as string | null,
    refused: token === null ? 'there is no token to ask it with' : null,
    unauthorised: token === null,
  };
  const get = async <T>(path: string, shape: z.ZodType<T>, bearer: string | null): Promise<T | null> => {
    if (why.unreachable !== null) return null;
    const headers: Record<string, string> = bearer === null ? {} : { authorization: `Bearer ${bearer}` };
    try {
      const { status, body } = await ask({ method: 'GET', address: { ...address, path }, headers, body: null, timeout_ms: PATIENCE_MS });
      // 503 is also what a service that is not well says of its health.
      if (status === 200 || (status === 503 && path === '/health')) return shape.parse(JSON.parse(body));
      why.unauthorised ||= status === 401 || status === 403;
      why.refused ??= `GET ${path} is answered with ${status}`;
    } catch (error) {
      if (error instanceof z.ZodError || error instanceof SyntaxError) why.refused ??= `what it answers to GET ${path} is not understood`;
      else why.unreachable = error instanceof Error ? error.message : String(error);
    }
    return null;
  };
  const health = await get('/health', Health, null);
  const cage = token === null ? null : await get('/api/v1/sandbox', Cage, token);
  const actuators = token === null ? null : await get('/api/v1/actuators', Actuators, token);
  const layers = cage && new Map(cage.layers.map(({ layer, ...sight }) => [layer, sight]));
  return { ...why, health, cage, layers, actuators };
}
