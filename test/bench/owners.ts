// Many incidents that own one hold: what it takes until all of them are called what they are, once it has moved.

import { setTimeout as sleep } from 'node:timers/promises';
import { CLASSES, folderWith, policyOf, startOn } from './commanding.ts';
import type { Field } from './field.ts';
import { type Findings, count, ms, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { numbered } from './numbered.ts';
import { batch, get } from './requests.ts';
import { ask, totalOf } from './servers.ts';
import { share } from './shares.ts';

const INCIDENTS = 10_000;
const BATCH = 1000;
const LOOK_MS = 100;
const LONGEST_S = 120;

export async function measureOwners(scope: AsyncDisposableStack, generator: Generator, field: Field): Promise<Findings> {
  const agent = await field.open('agent', null, 'hang');
  const dir = folderWith(scope, policyOf({ freeze_agent: agent, block_ip: await field.open('beside', null) }, { deadline: '10m' }));
  const program = await startOn(scope, dir);
  const { port } = program;
  const faults: string[] = [];
  for (let n = 0; n < INCIDENTS; n += BATCH) {
    const bodies = Array.from({ length: BATCH }, (_, i) => numbered(CLASSES.freezes, n + i).body);
    const flooded = await generator.flood({ port, connections: 1, requests: [batch(bodies, BATCH)], limit: 1 });
    if (flooded.fault !== null) faults.push(flooded.fault);
  }
  if ((await totalOf(program)) !== INCIDENTS) faults.push(`${await totalOf(program)} of ${INCIDENTS} incidents are kept`);
  const watched = async (meanwhile: () => Promise<void>) => {
    const health = field.watch({ port, path: '/health', every_ms: 2, seconds: LONGEST_S });
    const from = performance.now();
    await meanwhile();
    const took = (performance.now() - from) / 1000;
    await field.still();
    return { took, health: await health };
  };
  const before = await watched(async () => sleep(5000));
  const contained = async () => (JSON.parse((await ask(port, get('/api/v1/stats'))).body) as { contained_count: number }).contained_count;
  if ((await contained()) !== 0) faults.push('some are contained before their hold is in force');
  const settling = await watched(async () => {
    await field.behave('agent', 'enforce');
    for (let waited = 0; (await contained()) < INCIDENTS && waited < LONGEST_S * 1000; waited += LOOK_MS) await sleep(LOOK_MS);
  });
  const reached = await contained();
  if (reached !== INCIDENTS) faults.push(`${reached} of ${INCIDENTS} incidents are contained`);
  const sent = await field.send({ port, class: CLASSES.freezes, from: INCIDENTS, count: 300, commands: false });
  if (sent.fault !== null) faults.push(sent.fault);

  const row = (name: string, took: string, health: readonly number[]) => [
    ...[name, took, ms(share(health, 0.5)), ms(share(health, 0.99)), ms(Math.max(...health))],
  ];
  const rows = [
    row('nothing moves', '', before.health),
    row('their hold is in force, until all are contained', `${settling.took.toFixed(1)} s`, settling.health),
    row('a report that joins them then → answer', '', sent.answer),
  ];
  const head = [`${count(INCIDENTS)} incidents own one hold`, 'takes', 'GET /health p50 ms', 'p99 ms', 'most ms'];
  return { text: table(head, rows), aims: [], errors: faults };
}
