// Random incidents, results, crashes, clock steps and reloads, against a model of holds that fits on one page: P2 to P6 after each of them.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Result, SUCCESS } from '../../src/incident/command.ts';
import { isWanted } from '../../src/incident/hold.ts';
import { FakeActuator, HoldsModel, keyOf } from '../support/holds-model.ts';
import { OPERATOR, type WritePath, openWritePath } from '../support/write-path.ts';

const ACTUATORS: Record<string, string> = {
  both: `
  agent: {actions: [freeze_agent], push: "http://127.0.0.1:1/f", deadline: 20s, verify: {every: 30s}}
  firewall: {actions: [block_ip], pull: true, heartbeat: 30s, deadline: 20s}`,
  moved: `
  other: {actions: [freeze_agent, block_ip], pull: true, heartbeat: 30s, deadline: 20s}`,
  one: `
  agent: {actions: [freeze_agent], push: "http://127.0.0.1:1/f", deadline: 20s, verify: {every: 30s}}`,
};
const policyOf = (actuators: string, contained_when: string) => `version: 1
contained_when: ${contained_when}
protect: [{actions: [block_ip], targets: [10.0.0.0/8]}]
actuators:${ACTUATORS[actuators]}
rules:
  prompt_injection: {auto_contain: true, actions: [freeze_agent]}
  tool_call_burst: {auto_contain: true, actions: [{action: block_ip, target: evidence.ip, ttl: 60s}]}
  unauthorized_access: {auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.ip}]}
`;

const nat = fc.nat({ max: 99 });
const deed = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      class: fc.constantFrom('prompt_injection', 'tool_call_burst', 'unauthorized_access'),
      ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '10.1.1.1', '::ffff:10.1.1.1', '010.1.1.1'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('resolve' as const), which: nat }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      which: nat,
      // lost: done, and the answer does not come through. twice: told a second time. late: told later than it was done.
      how: fc.constantFrom('done', 'done', 'done', 'lost', 'twice', 'accepted', 'failed', 'nothing'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('verify' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), which: nat }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 21_000, 61_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('clock' as const), ms: fc.constantFrom(-3_600_000, 3_600_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reload' as const),
      actuators: fc.constantFrom('both', 'moved', 'one'),
      when: fc.constantFrom('accepted', 'enforced', 'verified'),
    }),
  },
);
type Deed = typeof deed extends fc.Arbitrary<infer T> ? T : never;

interface World {
  readonly path: WritePath;
  readonly model: HoldsModel;
  readonly actuators: Map<string, FakeActuator>;
  readonly incidents: string[];
  policy: string;
}

const actuatorOf = ({ actuators }: World, name: string) =>
  actuators.get(name) ?? actuators.set(name, new FakeActuator()).get(name) ?? new FakeActuator();

async function quiet({ path, model }: World): Promise<void> {
  await path.due.tick();
  model.expire();
  await path.due.reconcile();
  do await path.queue.submit((draft) => draft.canWait());
  while (path.store.settling.next(1).length > 0);
}

const tell = async ({ path }: World, id: string, actuator: string, status: Result['status']) =>
  path.recorder
    .result(id, { status, evidence: null, error: null }, { actuator, caller: { name: actuator, actor: actuator }, attempts: 1 })
    .catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'RecorderError') throw error;
    });

/** All that is open of all actuators that the policy knows. */
const openIn = ({ path }: World) => [...path.queue.policy.actuators.keys()].flatMap((name) => path.store.commands.open(name, 0, 100));

async function deliver(world: World, which: number, how: string): Promise<void> {
  const all = openIn(world);
  const command = all[which % Math.max(1, all.length)];
  if (!command || how === 'nothing') return;
  const { id, op, actuator } = command;
  if (how === 'failed') return void (await tell(world, id, actuator, 'failed'));
  if (how === 'accepted') return void (await tell(world, id, actuator, 'accepted'));
  actuatorOf(world, actuator).act(command);
  if (how === 'lost') return;
  await tell(world, id, actuator, SUCCESS[op]);
  if (how === 'twice') await tell(world, id, actuator, SUCCESS[op]);
}

