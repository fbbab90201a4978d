// Holds: what an action is done to, who owns it, how many there may be, and when it ends.
import { describe, expect, it } from 'vitest';
import { type WritePath, aPolicy, openWritePath } from '../support/write-path.ts';

const TWO_RULES = `version: 1
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent]}
  tool_call_burst: {auto_contain: true, actions: [freeze_agent, disable_airlock]}
`;

interface HoldRow {
  id: string;
  action: string;
  target: string;
  live: number;
  status: string;
  rule: string;
  source: string;
}

function holds({ db }: WritePath): HoldRow[] {
  return db
    .prepare<[], HoldRow>(
      `SELECT id, action, target_type || ':' || target_id AS target, live, status, rule, source FROM holds ORDER BY seq`,
    )
    .all();
}

const live = (path: WritePath) => holds(path).filter(({ live: stands }) => stands === 1);

describe('a hold', () => {
  it('is made by the first incident that wants it, and told of in the log', async () => {
    using path = openWritePath({ policy: TWO_RULES });
    const { incident } = await path.report();
    const [record] = path.records('hold.recorded');
    expect(holds(path)).toEqual([
      {
        id: record?.id,
        action: 'freeze_agent',
        target: 'agent:*',
        live: 1,
        status: 'recorded',
        rule: 'prompt_injection',
        source: 'tool-firewall',
      },
    ]);
    expect(record?.id).toMatch(/^HLD-[0-9a-f]{12}$/);
    expect(record?.data).toEqual({
      action: 'freeze_agent',
      target: { type: 'agent', id: '*' },
      rule: 'prompt_injection',
      source: 'tool-firewall',
      incident_id: incident.id,
      status: 'recorded',
      params: {},
      actuator: null,
      expires_at: null,
    });
    expect(incident.containment.actions).toEqual([
      {
        action: 'freeze_agent',
        target: 'agent:*',
        hold_id: record?.id,
        status: 'recorded',
        actuator: null,
        attempts: 0,
        error: null,
        completed_at: null,
      },
    ]);
  });

  it('is shared by every incident that wants the same action on the same target', async () => {
    using path = openWritePath({ policy: TWO_RULES });
    const a = await path.report();
    const b = await path.report({ class: 'tool_call_burst', source: 'other' });
    expect(holds(path).map(({ action }) => action)).toEqual(['freeze_agent', 'disable_airlock']);
    expect(b.incident.containment.actions[0]?.hold_id).toBe(a.incident.containment.actions[0]?.hold_id);
    expect(b.incident.state).toBe('contained');
  });

  it.each([
    ['the first one first', [0, 1]],
    ['the second one first', [1, 0]],
  ])('is released exactly when the last of its owners is resolved: %s', async (_, [first, last]) => {
    using path = openWritePath({ policy: TWO_RULES });
    const owners = [await path.report(), await path.report({ class: 'tool_call_burst' })].map(({ incident }) => incident);
    const freeze = owners[0]?.containment.actions[0]?.hold_id;
    const [early, late] = [String(owners[Number(first)]?.id), String(owners[Number(last)]?.id)];

    const resolved = await path.step('resolve', early);
    expect(live(path).map(({ id }) => id)).toContain(freeze);
    expect(path.records('hold.released').filter(({ id }) => id === freeze)).toEqual([]);
    expect(resolved.incident.containment.actions.map(({ status }) => status)).not.toContain('recorded');
    expect(path.incident(late).incident).toMatchObject({ state: 'contained', containment: { status: 'recorded' } });

    path.clock.advance(1000);
    await path.step('resolve', late);
    expect(live(path)).toEqual([]);
    expect(path.records('hold.released').filter(({ id }) => id === freeze)).toMatchObject([
      { actor: 'operator:alice', data: { reason: 'last owner ended', incident_id: late } },
    ]);
    for (const { id } of owners) {
      const { containment } = path.incident(id).incident;
      expect(containment.status).toBe('released');
      expect(new Set(containment.actions.map(({ status }) => status))).toEqual(new Set(['released']));
    }
  });

  it('is not released by acknowledging, reopening, notes, or a restart', async () => {
    using path = openWritePath({ policy: TWO_RULES });
    const { incident } = await path.report();
    await path.step('acknowledge', incident.id);
    await path.note(incident.id, 'looking');
    await path.step('reopen', incident.id);
    path.restart();
    await path.adopt(aPolicy('auto_contain: false'));
    expect(live(path)).toHaveLength(1);
    expect(path.records('hold.released')).toEqual([]);
  });

  it('is made anew, under another id, after it was released', async () => {
    using path = openWritePath({ policy: TWO_RULES });
    const a = await path.report();
    await path.step('resolve', a.incident.id);
    const b = await path.report();
    expect(b.incident.containment.actions[0]?.hold_id).not.toBe(a.incident.containment.actions[0]?.hold_id);
    expect(live(path)).toHaveLength(1);
    expect(path.incident(a.incident.id).incident.containment.status).toBe('released');
  });

  it('is owned once by an incident that many reports joined', async () => {
    using path = openWritePath({ policy: TWO_RULES });
    const { incident } = await path.report({ dedup_key: 'k' });
    await path.report({ dedup_key: 'k' });
    await path.report({ dedup_key: 'k' });
    await path.step('resolve', incident.id);
    expect(live(path)).toEqual([]);
  });
});

