// Verification against actuators on real sockets, on a clock of its own: what is said to be done and is not, is found.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Actuator } from '../../src/policy/policy.ts';
import { type Manner, type TestActuator, answer, answerText, dataOf, openActuator } from './actuator.ts';
import { type TestRecorder, anActuator, openRecorder, settle, until } from './recorder.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function pass(ms: number, step = 250): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    vi.advanceTimersByTime(Math.min(step, left));
    await settle();
  }
}

const VERIFY: NonNullable<Actuator['verify']> = { every_ms: 30_000, get: '/state', expect: { frozen: true } };
const byState = ({ address }: TestActuator) => anActuator('agent', address, { verify: VERIFY });
const byHold = ({ address }: TestActuator) => anActuator('agent', address, { verify: { ...VERIFY, get: null } });
const statuses = ({ holds }: TestRecorder) => holds.map(({ status }) => status);

/** One that is frozen or not, and says what it likes to a command. */
function agent(of: { frozen: boolean; obeys: boolean }): Manner {
  return (socket, { head, body }) => {
    if (head.startsWith('GET /state')) return void socket.write(answerText(200, JSON.stringify({ frozen: of.frozen, uptime: 7 })));
    if (of.obeys) of.frozen = (JSON.parse(body) as { data: { op: string } }).data.op === 'apply';
    socket.write(answerText(200, '{"status":"enforced"}'));
  };
}

describe('an actuator that shows its state', () => {
  it('is asked within a second of what it did, and its holds are verified', async () => {
    await using actuator = await openActuator(agent({ frozen: false, obeys: true }));
    await using at = openRecorder([byState(actuator)]);
    at.order('freeze_agent');
    await pass(1000);
    expect(statuses(at)).toEqual(['verified']);
    expect(at.found).toMatchObject([{ stands: true, detail: null, evidence: { frozen: true } }]);
  });

  it('that says "enforced" and does nothing is found out, commanded again, and not believed until it is seen', async () => {
    const of = { frozen: false, obeys: false };
    await using actuator = await openActuator(agent(of));
    await using at = openRecorder([byState(actuator)]);
    at.order('freeze_agent');
    await pass(1000);
    expect(statuses(at)).toEqual(['drifted']);
    expect(at.found).toMatchObject([{ stands: false, detail: 'its state is not as expected: frozen', evidence: { frozen: false } }]);
    await pass(3000);
    expect(at.told).toHaveLength(2);
    expect(statuses(at)).toEqual(['drifted']);
    of.frozen = true;
    await pass(40_000, 500);
    expect(statuses(at)).toEqual(['verified']);
  });

  it('is asked again on its schedule, and nothing is reported that is no news', async () => {
    const of = { frozen: true, obeys: true };
    await using actuator = await openActuator(agent(of));
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent' });
    await pass(300_000, 1000);
    expect(actuator.requests.length).toBeGreaterThanOrEqual(9);
    expect(actuator.requests.length).toBeLessThanOrEqual(12);
    expect(at.found).toHaveLength(1);
    of.frozen = false;
    await pass(31_000, 500);
    expect(at.found).toHaveLength(3);
    expect(at.found[1]).toMatchObject({ stands: false });
    expect(at.told).toHaveLength(1);
    expect(statuses(at)).toEqual(['verified']);
  });

  it('is not asked while it has nothing to show for', async () => {
    await using actuator = await openActuator(agent({ frozen: true, obeys: true }));
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent', status: 'requested' });
    await pass(120_000, 1000);
    expect(actuator.requests).toHaveLength(0);
    at.holds[0] = { ...at.hold({ action: 'freeze_agent' }) };
    at.holds.pop();
    at.delivery.heard('agent');
    await pass(1000);
    expect(statuses(at)).toEqual(['verified']);
  });

  it.each<[string, Manner, string]>([
    ['does not answer', () => {}, 'no whole answer within 5000 ms'],
    ['is gone', (socket) => void socket.destroy(), 'the connection was reset'],
    ['answers 500', answer(500), 'it answered 500'],
    ['answers with HTML', answer(200, '<html>'), 'its answer 200 is no JSON object'],
    ['sends elsewhere', answer(302, '', { location: '/state' }), 'it answered 302'],
    ['answers 10 MB', answer(200, `{"frozen":true,"x":"${'x'.repeat(10_000_000)}"}`), 'an answer of more than 65536 bytes'],
  ])('and %s has drifted the second time, not the first', async (_, manner, why) => {
    await using actuator = await openActuator(manner);
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent', status: 'verified' });
    await pass(20_000, 500);
    expect(actuator.requests.length).toBeGreaterThanOrEqual(1);
    expect(at.found).toEqual([]);
    await pass(36_000, 500);
    expect(at.found).toMatchObject([{ stands: false, detail: `the actuator did not answer twice: ${why}` }]);
    await pass(120_000, 1000);
    expect(at.found).toHaveLength(1);
  });

  it('and misses only now and then has not drifted', async () => {
    await using actuator = await openActuator(
      (socket, _, n) => void socket.write(n % 2 === 0 ? answerText(500) : answerText(200, '{"frozen":true}')),
    );
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent', status: 'verified' });
    await pass(400_000, 1000);
    expect(actuator.requests.length).toBeGreaterThan(10);
    expect(at.found).toEqual([]);
  });

  it('is not judged by what it showed before it was told', async () => {
    let show = () => {};
    await using actuator = await openActuator((socket) => (show = () => void socket.write(answerText(200, '{"frozen":false}'))));
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent' });
    at.delivery.heard('agent');
    await pass(500);
    expect(actuator.requests).toHaveLength(1);
    const late = at.hold({ action: 'freeze_agent', target: { type: 'agent', id: 'late' } });
    show();
    await pass(250);
    expect(at.found.map(({ hold }) => hold)).not.toContain(late.seq);
  });

  it('is asked again within a second when something was done while it was asked', async () => {
    const shows: (() => void)[] = [];
    await using actuator = await openActuator((socket) => void shows.push(() => socket.write(answerText(200, '{"frozen":true}'))));
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent' });
    at.delivery.heard('agent');
    await pass(250);
    at.delivery.heard('agent');
    shows[0]?.();
    await pass(1000);
    expect(shows).toHaveLength(2);
  });

  it('that shows what it showed before has its holds left alone, most of the time', async () => {
    const of = { frozen: true, obeys: true };
    await using actuator = await openActuator(agent(of));
    await using at = openRecorder([byState(actuator)]);
    for (let i = 0; i < 250; i += 1) at.hold({ action: 'freeze_agent', status: 'verified', target: { type: 'agent', id: `a${i}` } });
    await pass(40_000, 1000);
    const filter = vi.spyOn(at.holds, 'filter');
    await pass(240_000, 1000);
    expect(actuator.requests.length).toBeGreaterThan(7);
    expect(filter.mock.calls.length).toBeLessThanOrEqual(8);
    // What came into force without anybody saying so is found in the end.
    at.hold({ action: 'freeze_agent' });
    await pass(330_000, 1000);
    expect(statuses(at).at(-1)).toBe('verified');
    of.frozen = false;
    of.obeys = false;
    await pass(40_000, 1000);
    expect(at.found).toHaveLength(252);
  });

  it('has all its holds verified, page by page, by one answer', async () => {
    await using actuator = await openActuator(agent({ frozen: true, obeys: true }));
    await using at = openRecorder([byState(actuator)]);
    for (let i = 0; i < 450; i += 1) at.hold({ action: 'freeze_agent', target: { type: 'agent', id: `a${i}` } });
    at.delivery.heard('agent');
    await pass(2000);
    expect(new Set(statuses(at))).toEqual(new Set(['verified']));
    expect(actuator.requests).toHaveLength(1);
  });
});

