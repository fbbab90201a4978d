// kill -9 at every step between the commit of a command and its recorded result: after the next start each comes to its end, and nothing was
// commanded that was not recorded before.

import { describe, expect, it } from 'vitest';
import { quickPolicy } from '../support/actuators/policies.ts';
import type { ActuatorProcess, Manner } from '../support/actuators/process.ts';
import { type Site, hasCurl, openSite, until } from '../support/actuators/site.ts';

const IP = '203.0.113.7';
type Op = 'apply' | 'release';

/** A moment between commit and result. */
interface Moment {
  readonly when: string;
  /** What the agent and the airlock do, after how many milliseconds, and the firewall. */
  readonly manner?: Manner;
  readonly slow?: number;
  readonly shell?: Manner;
  readonly isDown?: true;
  /** It stands still when it is reached, until the actuators have answered: what they said is never read. */
  readonly isStopped?: true;
  /** By the logs of actuators that get the command. */
  readonly reached?: (site: Site, pushed: readonly ActuatorProcess[], op: Op) => boolean | Promise<boolean>;
  /** Who is sent the very command before and after: all, or only those that are pushed. */
  readonly resent?: 'all' | 'pushed';
}

const count = (actuator: ActuatorProcess, what: string, op: Op) =>
  actuator.lines(what).filter((line) => (line.op ?? 'apply') === op).length;
const all =
  (what: string, n = 1): NonNullable<Moment['reached']> =>
  (site, pushed, op) =>
    [...pushed, site.firewall].every((actuator) => count(actuator, what, op) >= n);

const MOMENTS: Moment[] = [
  { when: 'as soon as the change is answered' },
  {
    when: 'before it could be sent: nobody is there',
    isDown: true,
    reached: async (site, pushed, op) => {
      const { body } = await site.get(`/api/v1/commands?status=pending&actuator=agent`);
      return pushed.length > 0 && body.some((command: any) => command.op === op && command.attempts > 0);
    },
  },
  { when: 'while its actuator has it, and has done nothing', manner: 'hangs', shell: 'hangs', reached: all('got'), resent: 'all' },
  // What the firewall has done its heartbeat tells as well: then it need not be sent again.
  { when: 'when it is done, and not answered', manner: 'acts', shell: 'acts', reached: all('did'), resent: 'pushed' },
  {
    when: 'when it is answered, and that is not recorded',
    manner: 'acts',
    shell: 'acts',
    reached: all('did'),
    isStopped: true,
    resent: 'pushed',
  },
  {
    when: 'while it is accepted, and its result will follow',
    manner: 'accepts',
    shell: 'hangs',
    reached: async (site, _, op) => {
      const { body } = await site.get('/api/v1/commands?status=accepted&actuator=agent');
      return body.some((command: any) => command.op === op);
    },
  },
  // It may be sent again while its result is on its way: one of the two is the first.
  {
    when: 'when it is accepted, and that is not recorded',
    manner: 'accepts',
    slow: 500,
    shell: 'acts',
    reached: all('got'),
    isStopped: true,
  },
  { when: 'while its retry waits', manner: 'fails', shell: 'hangs', reached: all('got', 2), resent: 'all' },
];

/** All holds are as they should be, and so is the world. */
async function settled(site: Site, op: Op): Promise<boolean> {
  const { body: open } = await site.get('/api/v1/commands?status=pending,accepted');
  const { body: holds } = await site.get('/api/v1/holds?status=requested,accepted,enforced,verified,drifted,failed,releasing');
  const { frozen, closed, rules } = site.reality();
  const block = holds.find(({ action }: any) => action === 'block_ip');
  const told = holds
    .map(({ action, status }: any) => `${action} ${status}`)
    .toSorted()
    .join();
  if (op === 'release') return open.length === 0 && told === '' && !frozen && rules.length === 0;
  return (
    open.length === 0 &&
    told === 'block_ip verified,disable_airlock enforced,freeze_agent verified' &&
    frozen &&
    closed &&
    rules[0] === block.id
  );
}

