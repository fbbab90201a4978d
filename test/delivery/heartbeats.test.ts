// Actuators that fetch their commands: what they say of themselves, and what it means when they say nothing.
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Beat } from '../../src/delivery/beat.ts';
import { type TestRecorder, anActuator, openRecorder, settle } from './recorder.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function pass(ms: number, step = 1000): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    vi.advanceTimersByTime(Math.min(step, left));
    await settle();
  }
}

const FIREWALL = anActuator('firewall', null, { heartbeat_ms: 30_000 });
const NOTHING: Beat = { desired_digest: null, holds: null, boot_id: null };
const open = () => openRecorder([FIREWALL]);
const beat = async ({ delivery }: TestRecorder, of: Partial<Beat>) => delivery.beat('firewall', { ...NOTHING, ...of });
const statuses = ({ holds }: TestRecorder) => holds.map(({ status }) => status);
const aHold = (at: TestRecorder, id: string, of: object = {}) => at.hold({ action: 'freeze_agent', target: { type: 'agent', id }, ...of });

describe('a heartbeat', () => {
  it('with the digest of what is desired verifies all of it', async () => {
    await using at = open();
    aHold(at, 'a');
    aHold(at, 'b', { status: 'drifted' });
    aHold(at, 'c', { status: 'requested' });
    await beat(at, { desired_digest: await at.delivery.digest('firewall') });
    expect(statuses(at)).toEqual(['verified', 'verified', 'verified']);
    await beat(at, { desired_digest: `W/"${await at.delivery.digest('firewall')}"` });
    expect(at.found).toHaveLength(3);
  });

  it('that lists what had failed, or was still under way, verifies that too, and says nothing of what it does not have yet', async () => {
    await using at = open();
    const [failed, requested] = [aHold(at, 'failed', { status: 'failed' }), aHold(at, 'requested', { status: 'requested' })];
    aHold(at, 'more', { status: 'requested' });
    for (let i = 0; i < 3; i += 1) await beat(at, { holds: [failed.id, requested.id] });
    expect(statuses(at)).toEqual(['verified', 'verified', 'requested']);
  });

  it('with another digest, or with none, says only that it lives', async () => {
    await using at = open();
    aHold(at, 'a');
    for (let i = 0; i < 5; i += 1) {
      await beat(at, { desired_digest: 'f'.repeat(64) });
      await beat(at, {});
      await pass(30_000);
    }
    expect(at.found).toEqual([]);
    expect(at.delivery.health()).toMatchObject({ health: 'ok' });
  });

  it('that does not list a hold which it had time to hear of has lost it', async () => {
    await using at = open();
    const [kept, lost] = [aHold(at, 'kept'), aHold(at, 'lost', { status: 'verified' })];
    await beat(at, { holds: [kept.id] });
    expect(statuses(at)).toEqual(['verified', 'verified']);
    await beat(at, { holds: [kept.id] });
    expect(statuses(at)).toEqual(['verified', 'drifted']);
    expect(at.found.at(-1)).toMatchObject({ hold: lost.seq, stands: false, detail: 'it has it no more' });
    await beat(at, { holds: [kept.id, lost.id] });
    expect(statuses(at)).toEqual(['verified', 'verified']);
  });

  it('that was on its way while a hold came into force says nothing of it', async () => {
    await using at = open();
    await beat(at, { holds: [] });
    aHold(at, 'new');
    at.delivery.heard('firewall');
    await beat(at, { holds: [] });
    expect(at.found).toEqual([]);
    await beat(at, { holds: [] });
    expect(at.found).toMatchObject([{ stands: false }]);
  });

  it('of one that restarted and has not applied what is desired has lost all of it', async () => {
    await using at = open();
    aHold(at, 'a');
    const digest = await at.delivery.digest('firewall');
    await beat(at, { boot_id: 'one', desired_digest: digest });
    expect(statuses(at)).toEqual(['verified']);
    await beat(at, { boot_id: 'two' });
    expect(statuses(at)).toEqual(['drifted']);
    expect(at.found.at(-1)?.detail).toBe('it restarted, and has not applied what is desired');
    await beat(at, { boot_id: 'two', desired_digest: await at.delivery.digest('firewall') });
    expect(statuses(at)).toEqual(['verified']);
    await beat(at, { boot_id: 'three', desired_digest: await at.delivery.digest('firewall') });
    expect(statuses(at)).toEqual(['verified']);
  });

  it('that came while the one before was looked into is made up for by the next', async () => {
    await using at = open();
    const holds = Array.from({ length: 250 }, (_, i) => aHold(at, `a${i}`, { status: 'verified' }));
    at.ring('firewall');
    const digest = await at.delivery.digest('firewall');
    await beat(at, { boot_id: 'one', desired_digest: digest });
    at.delivery.heard('firewall');
    const [slow, meanwhile] = [beat(at, { boot_id: 'one', desired_digest: digest }), beat(at, { boot_id: 'two' })];
    await slow;
    await meanwhile;
    expect(at.found).toEqual([]);
    await beat(at, { boot_id: 'two' });
    expect(at.found).toHaveLength(holds.length);
  });

  it('is nothing of an actuator that is not known, or that is pushed to', async () => {
    await using at = open();
    await expect(at.delivery.beat('nobody', NOTHING)).resolves.toBeUndefined();
    const pushed = anActuator('agent', { over: 'unix', socket: '/nowhere', path: '/' });
    at.adopt(pushed);
    aHold(at, 'a');
    await at.delivery.beat('agent', { ...NOTHING, desired_digest: await at.delivery.digest('agent') });
    expect(at.found).toEqual([]);
    expect([...at.delivery.health().pulled.keys()]).toEqual([]);
  });

  it('that repeats itself is not looked into each time', async () => {
    await using at = open();
    const holds = Array.from({ length: 300 }, (_, i) => aHold(at, `a${i}`).id);
    await beat(at, { holds });
    await beat(at, { holds });
    const filter = vi.spyOn(at.holds, 'filter');
    for (let i = 0; i < 9; i += 1) await beat(at, { holds });
    expect(filter.mock.calls.length).toBeLessThanOrEqual(8);
  });

  it('fails loudly when what it says cannot be recorded, and the next one says it', async () => {
    await using at = open();
    aHold(at, 'a');
    const digest = await at.delivery.digest('firewall');
    at.refuses = new Error('the disk is full');
    await expect(beat(at, { desired_digest: digest })).rejects.toThrow('the disk is full');
    at.refuses = null;
    await beat(at, { desired_digest: digest });
    expect(statuses(at)).toEqual(['verified']);
  });
});

