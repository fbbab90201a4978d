// Lanes against actuators on real sockets, on a clock of their own: what is sent when, in which order, and what is made of the answers.
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { RecorderError } from '../../src/errors.ts';
import { openFolder } from '../support/folder.ts';
import { ENFORCED, type Manner, type TestActuator, answer, answerText, dataOf, openActuator } from './actuator.ts';
import { anActuator, openRecorder, settle, until } from './recorder.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Time goes by, a piece at a time, and everything happens that it makes happen. */
async function pass(ms: number, step = 250): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    vi.advanceTimersByTime(Math.min(step, left));
    await settle();
  }
}

const asked = ({ requests }: TestActuator) => requests.map((request) => dataOf(request));
const one = (actuator: TestActuator) => anActuator('agent', actuator.address);

describe('a command', () => {
  it('is sent at once, signed, and its result is recorded', async () => {
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    await using actuator = await openActuator(answer(200, '{"status":"enforced","evidence":{"pid":7}}'));
    const of = anActuator('agent', actuator.address, { secret: 'agent.key', token: 'agent.token' });
    await using at = openRecorder([of], {}, { keys: () => [key], token: () => 't0k' });
    const command = at.order('freeze_agent', 'a1');
    await until(() => at.told.length === 1);
    expect(at.told).toEqual([
      { id: command.id, result: { status: 'enforced', evidence: { pid: 7 }, error: null }, attempts: 1, actuator: 'agent' },
    ]);
    const [request] = actuator.requests;
    if (!request) throw new Error('nothing came');
    expect(dataOf(request)).toMatchObject({ command_id: command.id, op: 'apply', attempt: 1, target: { type: 'agent', id: 'a1' } });
    const header = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(request.head)?.[1]?.trim() ?? '';
    const signed = { 'webhook-id': header('webhook-id'), 'webhook-timestamp': header('webhook-timestamp') };
    const verified = new Webhook(key.toString('base64')).verify(request.body, {
      ...signed,
      'webhook-signature': header('webhook-signature'),
    });
    expect(verified).toMatchObject({ type: 'containment.command', data: { incidents: ['INC-20260313-000001', 'INC-20260313-000002'] } });
    expect(header('authorization')).toBe('Bearer t0k');
    expect(at.delivery.view(command.id)).toBeNull();
    expect(at.delivery.health().health).toBe('ok');
  });

  it('that was there before the lane is taken up', async () => {
    await using actuator = await openActuator(ENFORCED);
    await using at = openRecorder([one(actuator)]);
    at.adopt();
    at.adopt(one(actuator));
    const ids = Array.from({ length: 30 }, (_, i) => at.order('freeze_agent', `a${i}`).id);
    await until(() => at.told.length === 30);
    expect(
      asked(actuator)
        .map(({ command_id }) => String(command_id))
        .toSorted(),
    ).toEqual(ids);
  });

  it('is tried again at 0, 1, 2, 5 and 10 seconds, with the same id, until it is done', async () => {
    await using actuator = await openActuator(answer(503));
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 100_000 })]);
    const command = at.order('freeze_agent');
    const times: number[] = [];
    const began = performance.now();
    actuator.manner = (socket, _, n) => {
      times.push(Math.round((performance.now() - began) / 1000));
      socket.write(n < 5 ? answerText(503) : answerText(200));
    };
    await pass(20_000);
    expect(times).toEqual([0, 1, 3, 8, 18]);
    expect(new Set(asked(actuator).map(({ command_id }) => command_id))).toEqual(new Set([command.id]));
    expect(asked(actuator).map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4, 5]);
    expect(at.told).toMatchObject([{ id: command.id, attempts: 5, result: { status: 'enforced' } }]);
  });

  it('shows how it stands while it is tried', async () => {
    await using actuator = await openActuator(answer(503));
    await using at = openRecorder([anActuator('agent', actuator.address)]);
    const command = at.order('freeze_agent');
    await until(() => at.logged.length === 1);
    const next_attempt_at = new Date(Date.now() + 1000).toISOString();
    expect(at.delivery.view(command.id)).toEqual({ attempts: 1, last_error: 'it answered 503', next_attempt_at });
    expect(at.delivery.view('CMD-000000000000')).toBeNull();
    expect(at.logged[0]).toMatchObject({ level: 'warning', actuator: 'agent', error: 'it answered 503' });
  });

  it('is not tried again before the actuator wants it to be', async () => {
    await using actuator = await openActuator((socket, _, n) =>
      socket.write(n === 1 ? answerText(429, '', { 'retry-after': 30 }) : answerText(200)),
    );
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 100_000 })]);
    at.order('freeze_agent');
    at.order('freeze_agent', 'other');
    await pass(29_000);
    expect(at.told).toHaveLength(1);
    expect(actuator.requests).toHaveLength(2);
    await pass(2000);
    expect(at.told).toHaveLength(2);
  });

  it('that is not wanted any more is not sent', async () => {
    await using actuator = await openActuator(answer(503));
    await using at = openRecorder([one(actuator)]);
    const command = at.order('freeze_agent');
    await until(() => at.logged.length === 1);
    Object.assign(command, { open: false, status: 'superseded' });
    await pass(10_000);
    expect(actuator.requests).toHaveLength(1);
    expect(at.delivery.view(command.id)).toBeNull();
  });

  it('that is refused for good is not tried again', async () => {
    await using actuator = await openActuator(answer(404));
    await using at = openRecorder([one(actuator)]);
    at.order('freeze_agent');
    await pass(10_000);
    expect(actuator.requests).toHaveLength(1);
    expect(at.told).toMatchObject([{ result: { status: 'failed', error: 'it answered 404' } }]);
  });

  it('that a dialect has no word for ends as unsupported, and nothing is sent', async () => {
    await using actuator = await openActuator(ENFORCED);
    await using at = openRecorder([anActuator('agent', actuator.address, { dialect: 'secai' })]);
    const apply = at.order('freeze_agent');
    await until(() => at.told.length === 1);
    at.command(at.holds[0] ?? at.hold({ action: 'freeze_agent' }), 'release');
    await until(() => at.told.length === 2);
    expect(at.told[0]).toMatchObject({ id: apply.id, result: { status: 'enforced' } });
    expect(at.told[1]).toMatchObject({ result: { status: 'unsupported' } });
    expect(actuator.requests).toHaveLength(1);
  });

  it('that is taken up (202) is left to it until it is overdue, and then told again', async () => {
    await using actuator = await openActuator(answer(202));
    await using at = openRecorder([one(actuator)]);
    const command = at.order('freeze_agent');
    await until(() => at.told.length === 1);
    expect(at.told).toMatchObject([{ result: { status: 'accepted' } }]);
    await pass(50_000, 1000);
    expect(actuator.requests).toHaveLength(1);
    Object.assign(command, { status: 'failed', overdue: true, open: true });
    actuator.manner = ENFORCED;
    await pass(70_000, 1000);
    expect(at.told.at(-1)).toMatchObject({ id: command.id, result: { status: 'enforced' } });
  });

  it('is given up on after its own deadline, and after ten seconds at the most', async () => {
    await using actuator = await openActuator(() => {});
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 60_000 })]);
    const command = at.order('freeze_agent');
    await until(() => actuator.requests.length === 1);
    await pass(9750);
    expect(at.delivery.view(command.id)?.last_error).toBeNull();
    await pass(500);
    expect(at.delivery.view(command.id)?.last_error).toBe('no whole answer within 10000 ms');
  });
});

