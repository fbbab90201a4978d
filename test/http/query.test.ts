// Query parameters: what the list can be narrowed by, and that nothing is ever guessed.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestHouse, aReport, createClock, openTestHouse } from '../support/house.ts';
import type { Parsed } from '../support/raw.ts';
import { ROLE_TOKENS, faultOfProblem } from '../support/routes.ts';

const LIST = '/api/v1/incidents';

/** Follows `next` to the end, and gives the pages as the descriptions on them. */
async function pages(house: TestHouse, target: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let next: string | undefined = target; next !== undefined;) {
    const answer: { body: Parsed[]; headers: Record<string, string>; status: number } = await house.get(next);
    expect(answer.status).toBe(200);
    found.push(answer.body.map(({ description }) => description));
    next = nextOf(answer.headers['link']);
    if (found.length > 100) throw new Error('the list has no end');
  }
  return found;
}

function nextOf(link: string | undefined): string | undefined {
  return link === undefined ? undefined : /^<(\/[^>]+)>; rel="next"$/.exec(link)?.[1];
}

async function expectRefusal(house: TestHouse, target: string, detail: RegExp): Promise<void> {
  const answer = await house.get(target);
  expect(answer.body).toMatchObject({ status: 400, code: 'invalid_parameter', detail: expect.stringMatching(detail) });
  expect(faultOfProblem(answer)).toBeNull();
}