describe('the target of quarantine_model', () => {
  const policy = aPolicy('auto_contain: true, actions: [quarantine_model]');
  it.each<[string, Record<string, unknown> | null, string]>([
    ['model_path', { model_path: '/models/a.gguf', violation_0_path: '/b' }, 'model:/models/a.gguf'],
    ['violation_0_path, when there is no model_path', { violation_0_path: '/models/b.gguf' }, 'model:/models/b.gguf'],
    ['violation_0_path, when model_path is null', { model_path: null, violation_0_path: '/models/b.gguf' }, 'model:/models/b.gguf'],
    ['unknown, when there is neither', { path: '/c' }, 'model:unknown'],
    ['unknown, when model_path is empty', { model_path: '' }, 'model:unknown'],
    ['unknown, when model_path is no text', { model_path: { path: '/a' } }, 'model:unknown'],
    ['unknown, when there is no evidence', null, 'model:unknown'],
  ])('is %s', async (_, evidence, target) => {
    using path = openWritePath({ policy });
    const { incident } = await path.report({ evidence });
    expect(incident.containment.actions).toMatchObject([{ action: 'quarantine_model', target }]);
    expect(holds(path)).toMatchObject([{ target, live: 1 }]);
  });

  it('makes a hold for each model, and one for each model once', async () => {
    using path = openWritePath({ policy });
    for (const model_path of ['/a', '/b', '/a']) await path.report({ evidence: { model_path } });
    expect(holds(path).map(({ target }) => target)).toEqual(['model:/a', 'model:/b']);
  });
});

describe('a rule at its max_holds for a source', () => {
  const policy = aPolicy('auto_contain: true, actions: [quarantine_model], max_holds: 2');
  const report = async (path: WritePath, model_path: string, more = {}) =>
    (await path.report({ evidence: { model_path }, ...more })).incident;

  it('makes no further hold: the action is refused, recorded and alarmed, and the incident stays open', async () => {
    using path = openWritePath({ policy });
    await report(path, '/a');
    await report(path, '/b');
    const third = await report(path, '/c');
    expect(third).toMatchObject({
      state: 'open',
      containment_actions: ['quarantine_model'],
      containment: { status: 'failed', reached_at: null },
    });
    expect(third.containment.actions).toMatchObject([
      {
        action: 'quarantine_model',
        target: 'model:/c',
        hold_id: null,
        status: 'failed',
        error: 'limit: the rule has 2 live holds for this source',
        completed_at: third.created_at,
      },
    ]);
    expect(live(path)).toHaveLength(2);
    expect(path.records('action.refused')).toMatchObject([
      { id: third.id, data: { action: 'quarantine_model', target: 'model:/c', reason: 'limit', limit: 2 } },
    ]);
    expect(path.records('alert.raised')).toMatchObject([{ id: third.id, data: { reason: 'an action was refused' } }]);
    expect(path.logged.filter(({ level }) => level === 'critical')).toMatchObject([{ message: 'alert raised', incident: third.id }]);
    expect(path.incident(third.id)).toMatchObject({ incident: third, version: path.records().at(-1)?.seq });
  });

  it('is not counted for another source, nor what joins a hold that stands', async () => {
    using path = openWritePath({ policy });
    await report(path, '/a');
    await report(path, '/b');
    expect((await report(path, '/a')).state).toBe('contained');
    expect((await report(path, '/c', { source: 'other' })).state).toBe('contained');
  });

  it('has room again when a hold was released', async () => {
    using path = openWritePath({ policy });
    const first = await report(path, '/a');
    await report(path, '/b');
    await path.step('resolve', first.id);
    expect((await report(path, '/c')).state).toBe('contained');
    expect((await report(path, '/d')).state).toBe('open');
  });

  it('counts within one report too: what still fits is ordered, in policy order', async () => {
    using path = openWritePath({
      policy: aPolicy('auto_contain: true, actions: [freeze_agent, disable_airlock, force_vault_relock], max_holds: 2'),
    });
    const { incident } = await path.report();
    expect(incident).toMatchObject({ state: 'open', containment: { status: 'partial' } });
    expect(incident.containment.actions.map(({ status }) => status)).toEqual(['recorded', 'recorded', 'failed']);
    expect(path.records('alert.raised')).toHaveLength(1);
  });

  it('does not let an incident grow with each report that joins it and is refused', async () => {
    using path = openWritePath({ policy });
    for (let i = 0; i < 50; i += 1) await report(path, `/${i}`, { dedup_key: 'k' });
    const joined = await report(path, '/last', { dedup_key: 'k' });
    expect(joined.occurrences).toBe(51);
    expect(joined.containment.actions.map(({ status }) => status)).toEqual(['recorded', 'recorded', 'failed']);
    expect(joined.containment_actions).toHaveLength(3);
    expect(path.records('alert.raised')).toHaveLength(1);
    expect(path.records('action.refused')).toHaveLength(1);
    expect(path.records('incident.joined').at(-1)?.data['actions']).toMatchObject([{ target: 'model:/last', status: 'failed' }]);
    expect(path.incident(joined.id).incident).toEqual(joined);
  });

  it('holds for an operator as well, who is told by the answer, and the host by an alert', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: false, actions: [quarantine_model], max_holds: 1') });
    const [a, b] = [await report(path, '/a'), await report(path, '/b')];
    await path.step('contain', a.id);
    const { incident, version } = await path.step('contain', b.id);
    expect(incident).toMatchObject({ state: 'open', proposed_actions: [], containment: { status: 'failed', reached_at: null } });
    expect(path.records('alert.raised')).toMatchObject([{ id: b.id, actor: 'operator:alice', data: { reason: 'an action was refused' } }]);
    expect(path.logged.filter(({ level }) => level === 'critical')).toHaveLength(1);
    expect(version).toBe(path.records().at(-1)?.seq);
  });
});