describe('an attempt', () => {
  it('has no longer than what is left until the deadline', async () => {
    await using actuator = await openActuator((socket, _, n) => void (n < 3 && socket.write(answerText(503))));
    await using at = openRecorder([one(actuator)]);
    const command = at.order('freeze_agent');
    await pass(5250);
    expect(actuator.requests).toHaveLength(3);
    expect(at.delivery.view(command.id)?.last_error).toMatch(/^no whole answer within (1\d{3}|2000) ms$/);
  });
});

describe('what is overdue', () => {
  it('is tried once a minute', async () => {
    await using actuator = await openActuator(answer(500));
    await using at = openRecorder([one(actuator)]);
    at.order('freeze_agent', '*', { status: 'failed', overdue: true });
    await until(() => actuator.requests.length === 1);
    await pass(600_000, 2000);
    expect(actuator.requests.length).toBeGreaterThanOrEqual(9);
    expect(actuator.requests.length).toBeLessThanOrEqual(10);
    expect(at.delivery.health()).toMatchObject({ health: 'failing' });
  });

  it('is not tried more often for becoming so while it waits', async () => {
    await using actuator = await openActuator(answer(500));
    await using at = openRecorder([one(actuator)]);
    const command = at.order('freeze_agent');
    await pass(2000);
    expect(actuator.requests).toHaveLength(2);
    Object.assign(command, { status: 'failed', overdue: true });
    await pass(50_000, 1000);
    expect(actuator.requests).toHaveLength(2);
    await pass(20_000, 1000);
    expect(actuator.requests).toHaveLength(3);
  });

  it('is told at once when the actuator comes back: after a day, all of it, in order', async () => {
    using folder = openFolder();
    const socket = join(folder.path, 'agent.sock');
    const address = { over: 'unix', socket, path: '/do' } as const;
    await using at = openRecorder([anActuator('agent', address)]);
    const late = Array.from({ length: 250 }, (_, i) => at.order('freeze_agent', `a${i}`, { status: 'failed', overdue: true }).id);
    await pass(86_400_000, 60_000);
    await pass(60_000, 1000);
    expect(at.told).toEqual([]);
    expect(at.delivery.health()).toMatchObject({ health: 'failing' });
    expect(at.delivery.health().pushed.get('agent')).toMatchObject({ last_error: 'the socket does not exist' });
    await using actuator = await openActuator(ENFORCED, socket);
    const fresh = at.order('freeze_agent', 'fresh').id;
    await pass(31_000, 1000);
    expect(at.told).toHaveLength(251);
    expect(asked(actuator).map(({ command_id }) => command_id)).toEqual(expect.arrayContaining([fresh, ...late]));
    expect(at.delivery.health()).toMatchObject({ health: 'ok' });
    expect(at.logged.at(-1)).toMatchObject({ message: 'an actuator does again what it is told' });
  }, 60_000);

  it('keeps no place from what is not, however much of it there is, and all of it is told in the end', async () => {
    await using actuator = await openActuator(ENFORCED);
    let broken = true;
    actuator.manner = (socket, request) => {
      const { id } = dataOf(request)['target'] as { id: string };
      socket.write(answerText(broken && id.startsWith('bad') ? 500 : 200));
    };
    await using at = openRecorder([one(actuator)]);
    for (let i = 0; i < 1500; i += 1) at.order('freeze_agent', `bad${i}`, { status: 'failed', overdue: true });
    await pass(40_000, 1000);
    const good = at.order('freeze_agent', 'good').id;
    await pass(31_000, 1000);
    expect(at.told.map(({ id }) => id)).toContain(good);
    broken = false;
    await pass(130_000, 1000);
    expect(at.told).toHaveLength(1501);
  }, 60_000);
});

