// Every route as the contract promises it: the table that tests of all routes are driven by.

import type { TestHouse } from './house.ts';

export type Who = 'reporter' | 'reader' | 'operator' | 'admin' | 'actuator';

export interface PromisedRoute {
  readonly method: 'GET' | 'POST';
  /** `{id}` stands for the id of an incident; `{hold}`, `{command}` and `{approval}` for ids of those. The actuator is `agent`. */
  readonly path: string;
  readonly open: 'always' | 'on loopback' | 'never';
  /** Roles whose token it takes where a token is needed. */
  readonly for: readonly Who[];
  /** A body that it takes, of an incident. */
  readonly body?: (id: string) => object;
  readonly type?: string;
  /** It is answered and nothing changes, however often: it takes no Idempotency-Key. */
  readonly changes?: false;
  /** What the request must carry beside its token. */
  readonly headers?: Readonly<Record<string, string>>;
}

const READERS = ['reader', 'operator', 'admin'] as const;
const OPERATORS = ['operator', 'admin'] as const;
const ACTUATORS = ['actuator'] as const;
const READERS_OF_INCIDENTS = ['reporter', ...READERS] as const;
const ALL = [...READERS_OF_INCIDENTS, ...ACTUATORS] as const;

/** A policy under which there is one of everything that a route can be about, once `oneOfEach` has reported. */
export const POLICY_OF_ALL = `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent]}
  policy_bypass_attempt: {auto_contain: true, actions: [{action: disable_airlock, approve: severity >= low}]}
actuators:
  agent: {actions: [freeze_agent], pull: true}
`;

export const ROUTES: readonly PromisedRoute[] = [
  { method: 'GET', path: '/health', open: 'always', for: ALL },
  { method: 'GET', path: '/livez', open: 'always', for: ALL },
  { method: 'GET', path: '/readyz', open: 'always', for: ALL },
  { method: 'GET', path: '/problems/not-found', open: 'always', for: ALL },
  { method: 'GET', path: '/api/v1/incidents', open: 'on loopback', for: READERS_OF_INCIDENTS },
  { method: 'GET', path: '/api/v1/incidents/get?id={id}', open: 'on loopback', for: READERS_OF_INCIDENTS },
  { method: 'GET', path: '/api/v1/incidents/{id}', open: 'on loopback', for: READERS_OF_INCIDENTS },
  { method: 'GET', path: '/api/v1/incidents/{id}/timeline', open: 'never', for: READERS_OF_INCIDENTS },
  { method: 'GET', path: '/api/v1/incidents?q=a', open: 'never', for: READERS_OF_INCIDENTS },
  { method: 'GET', path: '/api/v1/stats', open: 'on loopback', for: READERS },
  { method: 'GET', path: '/api/v1/audit/proof/inclusion?seq=1', open: 'never', for: READERS },
  { method: 'GET', path: '/api/v1/audit/proof/consistency?from=1', open: 'never', for: READERS },
  {
    method: 'POST',
    path: '/api/v1/incidents/report',
    open: 'never',
    for: ['reporter'],
    body: () => ({ class: 'tool_call_burst', source: 'tool-firewall', description: 'from the table of routes' }),
  },
  {
    method: 'POST',
    path: '/api/v1/incidents/reports',
    open: 'never',
    for: ['reporter'],
    body: () => ({ class: 'tool_call_burst', source: 'tool-firewall', description: 'from the table of routes' }),
    type: 'application/x-ndjson',
  },
  { method: 'POST', path: '/api/v1/incidents/contain', open: 'never', for: OPERATORS, body: (id) => ({ id }) },
  { method: 'POST', path: '/api/v1/incidents/acknowledge', open: 'never', for: OPERATORS, body: (id) => ({ id }) },
  { method: 'POST', path: '/api/v1/incidents/reopen', open: 'never', for: OPERATORS, body: (id) => ({ id }) },
  { method: 'POST', path: '/api/v1/incidents/resolve', open: 'never', for: OPERATORS, body: (id) => ({ id }) },
  { method: 'POST', path: '/api/v1/incidents/{id}/notes', open: 'never', for: OPERATORS, body: () => ({ note: 'seen' }) },
  {
    method: 'POST',
    path: '/api/v1/incidents/{id}/attest',
    open: 'never',
    for: OPERATORS,
    body: () => ({ binding: '0'.repeat(64), evidence: { pcr7: 'abc' } }),
  },
  { method: 'GET', path: '/api/v1/holds', open: 'never', for: READERS },
  { method: 'GET', path: '/api/v1/holds/{hold}', open: 'never', for: READERS },
  { method: 'POST', path: '/api/v1/holds/{hold}/extend', open: 'never', for: OPERATORS, body: () => ({ ttl: '2h' }) },
  { method: 'POST', path: '/api/v1/holds/{hold}/apply', open: 'never', for: OPERATORS, body: () => ({}) },
  { method: 'GET', path: '/api/v1/commands', open: 'never', for: READERS },
  { method: 'GET', path: '/api/v1/commands/{command}', open: 'never', for: READERS },
  { method: 'POST', path: '/api/v1/commands/{command}/retry', open: 'never', for: OPERATORS, body: () => ({}) },
  { method: 'POST', path: '/api/v1/commands/{command}/result', open: 'never', for: ACTUATORS, body: () => ({ status: 'accepted' }) },
  { method: 'GET', path: '/api/v1/actuators', open: 'never', for: READERS },
  { method: 'GET', path: '/api/v1/sandbox', open: 'never', for: READERS },
  { method: 'GET', path: '/api/v1/actuators/agent/commands', open: 'never', for: ACTUATORS },
  { method: 'GET', path: '/api/v1/actuators/agent/desired', open: 'never', for: ACTUATORS },
  { method: 'POST', path: '/api/v1/actuators/agent/heartbeat', open: 'never', for: ACTUATORS, body: () => ({ holds: [] }) },
  { method: 'GET', path: '/api/v1/approvals', open: 'never', for: READERS },
  { method: 'GET', path: '/api/v1/approvals/{approval}', open: 'never', for: READERS },
  {
    method: 'POST',
    path: '/api/v1/approvals/{approval}/decision',
    open: 'never',
    for: OPERATORS,
    body: () => ({ decision: 'reject' }),
    headers: { 'if-match': `"${'0'.repeat(64)}"` },
  },
  // Last of those about a hold: it ends it.
  { method: 'POST', path: '/api/v1/holds/{hold}/release', open: 'never', for: OPERATORS, body: () => ({}) },
  ...['check', 'replay'].map((name): PromisedRoute => ({
    ...{ method: 'POST', path: `/api/v1/policy/${name}`, open: 'never', for: OPERATORS, changes: false },
    body: () => ({ policy: POLICY_OF_ALL }),
  })),
  {
    ...{ method: 'POST', path: '/api/v1/policy/explain', open: 'never', for: OPERATORS, changes: false },
    body: () => ({ report: { class: 'tool_call_burst', source: 'tool-firewall', description: 'from the table of routes' } }),
  },
  { method: 'POST', path: '/api/v1/reload', open: 'never', for: OPERATORS, body: () => ({}) },
];

