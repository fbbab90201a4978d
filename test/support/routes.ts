// Every route as the contract promises it: the table that tests of all routes are driven by.

export type Who = 'reporter' | 'reader' | 'operator' | 'admin';

export interface PromisedRoute {
  readonly method: 'GET' | 'POST';
  /** `{id}` stands for the id of an incident. */
  readonly path: string;
  readonly open: 'always' | 'on loopback' | 'never';
  /** Roles whose token it takes where a token is needed. */
  readonly for: readonly Who[];
  /** A body that it takes. */
  readonly body?: (id: string) => object;
  readonly type?: string;
}

const READERS = ['reader', 'operator', 'admin'] as const;
const OPERATORS = ['operator', 'admin'] as const;
const ALL = ['reporter', ...READERS] as const;

export const ROUTES: readonly PromisedRoute[] = [
  { method: 'GET', path: '/health', open: 'always', for: ALL },
  { method: 'GET', path: '/livez', open: 'always', for: ALL },
  { method: 'GET', path: '/readyz', open: 'always', for: ALL },
  { method: 'GET', path: '/problems/not-found', open: 'always', for: ALL },
  { method: 'GET', path: '/api/v1/incidents', open: 'on loopback', for: ALL },
  { method: 'GET', path: '/api/v1/incidents/get?id={id}', open: 'on loopback', for: ALL },
  { method: 'GET', path: '/api/v1/incidents/{id}', open: 'on loopback', for: ALL },
  { method: 'GET', path: '/api/v1/incidents/{id}/timeline', open: 'never', for: ALL },
  { method: 'GET', path: '/api/v1/incidents?q=a', open: 'never', for: ALL },
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
  { method: 'POST', path: '/api/v1/reload', open: 'never', for: OPERATORS, body: () => ({}) },
];

/** The path of a route with an id in it. */
export function pathOf({ path }: PromisedRoute, id = 'INC-20260313-000000000000'): string {
  return path.replace('{id}', id);
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
} satisfies Record<Who, { token: string; role: string; sources?: string[]; classes?: string[] }>;