describe('what is refused again and again', () => {
  const refusesBad: Manner = (socket, request) => {
    const { id } = dataOf(request)['target'] as { id: string };
    socket.write(answerText(id.startsWith('bad') ? 500 : 200));
  };

  it('keeps nothing that is overdue from its turn', async () => {
    await using actuator = await openActuator(refusesBad);
    await using at = openRecorder([one(actuator)]);
    for (let i = 0; i < 20; i += 1) at.order('freeze_agent', `bad${i}`, { status: 'failed', overdue: true });
    const good = Array.from({ length: 20 }, (_, i) => at.order('freeze_agent', `good${i}`, { status: 'failed', overdue: true }).id);
    await pass(1_200_000, 5000);
    expect(at.told.map(({ id }) => id).toSorted()).toEqual(good);
  });

  it('does not even when there is no place for all of it', async () => {
    await using actuator = await openActuator(refusesBad);
    await using at = openRecorder([one(actuator)]);
    for (let i = 0; i < 520; i += 1) at.order('freeze_agent', `bad${i}`, { status: 'failed', overdue: true });
    const good = Array.from({ length: 20 }, (_, i) => at.order('freeze_agent', `good${i}`, { status: 'failed', overdue: true }).id);
    await pass(18_000_000, 15_000);
    expect(at.told.map(({ id }) => id).toSorted()).toEqual(good);
  }, 60_000);
});

