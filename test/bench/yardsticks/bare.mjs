// What one report at the least costs a recorder that has its command done: a round trip by its own client, and one commit. Also its upkeep.

import { randomBytes } from 'node:crypto';
import { ask } from '../../../dist/delivery/ask.js';
import { createDesired } from '../../../dist/delivery/desired.js';
import { parsePush } from '../../../dist/policy/push.js';
import { openDatabase } from '../../../dist/store/database.js';
import { createTables } from '../../../dist/store/store.js';

/** As long as a command is. */
const LETTER = JSON.stringify({
  type: 'containment.command',
  timestamp: '2026-03-13T08:15:30.123Z',
  data: {
    ...{ command_id: 'CMD-0123456789ab', op: 'apply', action: 'block_ip', target: { type: 'ip', id: '192.0.2.1' }, params: {} },
    ...{ hold_id: 'HLD-0123456789ab', incident_id: 'INC-20260313-0123456789ab', incidents: ['INC-20260313-0123456789ab'] },
    ...{
      incidents_count: 1,
      reason: 'ordered',
      attempt: 1,
      expires_at: null,
      deadline: '2026-03-13T08:16:00.123Z',
      drill: false,
      seq: 12345,
    },
  },
});
const HEADERS = {
  ...{ accept: 'application/json', 'content-type': 'application/json', 'user-agent': 'incident-recorder/0.1.0' },
  ...{ 'webhook-id': 'CMD-0123456789ab', 'webhook-timestamp': '1773389730', 'webhook-signature': `v1,${'x'.repeat(44)}` },
};
const WARM_UP = 50;

async function askOften({ push, times }) {
  const address = parsePush(push, false);
  const took = [];
  for (let n = -WARM_UP; n < times; n += 1) {
    const from = performance.now();
    const { status } = await ask({ method: 'POST', address, headers: HEADERS, body: LETTER, timeout_ms: 10_000 });
    if (status !== 200) throw new Error(`the actuator answers ${status}`);
    if (n >= 0) took.push(performance.now() - from);
  }
  return took;
}

/** As many rows, of the same size, as the records of one report that is contained. */
function commitOften({ path, times }) {
  const db = openDatabase(path);
  db.exec('CREATE TABLE IF NOT EXISTS bare (seq INTEGER PRIMARY KEY, line TEXT NOT NULL)');
  const insert = db.prepare('INSERT INTO bare (line) VALUES (?)');
  const [begin, commit] = ['BEGIN IMMEDIATE', 'COMMIT'].map((sql) => db.prepare(sql));
  const lines = [1400, 600, 600].map((length) => randomBytes(length / 2).toString('hex'));
  const took = [];
  for (let n = -WARM_UP; n < times; n += 1) {
    const from = performance.now();
    begin.run();
    for (const line of lines) insert.run(line);
    commit.run();
    if (n >= 0) took.push(performance.now() - from);
  }
  db.close();
  return took;
}

/** On the store of a recorder that has ended. */
async function upkeepOf({ path, actuator, times }) {
  const db = openDatabase(path);
  const { holds, commands, approvals } = createTables(db);
  const now = new Date().toISOString();
  const parts = {
    'holds.due': () => holds.due(now, 0, 100),
    'commands.due': () => commands.due(0, 100),
    'approvals.due': () => approvals.due(now, 100),
    'holds.unmet': () => holds.unmet(0, 500),
    'holds.isFailing + commands.hasOverdue': () => [holds.isFailing(), commands.hasOverdue()],
    'holds.desired, one page': () => holds.desired(actuator, 0, 100),
    'holds.list, 100': () => holds.list({ status: null, action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 101),
    'holds.list, 100 that are not there': () =>
      holds.list({ status: ['failed'], action: null, actuator: null }, Number.MAX_SAFE_INTEGER, 101),
    'commands.list, 100 that are not there': () => commands.list({ status: ['pending'] }, Number.MAX_SAFE_INTEGER, 101),
  };
  const took = {};
  for (const [name, part] of Object.entries(parts)) took[name] = medianOf(times, part);
  const desired = createDesired({ holds, listen: () => () => {} });
  const from = performance.now();
  await desired.digest(actuator);
  took['desired.digest'] = performance.now() - from;
  db.close();
  return took;
}

function medianOf(times, part) {
  const took = [];
  for (let n = 0; n < times; n += 1) {
    const from = performance.now();
    part();
    took.push(performance.now() - from);
  }
  return took.toSorted((a, b) => a - b)[Math.floor(times / 2)];
}

const JOBS = { ask: askOften, commit: commitOften, upkeep: upkeepOf };
process.on('message', ({ n, job }) => {
  Promise.try(() => JOBS[job.kind](job)).then(
    (result) => process.send({ n, result }),
    (error) => process.send({ n, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