/** Each command once, each effect once, nothing that was not on record. */
function expectOrder(site: Site, ops: readonly Op[], resent: Moment['resent']): void {
  expect(site.unrecorded()).toEqual([]);
  const requested = site.records('command.requested').map(({ data }) => `${data['actuator']} ${data['op']}`);
  const wanted = ops.flatMap((op) =>
    op === 'apply' ? ['agent apply', 'airlock apply', 'firewall apply'] : ['agent release', 'firewall release'],
  );
  expect(requested.toSorted()).toEqual(wanted.toSorted());
  const did = [site.agent, site.firewall].flatMap(({ lines }) => lines('did').map(({ id }) => id));
  expect(new Set(did).size).toBe(did.length);
  expect(site.airlock.lines('did')).toHaveLength(1);
  const [op = 'apply'] = ops.toReversed();
  const again = [...(op === 'apply' ? [site.agent, site.airlock] : [site.agent]), ...(resent === 'all' ? [site.firewall] : [])];
  for (const actuator of resent ? again : []) {
    const got = actuator.lines('got').filter((line) => line.op === op);
    expect(got.length, `${actuator.name} hears it again`).toBeGreaterThan(1);
    expect(new Set(got.map(({ id }) => id)).size, `${actuator.name} hears the same`).toBe(1);
  }
}

async function contain(site: Site, wait: number): Promise<string> {
  const { body } = await site.report({ class: 'integrity_violation', evidence: { src_ip: IP } }, wait);
  return body.id;
}

async function arrive(site: Site, op: Op, moment: Moment, act: () => Promise<unknown>): Promise<void> {
  const { manner, slow = 0, shell, isDown, isStopped, reached } = moment;
  const pushed = op === 'apply' ? [site.agent, site.airlock] : [site.agent];
  if (isDown) await Promise.all(site.all.map(async (each) => each.kill()));
  if (manner) for (const each of pushed) each.behave(manner === 'accepts' && each === site.airlock ? 'acts' : manner, { slow });
  if (shell) site.firewall.behave(shell);
  await act();
  if (reached) await until(`it is there: ${moment.when}`, () => reached(site, pushed, op));
  if (isStopped) {
    process.kill(site.program.pid, 'SIGSTOP');
    for (const each of [...pushed, site.firewall]) each.behave('does');
    await until('the actuators have answered', () => pushed.every((each) => count(each, 'answered', 'apply') >= (op === 'apply' ? 1 : 2)));
  }
  await site.program.end('SIGKILL');
}

async function goOn(site: Site, { isDown }: Moment): Promise<void> {
  if (isDown) await Promise.all(site.all.map(async (each) => each.start()));
  for (const each of site.all) each.behave('does');
  await site.program.start();
}

describe.skipIf(!hasCurl)('the recorder is killed', () => {
  for (const moment of MOMENTS) {
    it.each<Op>(['apply', 'release'])(`${moment.when}: %s comes to its end`, async (op) => {
      await using site = await openSite(quickPolicy());
      let id = '';
      if (op === 'apply') await arrive(site, op, moment, async () => (id = await contain(site, 0)));
      else {
        id = await contain(site, 20);
        await until('all is held', async () => settled(site, 'apply'));
        await arrive(site, op, moment, async () => site.post('/api/v1/incidents/resolve', { id }));
      }
      await goOn(site, moment);
      await until('all has come to its end', async () => settled(site, op));
      const incident = await site.incident(id);
      expect(incident).toMatchObject(
        op === 'apply'
          ? { state: 'contained', containment: { status: 'enforced' } }
          : { state: 'resolved', containment: { status: 'released' } },
      );
      expect(site.records('hold.recorded')).toHaveLength(3);
      expectOrder(site, op === 'apply' ? ['apply'] : ['apply', 'release'], moment.resent);
      expect(await site.verdict()).toBe('sound');
    });
  }
});