describe('the breaker of a lane', () => {
  it('opens after five failures: then there is one attempt in 30 seconds, until one succeeds', async () => {
    await using actuator = await openActuator(answer(500));
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 600_000 })]);
    for (let i = 0; i < 10; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => actuator.requests.length >= 5);
    await settle();
    const first = actuator.requests.length;
    expect(first).toBeLessThanOrEqual(8);
    expect(at.delivery.health().pushed.get('agent')).toMatchObject({ health: 'failing', breaker: 'open', last_error: 'it answered 500' });
    await pass(29_000, 500);
    expect(actuator.requests).toHaveLength(first);
    await pass(2000);
    expect(actuator.requests).toHaveLength(first + 1);
    await pass(28_000, 500);
    expect(actuator.requests).toHaveLength(first + 1);
    actuator.manner = ENFORCED;
    await pass(5000);
    expect(at.told).toHaveLength(10);
    expect(at.delivery.health().pushed.get('agent')).toMatchObject({ health: 'ok', breaker: 'closed', last_error: null });
  });

  it('lets through what contains a critical incident, once each', async () => {
    await using actuator = await openActuator(answer(500));
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 600_000 })]);
    for (let i = 0; i < 10; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => at.delivery.health().pushed.get('agent')?.breaker === 'open');
    await settle();
    const before = actuator.requests.length;
    at.severity = 'critical';
    const urgent = [at.order('freeze_agent', 'u1').id, at.order('freeze_agent', 'u2').id];
    await pass(20_000, 500);
    expect(
      asked(actuator)
        .slice(before)
        .map(({ command_id }) => command_id),
    ).toEqual(urgent);
    actuator.manner = ENFORCED;
    at.order('freeze_agent', 'u3');
    await pass(2000);
    expect(at.told).toHaveLength(13);
  });
});

describe('an actuator that is heard otherwise', () => {
  it('is told at once what waits for it', async () => {
    await using actuator = await openActuator(answer(500));
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 600_000 })]);
    for (let i = 0; i < 6; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => at.delivery.health().pushed.get('agent')?.breaker === 'open');
    await settle();
    actuator.manner = ENFORCED;
    at.delivery.heard('agent');
    await pass(1500);
    expect(at.told).toHaveLength(6);
  });
});

describe('two lanes', () => {
  it('do not wait for each other, whatever one of the actuators does', async () => {
    vi.useRealTimers();
    await using hung = await openActuator(() => {});
    await using well = await openActuator(ENFORCED);
    await using at = openRecorder([
      anActuator('agent', hung.address, { deadline_ms: 2000 }),
      anActuator('airlock', well.address, { actions: ['disable_airlock'] }),
    ]);
    for (let i = 0; i < 50; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => hung.requests.length === 4);
    const took: number[] = [];
    for (let i = 0; i < 100; i += 1) {
      const began = performance.now();
      at.order('disable_airlock', `a${i}`);
      await until(() => at.told.length === i + 1);
      took.push(performance.now() - began);
    }
    expect(took.toSorted((a, b) => a - b)[98]).toBeLessThan(100);
    expect(hung.requests).toHaveLength(4);
  });
});

describe('the order', () => {
  it('of a hold’s release and the next hold of the same target is kept, however slow the answers', async () => {
    await using actuator = await openActuator((socket) => void setImmediate(() => socket.write(answerText(200))));
    await using at = openRecorder([one(actuator)]);
    for (let i = 0; i < 10; i += 1) {
      const command = at.order('freeze_agent', 'same');
      const hold = at.holds.at(-1) ?? at.hold({ action: 'freeze_agent' });
      if (i % 2 === 0) await until(() => !command.open);
      hold.status = 'releasing';
      at.command(hold, 'release');
      at.order('freeze_agent', 'other');
    }
    await until(() => at.commands.every(({ open }) => !open));
    const seqs = asked(actuator)
      .filter(({ target }) => (target as { id: string }).id === 'same')
      .map(({ seq }) => seq as number);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(seqs.length).toBeGreaterThanOrEqual(15);
  });

  it('waits for what is under way for the target, though that is not wanted any more', async () => {
    await using actuator = await openActuator(() => {});
    await using at = openRecorder([one(actuator)]);
    at.order('freeze_agent');
    const hold = at.holds[0] ?? at.hold({ action: 'freeze_agent' });
    await until(() => actuator.requests.length === 1);
    hold.status = 'releasing';
    at.command(hold, 'release');
    await settle();
    expect(actuator.requests).toHaveLength(1);
    actuator.manner = ENFORCED;
    await pass(5500);
    expect(asked(actuator).map(({ op }) => op)).toEqual(['apply', 'release']);
    expect(asked(actuator)[1]).toMatchObject({ incidents: ['INC-20260313-000001'], incidents_count: 1 });
  });

  it('does not keep other targets waiting, up to four of them', async () => {
    await using actuator = await openActuator(() => {});
    await using at = openRecorder([one(actuator)]);
    for (let i = 0; i < 20; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => actuator.requests.length === 4);
    await settle();
    expect(actuator.requests).toHaveLength(4);
  });
});

