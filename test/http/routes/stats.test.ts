// Statistics: kept by counters, and always what the list would count.

import { describe, expect, it } from 'vitest';
import { type TestHouse, aReport, openTestHouse } from '../../support/house.ts';
import type { Parsed } from '../../support/raw.ts';

const API = '/api/v1/incidents';

async function counted(house: TestHouse) {
  const all: Parsed[] = (await house.get(`${API}?limit=200`).expect(200)).body;
  const by = (field: string, rows: Parsed[]) => {
    const sums: Record<string, number> = {};
    for (const row of rows) sums[row[field]] = (sums[row[field]] ?? 0) + 1;
    return sums;
  };
  const open = all.filter(({ state }) => state === 'open' || state === 'contained');
  const zeros = (words: string[]) => Object.fromEntries(words.map((word) => [word, 0]));
  const severities = zeros(['low', 'medium', 'high', 'critical']);
  return {
    total_incidents: all.length,
    open_incidents: open.length,
    contained_count: all.filter(({ state }) => state === 'contained').length,
    resolved_count: all.filter(({ state }) => state === 'resolved').length,
    by_state: { ...zeros(['open', 'contained', 'acknowledged', 'resolved']), ...by('state', all) },
    by_class: by('class', all),
    by_severity: { ...severities, ...by('severity', all) },
    open_by_severity: { ...severities, ...by('severity', open) },
  };
}

describe('stats', () => {
  it('are all there, and zero, before anything was reported', async () => {
    await using house = await openTestHouse();
    expect((await house.http.get('/api/v1/stats').expect(200)).body).toEqual(await counted(house));
  });

  it('follow every step of every incident, and a restart', async () => {
    await using house = await openTestHouse();
    const expectTrue = async () => expect((await house.http.get('/api/v1/stats')).body).toEqual(await counted(house));
    const ids: string[] = [];
    for (const [name, severity] of [
      ['prompt_injection', 'low'],
      ['prompt_injection', 'critical'],
      ['forbidden_airlock_request', undefined],
      ['attestation_failure', undefined],
      ['tool_call_burst', undefined],
    ]) {
      const { body } = await house.post(`${API}/report`, aReport({ class: name, ...(severity && { severity }) })).expect(201);
      ids.push(body.id);
      await expectTrue();
    }
    for (const [step, i] of [
      ['acknowledge', 0],
      ['reopen', 0],
      ['contain', 2],
      ['resolve', 1],
      ['acknowledge', 3],
      ['resolve', 3],
    ] as const) {
      await house.post(`${API}/${step}`, { id: ids[i] }).expect(200);
      await expectTrue();
    }
    const joined = { class: 'tool_call_burst', dedup_key: 'k' };
    await house.post(`${API}/report`, aReport({ ...joined, severity: 'low' })).expect(201);
    await house.post(`${API}/report`, aReport({ ...joined, severity: 'critical' })).expect(200);
    await expectTrue();
    const { body } = await house.http.get('/api/v1/stats');
    expect(body).toMatchObject({ total_incidents: 6, open_incidents: 4, resolved_count: 2 });
    await house.restart();
    expect((await house.http.get('/api/v1/stats')).body).toEqual(body);
  });

  it('take no parameters', async () => {
    await using house = await openTestHouse();
    expect((await house.http.get('/api/v1/stats?class=x').expect(400)).body).toMatchObject({ code: 'invalid_parameter' });
  });
});