describe('a filter', () => {
  const clock = createClock('2026-03-13T00:00:00.000Z');
  let house: TestHouse;

  // One an hour, named by its number: 0 and 4 resolved, 2 acknowledged.
  const REPORTED = [
    { class: 'attestation_failure', source: 'attestor', severity: 'critical' },
    { class: 'prompt_injection', source: 'tool-firewall', severity: 'high' },
    { class: 'forbidden_airlock_request', source: 'airlock', severity: 'medium' },
    { class: 'prompt_injection', source: 'tool-firewall', severity: 'low' },
    { class: 'tool_call_burst', source: 'tool,firewall', severity: 'medium' },
    { class: 'prompt_injection', source: 'Über-wächter', severity: 'high' },
    { class: 'forbidden_airlock_request', source: 'airlock', severity: 'low' },
  ];

  beforeAll(async () => {
    house = await openTestHouse({ now: clock.now });
    for (const [i, report] of REPORTED.entries()) {
      const { body } = await house.post(`${LIST}/report`, { ...report, description: `${i}` }).expect(201);
      if (i === 0 || i === 4) await house.post(`${LIST}/resolve`, { id: body.id }).expect(200);
      if (i === 2) await house.post(`${LIST}/acknowledge`, { id: body.id }).expect(200);
      clock.advance(3_600_000);
    }
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  const found = async (query: string) => (await pages(house, `${LIST}${query}`)).flat().join('');

  it.each([
    ['none', '', '0514263'],
    ['a class', '?class=prompt_injection', '513'],
    ['two classes by comma', '?class=prompt_injection,tool_call_burst', '5143'],
    ['two classes by repetition', '?class=prompt_injection&class=tool_call_burst', '5143'],
    ['a class that nobody knows, which matches nothing', '?class=unheard_of', ''],
    ['a class that nobody knows beside one that somebody does', '?class=unheard_of,tool_call_burst', '4'],
    ['an empty class, which matches nothing', '?class=', ''],
    ['a state', '?state=resolved', '04'],
    ['two states', '?state=contained,acknowledged', '5123'],
    ['the open ones', '?state=open', '6'],
    ['a state twice', '?state=open,open&state=open', '6'],
    ['every state', '?state=open,contained,acknowledged,resolved', '0514263'],
    ['a severity', '?severity=high', '51'],
    ['two severities, most severe first in whatever order they are asked', '?severity=low,critical', '063'],
    ['a source', '?source=airlock', '26'],
    ['a source by its escaped name', `?source=${encodeURIComponent('Über-wächter')}`, '5'],
    ['a source in other case, which is another', '?source=Airlock', ''],
    ['since an instant, which is included', '?since=2026-03-13T05:00:00Z', '56'],
    ['until an instant, which is not included', '?until=2026-03-13T02:00:00.000Z', '01'],
    ['since and until', '?since=2026-03-13T01:00:00Z&until=2026-03-13T03:00:00Z', '12'],
    ['an instant with another offset', `?until=${encodeURIComponent('2026-03-13T02:00:00+01:00')}`, '0'],
    ['a day, from its beginning in UTC', '?since=2026-03-13', '0514263'],
    ['until a day', '?until=2026-03-13', ''],
    ['a part of the description', '?q=3', '3'],
    ['all of these, each narrowing the others', '?class=prompt_injection&state=contained&severity=high,low&source=tool-firewall&q=3', '3'],
    ['a source and a state that do not meet', '?source=attestor&state=open', ''],
  ])('by %s', async (_, query, wanted) => {
    expect(await found(query)).toBe(wanted);
    const [first = []] = await pages(house, `${LIST}${query}${query === '' ? '?' : '&'}limit=1`);
    expect(first.join('')).toBe(wanted.slice(0, 1));
  });

  it.each([
    ['an unknown parameter', '?colour=red', /colour is not a known parameter/],
    ['a mistyped parameter, with the one that was meant', '?sevrity=high', /did you mean "severity"/],
    ['a parameter in other case', '?Class=x', /Class is not a known parameter; did you mean "class"/],
    ['a parameter of the original that is not one of ours', '?offset=3', /offset is not a known parameter/],
    ['a parameter that objects have', '?__proto__=1', /__proto__ is not a known parameter/],
    ['an empty parameter name', '?=1', /is not a known parameter/],
    [
      'an unknown state, with the one that was meant',
      '?state=opened',
      /state must be one of open, contained, acknowledged, resolved; did you mean "open"/,
    ],
    ['an unknown state beside a known one', '?state=open,gone', /state must be one of/],
    ['an empty state', '?state=', /state must be one of/],
    ['a state in other case', '?state=OPEN', /state must be one of/],
    ['a state that objects have', '?state=constructor', /state must be one of/],
    ['an unknown severity', '?severity=urgent', /severity must be one of low, medium, high, critical/],
    ['a since that is no instant', '?since=yesterday', /since must be an ISO 8601/],
    ['a since without offset', '?since=2026-03-13T05:00:00', /since must be an ISO 8601/],
    ['a since in seconds', '?since=1773360000', /since must be an ISO 8601/],
    ['a month that is none', '?until=2026-13-01', /until must be an ISO 8601/],
    ['a day that is none', '?since=2026-02-30', /since must be an ISO 8601/],
    ['a day that is none in that year', '?since=2026-02-29T10:00:00Z', /since must be an ISO 8601/],
    ['an hour that is none', '?since=2026-02-28T25:00:00Z', /since must be an ISO 8601/],
    ['two untils', '?until=2026-03-13&until=2026-03-14', /until must be given once/],
    ['an empty q', '?q=', /q must be 1 to 128 characters/],
    ['a q of 129 characters', `?q=${'a'.repeat(129)}`, /q must be 1 to 128 characters/],
    ['two qs', '?q=a&q=b', /q must be given once/],
    ['more values than anybody needs', `?class=${'a,'.repeat(64)}`, /class has 65 values; at most 64/],
    ['a limit of 0', '?limit=0', /limit must be a whole number from 1 to 200/],
    ['a limit of 201', '?limit=201', /limit must be a whole number from 1 to 200/],
    ['a limit below zero', '?limit=-1', /limit must be/],
    ['a limit with a fraction', '?limit=1.5', /limit must be/],
    ['a limit in words', '?limit=all', /limit must be/],
    ['a limit in another notation', '?limit=1e2', /limit must be/],
    ['an empty limit', '?limit=', /limit must be/],
    ['two limits', '?limit=1&limit=2', /limit must be given once/],
    ['a cursor of nobody', '?cursor=abc', /cursor is not a cursor/],
    ['a cursor that is JSON of something else', `?cursor=${Buffer.from('{"rank":1}').toString('base64url')}`, /cursor is not a cursor/],
    ['a cursor with words in it', `?cursor=${Buffer.from('["1","2","3"]').toString('base64url')}`, /cursor is not a cursor/],
    ['an empty cursor', '?cursor=', /cursor is not a cursor/],
  ])('by %s is 400, and says what is wrong', async (_, query, detail) => {
    await expectRefusal(house, `${LIST}${query}`, detail);
  });

  it('of 128 characters is the longest q', async () => {
    await house.get(`${LIST}?q=${'a'.repeat(128)}`).expect(200);
  });

  it.each([
    ['%', ''],
    ['_', ''],
    ["' OR 1=1 --", ''],
    ['"', ''],
  ])('by q=%s means these very characters', async (q, wanted) => {
    expect(await found(`?q=${encodeURIComponent(q)}`)).toBe(wanted);
  });

  it('by q minds no case of ASCII letters', async () => {
    const { body } = await house.post(`${LIST}/report`, aReport({ description: 'Ignore PREVIOUS 100%_sure "instructions"' })).expect(201);
    for (const q of ['ignore', 'previous', 'IGNORE previous', '100%_S', '"INSTRUCTIONS"']) {
      const answer = await house.get(`${LIST}?q=${encodeURIComponent(q)}`).expect(200);
      expect(answer.body.map(({ id }: Parsed) => id)).toEqual([body.id]);
    }
    await house.post(`${LIST}/resolve`, { id: body.id }).expect(200);
  });

  it('never repeats what was asked at full length', async () => {
    const answer = await house.get(`${LIST}?${'x'.repeat(5000)}=1`).expect(400);
    expect(answer.body.detail.length).toBeLessThan(200);
  });
});

describe('a page', () => {
  let house: TestHouse;
  const NAMES: string[] = [];

  beforeAll(async () => {
    house = await openTestHouse({ tokens: ROLE_TOKENS });
    const severities = ['low', 'critical', 'medium', 'high'];
    for (let i = 0; i < 23; i += 1) {
      const severity = severities[i % 4];
      const description = `${severity} ${i}`;
      const { body } = await house.post(`${LIST}/report`, aReport({ severity, description })).expect(201);
      if (i % 3 === 0) await house.post(`${LIST}/acknowledge`, { id: body.id }).expect(200);
      if (i % 5 === 0) await house.post(`${LIST}/resolve`, { id: body.id }).expect(200);
      NAMES.push(description);
    }
    const rank = (name: string) => ['critical', 'high', 'medium', 'low'].indexOf(name.split(' ')[0] ?? '');
    NAMES.sort((a, b) => rank(a) - rank(b) || Number(b.split(' ')[1]) - Number(a.split(' ')[1]));
  });
  afterAll(async () => house[Symbol.asyncDispose]());

  it('holds the most severe first, and of those the newest, whatever their states', async () => {
    expect((await pages(house, LIST)).flat()).toEqual(NAMES);
  });

  it.each([1, 2, 5, 7, 22, 23, 24, 200])('of %i at a time leads to the end by its next, each incident once', async (limit) => {
    const all = await pages(house, `${LIST}?limit=${limit}`);
    expect(all.flat()).toEqual(NAMES);
    for (const page of all) expect(page.length).toBeLessThanOrEqual(limit);
  });

  it('has at most 100 incidents when no limit is asked for, and 200 at most', async () => {
    await using many = await openTestHouse();
    const batch = `${JSON.stringify(aReport())}\n`.repeat(210);
    await many.post(`${LIST}/reports`, batch).type('application/x-ndjson').expect(200);
    expect((await many.get(LIST)).body).toHaveLength(100);
    expect((await many.get(`${LIST}?limit=200`)).body).toHaveLength(200);
    expect((await pages(many, LIST)).flat()).toHaveLength(210);
  });

  it('names its next by the path and filter that were asked, with another cursor', async () => {
    const answer = await house.get(`${LIST}?severity=high,low&state=contained&limit=2`).expect(200);
    const next = new URL(nextOf(answer.headers['link']) ?? '', house.url);
    expect(next.pathname).toBe(LIST);
    expect(next.searchParams.get('severity')).toBe('high,low');
    expect(next.searchParams.get('state')).toBe('contained');
    expect(next.searchParams.get('limit')).toBe('2');
    expect(next.searchParams.getAll('cursor')).toHaveLength(1);
  });

  it('is the last one when it has no next', async () => {
    const answer = await house.get(`${LIST}?limit=200`).expect(200);
    expect(answer.headers['link']).toBeUndefined();
  });

  it('is an array when nothing matches, never null', async () => {
    const answer = await house.get(`${LIST}?class=unheard_of`).expect(200);
    expect(answer.text).toBe('[]');
  });

  it('may be of another limit than the one before it', async () => {
    const first = await house.get(`${LIST}?limit=3`).expect(200);
    const next = new URL(nextOf(first.headers['link']) ?? '', house.url);
    next.searchParams.set('limit', '200');
    const rest = await house.get(next.pathname + next.search).expect(200);
    expect([...first.body, ...rest.body].map(({ description }) => description)).toEqual(NAMES);
  });

  it.each([
    ['state=open'],
    ['class=prompt_injection'],
    ['severity=critical'],
    ['source=tool-firewall'],
    ['since=2020-01-01'],
    ['until=2099-01-01'],
    ['q=high'],
  ])('is bound to its filter: its cursor with %s is 400', async (filter) => {
    const first = await house.get(`${LIST}?limit=3`).expect(200);
    const cursor = new URL(nextOf(first.headers['link']) ?? '', house.url).searchParams.get('cursor');
    await expectRefusal(house, `${LIST}?cursor=${cursor}&${filter}`, /another list/);
    await house.get(`${LIST}?cursor=${cursor}`).expect(200);
  });

  it('is bound to what its token may see: the cursor of an operator is 400 for a reporter', async () => {
    const first = await house.get(`${LIST}?limit=3&q=high`, ROLE_TOKENS.operator.token).expect(200);
    const next = nextOf(first.headers['link']) ?? '';
    await house.get(next, ROLE_TOKENS.admin.token).expect(200);
    await house.get(next, ROLE_TOKENS.reporter.token).expect(400);
  });

  it('goes on behind what is new: an incident that came meanwhile moves nothing that is still to come', async () => {
    await using own = await openTestHouse();
    for (let i = 0; i < 6; i += 1) await own.post(`${LIST}/report`, aReport({ description: `${i}` })).expect(201);
    const first = await own.get(`${LIST}?limit=2`).expect(200);
    await own.post(`${LIST}/report`, aReport({ description: 'new' })).expect(201);
    const rest = await pages(own, nextOf(first.headers['link']) ?? '');
    expect(rest.flat()).toEqual(['3', '2', '1', '0']);
  });

  it('examines a bounded number of rows: one that matches nothing may be empty and still have a next, and there is an end', async () => {
    await using own = await openTestHouse();
    const batch = (n: number, more: Record<string, unknown>) => `${JSON.stringify(aReport(more))}\n`.repeat(n);
    const send = async (lines: string) => own.post(`${LIST}/reports`, lines).type('application/x-ndjson').expect(200);
    await send(batch(1, { source: 'needle', description: 'needle' }));
    for (let i = 0; i < 6; i += 1) await send(batch(1000, {}));
    const [first = [], ...rest] = await pages(own, `${LIST}?source=needle`);
    expect(first).toEqual([]);
    expect(rest.length).toBeGreaterThan(0);
    expect(rest.flat()).toEqual(['needle']);
    expect((await pages(own, `${LIST}?source=nobody`)).flat()).toEqual([]);
  });

  it('is cut short when its incidents are large, and goes on behind its next', async () => {
    await using own = await openTestHouse();
    const evidence = Object.fromEntries(['a', 'b', 'c'].map((key) => [key, 'x'.repeat(16_000)]));
    for (let i = 0; i < 30; i += 1) await own.post(`${LIST}/report`, aReport({ evidence, description: `${i}` })).expect(201);
    const all = await pages(own, `${LIST}?limit=200`);
    expect(all.length).toBeGreaterThan(1);
    expect(all.flat()).toEqual(Array.from({ length: 30 }, (_, i) => `${29 - i}`));
  });
});