describe('a result that cannot be recorded', () => {
  it('is kept, and told again until it is; the actuator is not asked again', async () => {
    await using actuator = await openActuator(ENFORCED);
    await using at = openRecorder([one(actuator)]);
    at.refuses = new RecorderError('storage_full', 'the disk is full');
    at.order('freeze_agent');
    await pass(120_000, 1000);
    expect(actuator.requests).toHaveLength(1);
    expect(at.logged.filter(({ level }) => level === 'error')).toHaveLength(1);
    at.refuses = null;
    await pass(90_000, 1000);
    expect(at.told).toMatchObject([{ result: { status: 'enforced' }, attempts: 1 }]);
    expect(actuator.requests).toHaveLength(1);
  });

  it('stops the lane when there are too many: what cannot be recorded is not commanded', async () => {
    await using actuator = await openActuator(ENFORCED);
    await using at = openRecorder([one(actuator)]);
    at.refuses = new Error('anything at all');
    for (let i = 0; i < 200; i += 1) at.order('freeze_agent', `a${i}`);
    await pass(10_000, 1000);
    expect(actuator.requests.length).toBeLessThanOrEqual(68);
    at.refuses = null;
    await pass(60_000, 1000);
    expect(at.told).toHaveLength(200);
    expect(actuator.requests).toHaveLength(200);
  });

  it('since it never will be, is let go, and said', async () => {
    await using actuator = await openActuator(ENFORCED);
    await using at = openRecorder([one(actuator)]);
    at.refuses = new RecorderError('state_conflict', 'it has another end');
    at.order('freeze_agent');
    await pass(30_000, 1000);
    expect(actuator.requests).toHaveLength(1);
    expect(at.logged).toMatchObject([{ level: 'error', message: 'the result of a command is not recorded' }]);
  });
});

describe('a reload', () => {
  it('that removes an actuator sends it nothing more, and what is under way is still told', async () => {
    await using actuator = await openActuator(() => {});
    await using at = openRecorder([one(actuator)]);
    at.order('freeze_agent');
    at.order('freeze_agent', 'other', { not_before: new Date(Date.now() + 1000).toISOString() });
    await until(() => actuator.requests.length === 1);
    at.adopt();
    let finish = () => {};
    actuator.manner = (socket) => (finish = () => socket.write(answerText(200)));
    await pass(6000);
    expect(actuator.requests).toHaveLength(1);
    expect(at.delivery.health()).toMatchObject({ health: 'none' });
    at.adopt(one(actuator));
    await until(() => actuator.requests.length === 3);
    finish();
  });

  it('that moves an actuator tries at once where it is now', async () => {
    await using old = await openActuator(answer(500));
    await using fresh = await openActuator(ENFORCED);
    await using at = openRecorder([anActuator('agent', old.address, { deadline_ms: 600_000 })]);
    for (let i = 0; i < 6; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => at.delivery.health().pushed.get('agent')?.breaker === 'open');
    await settle();
    at.adopt(anActuator('agent', fresh.address));
    await pass(1500);
    expect(at.told).toHaveLength(6);
  });
});

describe('the end', () => {
  it('gives up what is under way, and nothing is sent or told afterwards', async () => {
    await using actuator = await openActuator(() => {});
    const at = openRecorder([one(actuator)]);
    for (let i = 0; i < 10; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => actuator.requests.length === 4);
    await at.delivery.close();
    at.order('freeze_agent', 'late');
    await pass(70_000, 1000);
    expect(actuator.requests).toHaveLength(4);
    expect(at.told).toEqual([]);
    expect(at.logged).toEqual([]);
  });

  it('is survived by a table that cannot be read', async () => {
    await using actuator = await openActuator(ENFORCED);
    await using at = openRecorder([one(actuator)]);
    const filter = vi.spyOn(at.commands, 'filter').mockImplementation(() => {
      throw new Error('disk I/O error');
    });
    at.order('freeze_agent');
    await settle();
    expect(at.logged).toMatchObject([{ level: 'error', message: 'commands cannot be read' }]);
    filter.mockRestore();
    await pass(1500);
    expect(at.told).toHaveLength(1);
  });
});