/** As verification does: what stands is told to stand, and what does not, not. */
async function verify(world: World): Promise<void> {
  const { path } = world;
  for (const name of path.queue.policy.actuators.keys()) {
    const { inForce } = actuatorOf(world, name);
    const checks = path.store.holds.desired(name, 0, 1000).flatMap((hold) => {
      const stands = inForce.has(keyOf(hold));
      const isJudged = ['enforced', 'verified', 'drifted'].includes(hold.status);
      return isJudged ? [{ hold: hold.seq, stands, detail: null, evidence: null, commanded: hold.version }] : [];
    });
    await path.recorder.checked(name, checks);
  }
}

async function perform(world: World, each: Deed): Promise<void> {
  const { path, model, incidents } = world;
  switch (each.do) {
    case 'report': {
      const { incident } = await path.report({ class: each.class, evidence: { ip: each.ip } });
      incidents.push(incident.id);
      const told_at = Date.parse(incident.created_at);
      for (const { action, target, hold_id } of incident.containment.actions) {
        if (hold_id !== null)
          model.order(
            `${action} ${target}`,
            incident.id,
            action === 'block_ip' && each.class === 'tool_call_burst' ? 60_000 : null,
            told_at,
          );
      }
      return;
    }
    case 'resolve': {
      const id = incidents[each.which % Math.max(1, incidents.length)];
      if (id === undefined || path.incident(id).incident.state === 'resolved') return;
      await path.step('resolve', id);
      return model.resolve(id);
    }
    case 'deliver':
      return deliver(world, each.which, each.how);
    case 'forget':
      for (const { inForce } of world.actuators.values()) inForce.clear();
      return;
    case 'verify':
      return verify(world);
    case 'release': {
      const live = path.store.holds
        .list({ status: null, action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 100)
        .filter(({ status }) => isWanted(status));
      const hold = live[each.which % Math.max(1, live.length)];
      if (!hold) return;
      const asked = { id: hold.id, note: null, expires_at: null, ttl_ms: null, caller: OPERATOR, ifMatch: null, mark: null };
      await path.recorder.hold('release', asked);
      return model.release(keyOf(hold));
    }
    case 'wait':
      return path.clock.advance(each.ms);
    case 'clock':
      return path.clock.set(new Date(path.clock.now().getTime() + each.ms).toISOString());
    case 'crash':
      path.restart(world.policy);
      return model.crash();
    case 'reload':
      world.policy = policyOf(each.actuators, each.actuators === 'both' || each.when !== 'verified' ? each.when : 'enforced');
      await path.adopt(world.policy);
      // What one that has left the policy has done is left to be undone by hand.
      for (const [name, { inForce }] of world.actuators) if (!path.queue.policy.actuators.has(name)) inForce.clear();
  }
}

/** P2 to P6, of all there is. */
function check(world: World): void {
  const { path, model } = world;
  const { db, queue } = path;
  const standing = path.store.holds.list({ status: null, action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 1000);
  // P5: what is wanted is held, and nothing else.
  expect(new Set(standing.filter(({ status }) => isWanted(status)).map(keyOf))).toEqual(new Set(model.wanted.keys()));
  // P2: what has no end is not over its time, and what failed was alarmed.
  const hanging = db.prepare(`SELECT id FROM commands WHERE status IN ('pending', 'accepted') AND late_at <= ?`);
  expect(hanging.all(path.clock.monotonic())).toEqual([]);
  const failed = standing.filter(({ status }) => status === 'failed').map(({ id }) => id);
  const alarmed = new Set(path.records('alert.raised').map(({ id }) => id));
  expect(failed.filter((id) => !alarmed.has(id))).toEqual([]);
  // P4: the word is true whenever it is shown.
  const order = ['accepted', 'enforced', 'verified'];
  const reaches = (status: string) => status === 'recorded' || order.indexOf(status) >= order.indexOf(queue.policy.contained_when);
  for (const id of world.incidents) {
    const { state, containment } = path.incident(id).incident;
    if (state === 'resolved') continue;
    const wanted = containment.actions.filter(({ status }) => !['releasing', 'released', 'expired'].includes(status));
    const holds = wanted.some(({ hold_id }) => hold_id !== null) || containment.actions.length === wanted.length;
    expect([id, state, containment.status]).toEqual([
      id,
      holds && wanted.length > 0 && wanted.every(({ status }) => reaches(status)) ? 'contained' : 'open',
      containment.status,
    ]);
  }
  // P6: what is protected was never asked of anybody, in whatever form it was written.
  expect(db.prepare(`SELECT target_id FROM holds WHERE target_id LIKE '%10.1.1.1'`).all()).toEqual([]);
}

/** In the end every actuator is well: what is wanted is in force there, and what is not wanted is not. */
async function settleDown(world: World): Promise<void> {
  const { path, model } = world;
  world.policy = policyOf('both', 'verified');
  await path.adopt(world.policy);
  for (const [name, { inForce }] of world.actuators) if (!path.queue.policy.actuators.has(name)) inForce.clear();
  for (let round = 0; round < 8; round += 1) {
    await quiet(world);
    for (const command of openIn(world)) {
      actuatorOf(world, command.actuator).act(command);
      await tell(world, command.id, command.actuator, SUCCESS[command.op]);
    }
    await verify(world);
    path.clock.advance(61_000);
    // What failed for good by its actuator's own word waits for an operator.
    for (const hold of path.store.holds.list({ status: ['failed'], action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 1000)) {
      const last = path.store.commands.lastOf(hold.seq);
      if (last?.status === 'failed' && !last.open) await path.recorder.retry({ id: last.id, note: null, caller: OPERATOR, mark: null });
    }
    for (const hold of path.store.holds.list(
      { status: ['recorded', 'releasing'], action: null, actuator: null },
      Number.MAX_SAFE_INTEGER,
      1000,
    )) {
      const last = path.store.commands.lastOf(hold.seq);
      const asked = { id: hold.id, note: null, expires_at: null, ttl_ms: null, caller: OPERATOR, ifMatch: null, mark: null };
      if (hold.status === 'recorded') await path.recorder.hold('apply', asked);
      else if (last?.status === 'failed' && !last.open)
        await path.recorder.retry({ id: last.id, note: null, caller: OPERATOR, mark: null });
    }
    model.expire();
  }
  await quiet(world);
  check(world);
  for (const [name, actions] of [
    ['agent', 'freeze_agent'],
    ['firewall', 'block_ip'],
  ] as const) {
    const wanted = [...model.wanted.keys()].filter((key) => key.startsWith(actions));
    expect([name, [...actuatorOf(world, name).inForce].toSorted()]).toEqual([name, wanted.toSorted()]);
  }
  const left = path.store.holds.list({ status: null, action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 1000);
  expect(left.filter(({ status }) => status !== 'verified').map(({ id, status }) => [id, status])).toEqual([]);
}

describe('any life of holds', () => {
  it('keeps P2 to P6 after every step, and ends with what is wanted in force and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(deed, { minLength: 5, maxLength: 50, size: 'max' }), async (deeds) => {
        using path = openWritePath({ policy: policyOf('both', 'enforced') });
        const world: World = {
          ...{ path, model: new HoldsModel(path), actuators: new Map(), incidents: [] },
          ...{ policy: policyOf('both', 'enforced') },
        };
        for (const each of deeds) {
          await perform(world, each);
          await quiet(world);
          check(world);
        }
        await settleDown(world);
      }),
      { numRuns: Number(process.env['RUNS'] ?? 60) },
    );
  }, 240_000);
});
