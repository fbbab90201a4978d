// Whether anything becomes slower as incidents pile up: the same requests to a small store and to a large one, in turn.

import { type Program, residentBytes } from '../support/program.ts';
import { type Findings, count, mb, ms, table } from './findings.ts';
import type { Generator } from './generator.ts';
import { REPORTS, STORED, batch, get, report } from './requests.ts';
import { ask, startRecorder, totalOf } from './servers.ts';

const SMALL = 1000;
const BATCH = 1000;
const MOST = 1.3;
const TIMES = 200;

interface Listed {
  id: string;
}

export async function measureGrowth(scope: AsyncDisposableStack, generator: Generator, quick: boolean): Promise<Findings> {
  const large = quick ? 20_000 : 200_000;
  const stores = [await startRecorder(scope), await startRecorder(scope)] as const;
  const faults: string[] = [];
  const fill = async ({ port }: Program, incidents: number) => {
    const flooded = await generator.flood({ port, connections: 1, requests: [batch(STORED, BATCH)], limit: incidents / BATCH });
    if (flooded.fault !== null) faults.push(flooded.fault);
    return flooded;
  };
  await fill(stores[0], SMALL);
  const filled = await fill(stores[1], large);
  for (const [i, expected] of [SMALL, large].entries()) {
    const kept = await totalOf(stores[i] as Program);
    if (kept !== expected) throw new Error(`${expected} incidents were reported, ${kept} are kept`);
  }

  // Both stores begin with the same reports in the same order: so the last page of the small one is that of the large one too.
  const last = await lastPage(stores[0].port);
  const lists: string[][] = [];
  for (const [what, path] of [
    ['', '/api/v1/incidents'],
    [', state=open', '/api/v1/incidents?state=open'],
    [', class=…', '/api/v1/incidents?class=attestation_failure'],
    [', the last page', last],
  ] as const) {
    const [one = [], other = []] = await Promise.all(stores.map(async ({ port }) => idsOf(port, [path])));
    if (one.length !== other.length || one.length === 0) throw new Error(`${path}: ${one.length} and ${other.length} incidents on a page`);
    lists.push([`list of ${one.length}${what}`, path]);
  }
  const ids = await Promise.all(stores.map(async ({ port }) => idsOf(port, ['/api/v1/incidents', last])));
  const ofIds = (path: (id: string) => string): [string[], string[]] => [
    (ids[0] ?? []).map((id) => get(path(id))),
    (ids[1] ?? []).map((id) => get(path(id))),
  ];
  const same = (requests: string[]): [string[], string[]] => [requests, requests];
  const { errors, fault, steps } = await generator.compare({
    ports: [stores[0].port, stores[1].port],
    times: TIMES,
    steps: [
      { name: 'report', requests: same(REPORTS.map(report)) },
      ...[...lists, ['stats', '/api/v1/stats']].map(([name = '', path = '']) => ({ name, requests: same([get(path)]) })),
      { name: 'get', requests: ofIds((id) => `/api/v1/incidents/${id}`) },
      { name: 'timeline', requests: ofIds((id) => `/api/v1/incidents/${id}/timeline`) },
    ],
  });
  if (fault !== null) faults.push(`${errors} errors, first ${fault}`);

  const ratios = steps.map(({ name, p50_ms: [one, other] }) => ({ name, one, other, ratio: other / one }));
  const rows = ratios.map(({ name, one, other, ratio }) => [name, ms(one), ms(other), ratio.toFixed(2)]);
  const text = [
    table(['p50 of one request, ms', `${count(SMALL)} stored`, `${count(large)} stored`, 'ratio'], rows),
    `\nThe ${count(large)} came as lines, ${count(BATCH)} a request, at ${count(filled.per_second * BATCH)} reports/s; ` +
      `the recorder that holds them has ${mb(residentBytes(stores[1].pid))} resident.`,
  ].join('\n');
  const aims = ratios.map(({ name, ratio }) => ({
    what: `${name}: ${count(large)} / ${count(SMALL)} stored ≤ ${MOST}`,
    measured: ratio.toFixed(2),
    met: ratio <= MOST,
  }));
  return { text, aims, errors: faults };
}

/** The path of the last page of the list that has anything on it. */
async function lastPage(port: number): Promise<string> {
  let path = '/api/v1/incidents';
  for (;;) {
    const { head } = await ask(port, get(path));
    const [, next] = /\r\nlink: <([^>]+)>; rel="next"/i.exec(head) ?? [];
    if (next === undefined || (await idsOf(port, [next])).length === 0) return path;
    path = next;
  }
}

async function idsOf(port: number, paths: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const path of paths) ids.push(...(JSON.parse((await ask(port, get(path))).body) as Listed[]).map(({ id }) => id));
  return ids;
}