describe('an actuator that is asked about each hold', () => {
  const verdicts =
    (of: Record<string, string>): Manner =>
    (socket, request) => {
      const { op, target } = dataOf(request) as { op: string; target: { id: string } };
      socket.write(op === 'verify' ? (of[target.id] ?? answerText(200)) : answerText(200));
    };

  it('is sent a signed question with an id of its own each time', async () => {
    await using actuator = await openActuator(verdicts({}));
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    const of = anActuator('agent', actuator.address, { secret: 'agent.key', verify: { ...VERIFY, get: null } });
    await using at = openRecorder([of], {}, { keys: () => [key] });
    const hold = at.hold({ action: 'freeze_agent' });
    await pass(75_000, 500);
    const asked = actuator.requests.map((request) => dataOf(request));
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect(asked[0]).toMatchObject({ op: 'verify', hold_id: hold.id, action: 'freeze_agent', drill: false });
    const ids = asked.map(({ command_id }) => String(command_id));
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(new RegExp(`^${hold.id}\\.verify\\.\\d+$`));
    expect(actuator.requests[0]?.head).toMatch(/webhook-signature: v1,/i);
    expect(statuses(at)).toEqual(['verified']);
    expect(at.found).toHaveLength(1);
  });

  it('answers for each: one that is gone has drifted, one that cannot be believed only the second time', async () => {
    const of: Record<string, string> = {
      stands: answerText(200, '{"status":"verified","evidence":{"rule":3}}'),
      gone: answerText(404),
      released: answerText(200, '{"status":"released"}'),
      odd: answerText(200, '{"status":"banana"}'),
      broken: answerText(500),
    };
    await using actuator = await openActuator(verdicts(of));
    await using at = openRecorder([byHold(actuator)]);
    for (const id of Object.keys(of)) at.hold({ action: 'freeze_agent', target: { type: 'agent', id }, status: 'enforced' });
    at.delivery.heard('agent');
    await pass(500);
    const [stands, gone, released, odd, broken] = at.holds;
    expect([stands?.status, gone?.status, released?.status, odd?.status, broken?.status]).toEqual([
      ...['verified', 'drifted', 'drifted', 'enforced', 'enforced'],
    ]);
    expect(at.found[0]).toMatchObject({ stands: true, evidence: { rule: 3 } });
    await pass(5000, 500);
    expect([odd?.status, broken?.status]).toEqual(['drifted', 'drifted']);
    expect(at.found.find(({ hold }) => hold === broken?.seq)?.detail).toBe('the actuator did not answer twice: it answered 500');
  });

  it('and does not answer at all is asked once a round, and all has drifted after the second', async () => {
    await using actuator = await openActuator((socket) => void socket.destroy());
    await using at = openRecorder([byHold(actuator)]);
    for (let i = 0; i < 150; i += 1) at.hold({ action: 'freeze_agent', target: { type: 'agent', id: `a${i}` } });
    await pass(20_000, 500);
    expect(actuator.requests).toHaveLength(1);
    expect(at.found).toEqual([]);
    await pass(36_000, 500);
    expect(at.found).toHaveLength(150);
  });
});

