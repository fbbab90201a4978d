// The release gate of an incident: what must be shown before it lets go of what contains it, and what does not count as showing it.
import { describe, expect, it } from 'vitest';
import { bindingOf } from '../../src/incident/gate.ts';
import { viewOf } from '../../src/incident/view.ts';
import type { Caller } from '../../src/recorder/caller.ts';
import { attest, check, commandOf, commanding, enforced, expectTruth, holdOf, operate, say, shown } from '../support/commanded.ts';
import { OPERATOR, type WritePath, openWritePath } from '../support/write-path.ts';

const FREEZE = 'auto_contain: true, actions: [freeze_agent]';
const gated = (gate: string, rule = FREEZE) =>
  commanding({ prompt_injection: `${rule}, release: {gate: [${gate}]}`, tool_call_burst: FREEZE });
const BOTH = gated('acknowledged, attested');

async function refusedFor(path: WritePath, id: string, missing: string[]): Promise<void> {
  const records = path.records().length;
  const { state } = path.incident(id).incident;
  await expect(path.step('resolve', id)).rejects.toMatchObject({ code: 'state_conflict', details: { state, missing } });
  expect(path.records()).toHaveLength(records);
}
const releaseOf = (path: WritePath, id: string) => viewOf(path.incident(id).incident)['release'];

describe('an incident with a release gate', () => {
  it('is not resolved before all of it is met, says what is missing, and is then', async () => {
    using path = openWritePath({ policy: BOTH });
    const { incident } = await enforced(path);
    const { id } = incident;
    expect(releaseOf(path, id)).toEqual({
      ...{ gate: ['acknowledged', 'attested'], attested: null, binding: bindingOf(incident), missing: ['acknowledged', 'attested'] },
    });
    expect(path.records('incident.reported')[0]?.data['gate']).toEqual(['acknowledged', 'attested']);
    await refusedFor(path, id, ['acknowledged', 'attested']);
    await path.step('acknowledge', id);
    await refusedFor(path, id, ['attested']);
    path.clock.advance(1000);
    const { incident: attested, version, receipt, replayed } = await attest(path, id, { note: 'quote checked' });
    expect(replayed).toBe(false);
    expect(attested).toMatchObject({
      ...{ state: 'acknowledged', updated_at: '2026-03-13T08:15:31.123Z' },
      release: { attested: { binding: bindingOf(incident), by: 'operator:alice', at: '2026-03-13T08:15:31.123Z' } },
    });
    expect([version, path.incident(id).version]).toEqual([receipt.seq, receipt.seq]);
    expect(path.records('incident.attested')).toMatchObject([
      {
        id,
        actor: 'operator:alice',
        data: { binding: bindingOf(incident), evidence: { pcr7: 'abc' }, note: 'quote checked', request: null },
      },
    ]);
    expect(releaseOf(path, id)).toMatchObject({ missing: [] });
    expect((await path.step('resolve', id)).incident).toMatchObject({ state: 'resolved', containment: { status: 'releasing' } });
    expectTruth(path);
  });

  it.each<[string, string, (path: WritePath, id: string) => Promise<unknown>]>([
    ['acknowledged', 'attested', async (path, id) => attest(path, id).catch(() => null)],
    ['attested', 'acknowledged', async (path, id) => path.step('acknowledge', id)],
  ])('of "%s" alone is not opened by what another one asks for: %s', async (gate, _, other) => {
    using path = openWritePath({ policy: gated(gate) });
    const { incident } = await enforced(path);
    await other(path, incident.id);
    await refusedFor(path, incident.id, [gate]);
    if (gate === 'acknowledged') await path.step('acknowledge', incident.id);
    else await attest(path, incident.id);
    await path.step('resolve', incident.id);
    expectTruth(path);
  });

  it('must be acknowledged when it is resolved: a step back closes the gate again', async () => {
    using path = openWritePath({ policy: gated('acknowledged') });
    const { incident } = await enforced(path);
    await path.step('acknowledge', incident.id);
    await path.step('reopen', incident.id);
    await refusedFor(path, incident.id, ['acknowledged']);
  });

  it('keeps its gate whatever the policy says later; one that had none gets none', async () => {
    using path = openWritePath({ policy: BOTH });
    const { incident } = await enforced(path, { dedup_key: 'k' });
    const { incident: free } = await path.report({ class: 'tool_call_burst', dedup_key: 'k' });
    await path.adopt(commanding({ prompt_injection: FREEZE, tool_call_burst: `${FREEZE}, release: {gate: [attested]}` }));
    await path.report({ dedup_key: 'k' });
    await path.report({ class: 'tool_call_burst', dedup_key: 'k' });
    path.restart(commanding(FREEZE));
    await refusedFor(path, incident.id, ['acknowledged', 'attested']);
    expect(releaseOf(path, free.id)).toBeUndefined();
    expect((await path.step('resolve', free.id)).incident.state).toBe('resolved');
    expectTruth(path);
  });

  it('has none where the policy only observes', async () => {
    using path = openWritePath({ policy: commanding(`${FREEZE}, release: {gate: [attested]}`, 'mode: observe') });
    const { incident } = await path.report();
    expect(incident).toMatchObject({ release: null, containment: { status: 'suppressed' } });
    await path.step('resolve', incident.id);
  });
});

