// What the log tells of a start and an end.
import { describe, expect, it } from 'vitest';
import { builtInPolicy } from '../../src/policy/built-in.ts';
import { openingChange } from '../../src/recorder/opening.ts';
import { aReport, openTestHouse } from '../support/house.ts';
import { openWritePath } from '../support/write-path.ts';

const POLICY = 'version: 1\nrules:\n  prompt_injection: {auto_contain: true, actions: [freeze_agent]}\n';

/** A start that has nothing to repair. */
const OPENING = {
  ...{ software: 's', origin: 'o', policy: builtInPolicy(), tokens: [], begins: 1 },
  ...{ recovery: { restored: null, lost: null }, fork: null },
};

describe('a start', () => {
  it('is recorded with the software, the policy with its text, and who may do what, but no token', async () => {
    const token = 'b'.repeat(64);
    const tokens = { firewall: { token, role: 'reporter', sources: ['tool-firewall'], classes: ['*'] } };
    await using house = await openTestHouse({ policy: POLICY, tokens });
    const records = house.records();
    expect(records.map(({ seq, type, actor }) => [seq, type, actor])).toEqual([
      [1, 'log.opened', 'recorder'],
      [2, 'service.started', 'recorder'],
      [3, 'policy.loaded', 'recorder'],
      [4, 'tokens.loaded', 'recorder'],
    ]);
    expect(records[1]?.data['pid']).toBe(process.pid);
    expect(records[2]?.data).toMatchObject({ from: 'file', mode: 'enforce', rules: 1, text: POLICY });
    expect(records[3]?.data).toEqual({
      tokens: [
        { name: 'service', role: 'service', sources: null, classes: null },
        { name: 'firewall', role: 'reporter', sources: ['tool-firewall'], classes: null },
      ],
    });
    expect(JSON.stringify(records)).not.toContain(token);
  });

  it('is in the log each time, and so is its end; a policy text only the first time that it is in force', async () => {
    await using house = await openTestHouse({ policy: POLICY });
    await house.post('/api/v1/incidents/report', aReport()).expect(201);
    await house.restart();
    const types = house.records().map(({ type }) => type);
    expect(types.slice(0, 4)).toEqual(['log.opened', 'service.started', 'policy.loaded', 'tokens.loaded']);
    expect(types.slice(-4)).toEqual(['service.stopped', 'service.started', 'policy.loaded', 'tokens.loaded']);
    const loaded = house.records().filter(({ type }) => type === 'policy.loaded');
    expect(loaded.map(({ data }) => data['text'])).toEqual([POLICY, undefined]);
    expect(loaded[1]?.data['sha256']).toBe(loaded[0]?.data['sha256']);
  });

  it('that finds something amiss records it and its incidents in the very commit of the start', async () => {
    let commits = 0;
    using path = openWritePath({ onCommit: () => (commits += 1) });
    await path.queue.submit(openingChange({ ...OPENING, verifierKey: 'first', damaged: [] }, path.log));
    expect(path.records('incident.reported')).toEqual([]);
    commits = 0;
    const damaged = [{ file: '/a.damaged', reason: 'because', beyond: false }];
    await path.queue.submit(openingChange({ ...OPENING, verifierKey: 'second', damaged }, path.log));
    expect(commits).toBe(1);
    expect(
      path
        .records()
        .slice(4)
        .map(({ type }) => type),
    ).toEqual([
      ...['key.changed', 'service.started', 'policy.loaded', 'tokens.loaded'],
      ...['incident.reported', 'log.recovered', 'incident.reported'],
    ]);
    expect(path.records('incident.reported').map(({ data }) => [data['severity'], data['report'].evidence])).toEqual([
      ['high', { old_key: 'first', new_key: 'second' }],
      ['critical', { kept_as: '/a.damaged', reason: 'because' }],
    ]);
  });
});

describe('the key that a log was kept under', () => {
  it('is the same under another origin: that is on no record and no incident', async () => {
    using path = openWritePath();
    for (const verifierKey of ['host-a/incident-recorder+0a1b2c3d+AQID', 'host-b/incident-recorder+4e5f6071+AQID']) {
      await path.queue.submit(openingChange({ ...OPENING, verifierKey, damaged: [] }, path.log));
    }
    expect(path.records('key.changed')).toEqual([]);
    expect(path.records('incident.reported')).toEqual([]);
    await path.queue.submit(openingChange({ ...OPENING, verifierKey: 'host-b/incident-recorder+99999999+BAUG', damaged: [] }, path.log));
    expect(path.records('key.changed')).toHaveLength(1);
  });
});
