// What happens of itself every second, on a disk that is really full: nothing is lost, and nobody has to come by for it to go on.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { aReport, openTestHouse } from '../support/house.ts';
import { NO_SMALL_DISK, openSmallDisk } from '../support/small-disk.ts';
import { verifyLog } from '../support/verify-log.mjs';

const large = aReport({ evidence: { padding: 'x'.repeat(8000) } });

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('a disk that is full', () => {
  it('refuses reports with 503, keeps what was answered and goes on reading; when it is emptied all goes on of itself', async ({
    skip,
  }) => {
    using disk = openSmallDisk(4096);
    if (!disk) return skip(NO_SMALL_DISK);
    const file = join(disk.dir, 'audit.jsonl');
    await using house = await openTestHouse({ env: { AUDIT_LOG_PATH: file } });
    const answered: string[] = [];
    const report = async () => {
      const answer = await house.post('/api/v1/incidents/report', large);
      if (answer.status === 201) answered.push(answer.body.id);
      return answer;
    };
    await report();
    disk.fill();
    let refused = await report();
    while (refused.status === 201) refused = await report();
    expect(refused.status).toBe(503);
    expect(refused.body).toMatchObject({ code: 'storage_full', detail: 'the disk is full; nothing was recorded' });
    expect(refused.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    const { body: health } = await house.get('/health').expect(503);
    expect(health).toMatchObject({ status: 'critical', checks: { disk: 'full' }, total_incidents: answered.length });
    await house.get('/readyz').expect(503);
    await house.get('/livez').expect(200);
    await house.get(`/api/v1/incidents/${answered[0]}`).expect(200);
    expect((await house.get('/api/v1/incidents?limit=200').expect(200)).body).toHaveLength(answered.length);

    disk.free();
    await until(async () => (await house.get('/health')).body.status === 'ok');
    expect((await report()).status).toBe(201);
    const { fault, torn } = verifyLog(file);
    expect({ fault, torn }).toEqual({ fault: null, torn: false });
    const log = readFileSync(file, 'utf8');
    for (const id of answered) expect(log).toContain(`"type":"incident.reported","id":"${id}"`);
    expect(log.match(/"type":"incident.reported"/g)).toHaveLength(answered.length);
  });

  it('does not keep the service from ending, nor from starting again once there is room', async ({ skip }) => {
    using disk = openSmallDisk(4096);
    if (!disk) return skip(NO_SMALL_DISK);
    const file = join(disk.dir, 'audit.jsonl');
    await using house = await openTestHouse({ env: { AUDIT_LOG_PATH: file } });
    const { body } = await house.post('/api/v1/incidents/report', large).expect(201);
    disk.fill();
    while ((await house.post('/api/v1/incidents/report', large)).status === 201);
    await house.close();
    expect(house.logged.at(-1)).toMatchObject({ message: 'stopped' });
    disk.free();
    await house.restart();
    await house.get(`/api/v1/incidents/${body.id}`).expect(200);
    expect(verifyLog(file)).toMatchObject({ fault: null, torn: false });
  });
});

describe('every second', () => {
  it('what was appended to the log file is made durable, and remembered', async () => {
    await using house = await openTestHouse();
    const { body } = await house.post('/api/v1/incidents/report', aReport()).expect(201);
    const db = new Database(join(house.dir, 'incidents.db'), { readonly: true });
    const synced = () =>
      (db.prepare<[], string>(`SELECT value FROM meta WHERE key = 'synced'`).pluck().get() ?? '0:0').split(':').map(Number);
    await until(async () => Number(synced()[0]) >= body.audit.seq);
    const [seq, offset] = synced();
    const upTo = readFileSync(join(house.dir, 'audit.jsonl')).subarray(0, offset);
    expect(upTo.at(-1)).toBe(10);
    expect(upTo.toString().trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^\\{"v":1,"seq":${seq},`));
    db.close();
  });
});