/** What the paths of routes can be about, by id. */
export interface Ids {
  readonly hold?: string | undefined;
  readonly command?: string | undefined;
  readonly approval?: string | undefined;
}

/** The path of a route with ids in it; ids that are not given are such as nothing has. */
export function pathOf(
  { path }: Pick<PromisedRoute, 'path'>,
  id = 'INC-20260313-000000000000',
  { hold = 'HLD-000000000000', command = 'CMD-000000000000', approval = 'APR-000000000000' }: Ids = {},
): string {
  return path.replace('{id}', id).replace('{hold}', hold).replace('{command}', command).replace('{approval}', approval);
}

/** Reports what it takes, unless it is there; the newest hold, command and approval. Nobody has to wait for its actuator. */
export async function oneOfEach(house: Pick<TestHouse, 'get' | 'post'>): Promise<Required<Ids>> {
  const first = async (list: string) => (await house.get(`/api/v1/${list}`).expect(200)).body[0]?.id as string | undefined;
  const report = async (name: string) =>
    house
      .post('/api/v1/incidents/report', { class: name, source: 'tool-firewall', description: 'one of each' })
      .set('Prefer', 'wait=0')
      .expect(201);
  if ((await first('holds?action=freeze_agent&status=requested,accepted')) === undefined) await report('prompt_injection');
  if ((await first('approvals?status=pending')) === undefined) await report('policy_bypass_attempt');
  const hold = await first('holds?action=freeze_agent');
  const command = await first(`commands?hold=${hold}`);
  const approval = await first('approvals?status=pending');
  if (hold === undefined || command === undefined || approval === undefined) throw new Error('there is not one of each');
  return { hold, command, approval };
}

/** What every refusal looks like, whoever made it. */
const PROBLEM = {
  type: /^\/problems\/[a-z-]+$/,
  request_id: /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
} as const;

export const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
} as const;

/** What is wrong with the form of a refusal, or null: as RFC 9457 and the contract want it. */
export function faultOfProblem(answer: { status: number; headers: Readonly<Record<string, unknown>>; body: unknown }): string | null {
  const { status, headers, body } = answer;
  const contentType = headers['content-type'];
  if (contentType !== 'application/problem+json') return `content-type is ${String(contentType)}`;
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) if (headers[name] !== value) return `${name} is ${String(headers[name])}`;
  if (typeof body !== 'object' || body === null) return 'the body is no object';
  const { type, title, status: told, detail, code, request_id, error, errors } = body as Record<string, unknown>;
  if (told !== status) return `status is ${String(told)}, not ${status}`;
  if (typeof type !== 'string' || !PROBLEM.type.test(type)) return `type is ${String(type)}`;
  if (typeof code !== 'string' || type !== `/problems/${code.replaceAll('_', '-')}`) return `code is ${String(code)}`;
  if (typeof title !== 'string' || title === '') return 'title is missing';
  if (typeof detail !== 'string' || detail === '') return 'detail is missing';
  if (error !== detail) return 'error is not detail';
  if (typeof request_id !== 'string' || !PROBLEM.request_id.test(request_id)) return `request_id is ${String(request_id)}`;
  if (errors === undefined) return null;
  if (!Array.isArray(errors) || errors.length === 0) return 'errors is no list of faults';
  for (const fault of errors as Record<string, unknown>[]) {
    if (typeof fault['pointer'] !== 'string' || typeof fault['detail'] !== 'string') return `a fault is ${JSON.stringify(fault)}`;
  }
  return null;
}

/** One token a role, for houses that test who may what; the reporter may report anything. */
export const ROLE_TOKENS = {
  reporter: { token: 'reporter-'.repeat(4), role: 'reporter', sources: ['*'], classes: ['*'] },
  reader: { token: 'reader--'.repeat(4), role: 'reader' },
  operator: { token: 'operator-'.repeat(4), role: 'operator' },
  admin: { token: 'admin---'.repeat(4), role: 'admin' },
  actuator: { token: 'actuator'.repeat(4), role: 'actuator', actuator: 'agent' },
} satisfies Record<Who, { token: string; role: string; sources?: string[]; classes?: string[]; actuator?: string }>;
