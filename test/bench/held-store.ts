// A store with many live holds, made quickly: by the write path of the service itself, without its doors and its disk's patience.

import { join } from 'node:path';
import { parseReport } from '../../src/incident/report-reading.ts';
import { createLog } from '../../src/log.ts';
import { openOn } from '../support/write-path.ts';
import { CLASSES } from './commanding.ts';
import { numbered } from './numbered.ts';

const CHUNK = 250;
const REPORTER = { name: 'service', actor: 'service:service' };

/** Of so many holds one is of the same source as others, as if it came from a reporter that was taken over. */
const CROWD = 10;

/** So many reports, each with a hold that its actuator has in force; on the folder of a recorder that has ended. */
export async function hold(dir: string, policy: string, count: number): Promise<void> {
  const log = createLog({ level: 'critical', journal: false, write: () => {} });
  const clock = { now: () => new Date(), monotonic: () => performance.now() };
  const { store, due, recorder } = openOn(join(dir, 'incidents.db'), { policy, clock, log, maxBytes: 2 ** 40 });
  const actuator = 'does_block_ip';
  const caller = { name: actuator, actor: `actuator:${actuator}` };
  for (let n = 0; n < count; n += CHUNK) {
    const reports = Array.from({ length: Math.min(CHUNK, count - n) }, (_, i) => parseReport(bodyOf(n + i)));
    const reported = await Promise.all(reports.map(async (report) => recorder.report(report, REPORTER, null)));
    await Promise.all(
      reported.map(async ({ incident }) => {
        const held = store.holds.byId(incident.containment.actions[0]?.hold_id ?? '');
        const command = held && store.commands.lastOf(held.seq);
        if (!command) throw new Error(`${incident.id} has no command`);
        await recorder.result(command.id, { status: 'enforced', evidence: null, error: null }, { actuator, caller, attempts: 1 });
      }),
    );
  }
  due.close();
  store.close();
}

function bodyOf(n: number): object {
  const { body } = numbered(CLASSES.blocks, n);
  return n % CROWD === 0 ? { ...body, source: 'crowd' } : body;
}