describe('heartbeats that do not come', () => {
  it('after two of them its holds have drifted, and it is said once', async () => {
    await using at = open();
    aHold(at, 'a');
    aHold(at, 'b', { status: 'requested' });
    await pass(40_000);
    await beat(at, {});
    await pass(60_000);
    expect(at.found).toEqual([]);
    await pass(5000);
    expect(at.found).toMatchObject([{ stands: false, detail: 'it missed two heartbeats' }]);
    expect(statuses(at)).toEqual(['drifted', 'requested']);
    expect(at.delivery.health()).toMatchObject({ health: 'failing' });
    await pass(600_000, 10_000);
    expect(at.found).toHaveLength(1);
    expect(at.logged.filter(({ message }) => message === 'an actuator has missed two heartbeats')).toHaveLength(1);
    await beat(at, {});
    expect(at.delivery.health()).toMatchObject({ health: 'ok' });
    expect(at.logged.at(-1)).toMatchObject({ message: 'an actuator is heard again' });
  });

  it('after a start are waited for two intervals', async () => {
    await using at = open();
    aHold(at, 'a');
    await pass(62_000);
    expect(at.found).toEqual([]);
    await pass(3000);
    expect(at.found).toHaveLength(1);
  });

  it('that need not come are not missed', async () => {
    await using at = openRecorder([anActuator('firewall', null)]);
    aHold(at, 'a');
    await pass(3_600_000, 60_000);
    expect(at.found).toEqual([]);
    expect(at.delivery.health()).toMatchObject({ health: 'ok' });
  });

  it('of one that has left the policy are not missed', async () => {
    await using at = open();
    aHold(at, 'a');
    at.adopt();
    await pass(300_000, 10_000);
    expect(at.found).toEqual([]);
  });

  it('are missed all the same after a reload that changes nothing', async () => {
    await using at = open();
    aHold(at, 'a');
    for (let i = 0; i < 7; i += 1) {
      at.adopt(FIREWALL);
      await pass(10_000);
    }
    expect(at.found).toHaveLength(1);
  });
});

describe('the digest of what is desired', () => {
  it('is that of its holds as they are shown, a line each', async () => {
    await using at = open();
    aHold(at, 'a', { params: { limit: 5 }, expires_at: '2026-03-13T09:00:00.000Z' });
    aHold(at, 'b', { status: 'failed' });
    const lines = at.holds.map(
      ({ id, action, target, params, expires_at }) => `${JSON.stringify({ hold_id: id, action, target, params, expires_at })}\n`,
    );
    expect(await at.delivery.digest('firewall')).toBe(createHash('sha256').update(lines.join('')).digest('hex'));
  });

  it('of many holds is kept until a bell says that something changed; of a few it is always made anew', async () => {
    await using at = open();
    const few = await at.delivery.digest('firewall');
    aHold(at, 'first');
    expect(await at.delivery.digest('firewall')).not.toBe(few);
    for (let i = 0; i < 150; i += 1) aHold(at, `a${i}`);
    const before = await at.delivery.digest('firewall');
    const hold = aHold(at, 'a');
    expect(await at.delivery.digest('firewall')).toBe(before);
    at.ring('firewall');
    const after = await at.delivery.digest('firewall');
    expect(after).not.toBe(before);
    hold.status = 'verified';
    at.ring('firewall');
    expect(await at.delivery.digest('firewall')).toBe(after);
    hold.status = 'released';
    at.ring('firewall');
    expect(await at.delivery.digest('firewall')).toBe(before);
  });

  it('is of one state, though it changes while it is made', async () => {
    await using at = open();
    for (let i = 0; i < 350; i += 1) aHold(at, `a${i}`);
    const digest = at.delivery.digest('firewall');
    await new Promise((resolve) => setImmediate(resolve));
    for (const hold of at.holds) hold.params = { changed: true };
    at.ring('firewall');
    at.ring('firewall');
    const now = await digest;
    at.ring('firewall');
    expect(now).toBe(await at.delivery.digest('firewall'));
  });

  it('comes to an end though it never stops changing', async () => {
    await using at = open();
    for (let i = 0; i < 350; i += 1) aHold(at, `a${i}`);
    let ringing = true;
    const ring = () => {
      at.ring('firewall');
      if (ringing) setImmediate(ring);
    };
    ring();
    expect(await at.delivery.digest('firewall')).toMatch(/^[0-9a-f]{64}$/);
    ringing = false;
  });
});