describe('an attestation', () => {
  it.each<[string, (path: WritePath, id: string) => Promise<unknown>]>([
    ['a hold that drifts', async (path, id) => check(path, holdOf(path, path.incident(id).incident), false)],
    ['a hold that has failed', async (path, id) => say(path, commandOf(path, holdOf(path, path.incident(id).incident)), 'failed')],
    [
      'a hold that is ordered beside it',
      async (path) => {
        await path.adopt(gated('attested', 'auto_contain: true, actions: [freeze_agent, disable_airlock]'));
        await path.report({ dedup_key: 'k' });
      },
    ],
  ])('is of exactly the containment that it was made for: not any more after %s', async (what, come) => {
    using path = openWritePath({ policy: gated('attested') });
    const { incident } = await path.report({ dedup_key: 'k' });
    if (!what.includes('failed')) await say(path, commandOf(path, holdOf(path, incident)), 'enforced');
    const { binding } = (await attest(path, incident.id)).incident.release?.attested ?? {};
    path.clock.advance(1000);
    await come(path, incident.id);
    await refusedFor(path, incident.id, ['attested']);
    await expect(attest(path, incident.id, { binding: binding ?? '' })).rejects.toMatchObject({
      ...{ code: 'state_conflict', message: expect.stringContaining('read the incident again') },
    });
    await attest(path, incident.id);
    await path.step('resolve', incident.id);
    expectTruth(path);
  });

  it('goes on for a containment that is verified since: that is what it was', async () => {
    using path = openWritePath({ policy: gated('attested') });
    const { incident, hold } = await enforced(path);
    await attest(path, incident.id);
    path.clock.advance(1000);
    await check(path, hold, true);
    expect(shown(path, incident)).toBe('contained: verified (verified)');
    await path.step('resolve', incident.id);
    expectTruth(path);
  });

  it('is not of another incident, though that has the same hold', async () => {
    using path = openWritePath({ policy: gated('attested') });
    const { incident } = await enforced(path);
    const { incident: other } = await path.report();
    await expect(attest(path, incident.id, { binding: bindingOf(other) })).rejects.toMatchObject({ code: 'state_conflict' });
    await expect(attest(path, incident.id, { binding: '' })).rejects.toMatchObject({ code: 'state_conflict' });
    expect(path.records('incident.attested')).toEqual([]);
  });

  it('is never made by who reported it', async () => {
    using path = openWritePath({ policy: gated('attested') });
    const caller: Caller = { name: 'service', actor: 'service:service' };
    const { incident } = await path.report({}, { caller });
    await expect(attest(path, incident.id, { caller })).rejects.toMatchObject({ code: 'forbidden' });
    await attest(path, incident.id, { caller: OPERATOR });
  });

  it('is not waited for by an incident without such a gate, one that is resolved, or one that is not there', async () => {
    using path = openWritePath({ policy: gated('acknowledged') });
    const { incident } = await enforced(path);
    const { incident: free } = await path.report({ class: 'tool_call_burst' });
    const refusal = { code: 'state_conflict', message: 'this incident does not wait for an attestation' };
    for (const { id } of [incident, free]) await expect(attest(path, id)).rejects.toMatchObject(refusal);
    await expect(attest(path, 'INC-20260313-000000000000', { binding: '' }).catch((error: unknown) => error)).resolves.toBeInstanceOf(
      Error,
    );

    using other = openWritePath({ policy: gated('attested') });
    const { incident: resolved } = await other.report();
    await attest(other, resolved.id);
    await other.step('resolve', resolved.id);
    await expect(attest(other, resolved.id)).rejects.toMatchObject(refusal);
  });

  it('is taken once for one request, and at the version that was seen only', async () => {
    using path = openWritePath({ policy: gated('attested') });
    const { incident } = await enforced(path);
    const mark = { token: 't', key_sha256: 'k', body_sha256: 'b' };
    const { version } = path.incident(incident.id);
    await expect(attest(path, incident.id, { ifMatch: [version - 1] })).rejects.toMatchObject({ code: 'precondition_failed' });
    const first = await attest(path, incident.id, { ifMatch: [version], mark });
    expect(await attest(path, incident.id, { ifMatch: [version], mark })).toEqual({ ...first, replayed: true });
    expect(path.records('incident.attested')).toHaveLength(1);
  });
});

describe('a hold of an incident whose gate is not met', () => {
  it('is not released by an operator, nor for one of its other owners', async () => {
    using path = openWritePath({ policy: gated('attested') });
    const { incident, hold } = await enforced(path);
    const { incident: free } = await path.report({ class: 'tool_call_burst' });
    await expect(operate(path, 'release', hold)).rejects.toMatchObject({
      ...{ code: 'state_conflict', message: `${incident.id} has a release gate that is not met` },
      details: { missing: ['attested'] },
    });
    await path.step('resolve', free.id);
    expect(holdOf(path, incident).status).toBe('enforced');
    await attest(path, incident.id);
    expect((await operate(path, 'release', hold)).hold.status).toBe('releasing');
    expectTruth(path);
  });

  it('is released when that incident has let it go', async () => {
    using path = openWritePath({ policy: gated('attested') });
    const { incident, hold } = await enforced(path);
    const { incident: free } = await path.report({ class: 'tool_call_burst' });
    await attest(path, incident.id);
    await path.step('resolve', incident.id);
    expect(holdOf(path, free).status).toBe('enforced');
    await operate(path, 'release', hold);
    expect(shown(path, free)).toBe('open: releasing (releasing)');
    expectTruth(path);
  });
});