describe('one that is asked about each hold', () => {
  it('and is silent only now and then has not drifted', async () => {
    let down = false;
    await using actuator = await openActuator((socket) => void (down ? socket.destroy() : socket.write(answerText(200))));
    await using at = openRecorder([byHold(actuator)]);
    at.hold({ action: 'freeze_agent', status: 'verified' });
    at.hold({ action: 'freeze_agent', status: 'verified', target: { type: 'agent', id: 'other' } });
    for (let i = 0; i < 8; i += 1) {
      down = i % 2 === 1;
      at.delivery.heard('agent');
      await pass(1500);
    }
    expect(actuator.requests.length).toBeGreaterThan(10);
    expect(at.found).toEqual([]);
    at.delivery.heard('agent');
    await pass(1500);
    down = true;
    for (let i = 0; i < 2; i += 1) {
      at.delivery.heard('agent');
      await pass(1500);
    }
    expect(at.found).toHaveLength(2);
  });

  it('but in a dialect that knows no questions is asked nothing', async () => {
    await using actuator = await openActuator(answer(200));
    await using at = openRecorder([anActuator('agent', actuator.address, { dialect: 'secai', verify: { ...VERIFY, get: null } })]);
    at.hold({ action: 'freeze_agent' });
    await pass(100_000, 1000);
    expect(actuator.requests).toEqual([]);
  });
});

describe('the verifier', () => {
  it('that is heard by an actuator tells its lane', async () => {
    let down = true;
    await using actuator = await openActuator((socket, { head }) => {
      if (head.startsWith('GET')) socket.write(answerText(200, '{"frozen":true}'));
      else socket.write(down ? answerText(500) : answerText(200));
    });
    await using at = openRecorder([anActuator('agent', actuator.address, { deadline_ms: 600_000, verify: { ...VERIFY, every_ms: 5000 } })]);
    at.hold({ action: 'freeze_agent', target: { type: 'agent', id: 'old' } });
    for (let i = 0; i < 8; i += 1) at.order('freeze_agent', `a${i}`);
    await until(() => at.delivery.health().pushed.get('agent')?.breaker === 'open');
    down = false;
    await pass(10_000, 500);
    expect(at.told).toHaveLength(8);
  });

  it('tries again what could not be recorded, and says it', async () => {
    await using actuator = await openActuator(agent({ frozen: true, obeys: true }));
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent' });
    at.refuses = new Error('the disk is full');
    await pass(50_000, 1000);
    expect(statuses(at)).toEqual(['enforced']);
    expect(at.logged).toMatchObject([{ level: 'error' }, { level: 'error' }]);
    at.refuses = null;
    await pass(40_000, 1000);
    expect(statuses(at)).toEqual(['verified']);
  });

  it('asks an actuator no more that has left the policy, and nothing at all after its end', async () => {
    await using actuator = await openActuator(agent({ frozen: true, obeys: true }));
    await using at = openRecorder([byState(actuator)]);
    at.hold({ action: 'freeze_agent' });
    await pass(40_000, 1000);
    const before = actuator.requests.length;
    expect(before).toBeGreaterThan(0);
    at.adopt();
    await pass(60_000, 1000);
    expect(actuator.requests).toHaveLength(before);
    at.adopt(byState(actuator));
    await at.delivery.close();
    await pass(60_000, 1000);
    expect(actuator.requests).toHaveLength(before);
  });
});
