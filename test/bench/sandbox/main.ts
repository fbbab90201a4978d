// npm run bench:sandbox: measures the release as its unit runs it, in a real systemd, and prints tables in markdown.
//
//   npm run bench:sandbox -- [--quick] [--profile]      --profile: instead, where the CPU goes; needs no systemd
//
// An aim that is missed is printed as MISSED and is no failure; a request that fails, or a report that is lost, is.

import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Findings, count, ms, table } from '../findings.ts';
import { conclude, head } from '../print.ts';
import { REPORTS, report } from '../requests.ts';
import { cpuBetween } from './cgroup.ts';
import { type Host, layersOf, openHost } from './host.ts';
import { HEAD, LINES_1, SINGLE_16, cells, measure, measureLoads } from './loads.ts';
import { measureProfile } from './profile.ts';
import { watchMemory } from './resident.ts';
import { type Starts, measureStarts, tableOfStarts } from './starts.ts';

const STORED = 50_000;
/** Between two looks at how many there are. */
const FILL_S = 2;

const flag = { type: 'boolean', default: false } as const;
const { quick, profile } = parseArgs({ options: { quick: flag, profile: flag } }).values;
const scope = new AsyncDisposableStack();
const giveUp = () => {
  process.on('uncaughtException', () => {}); // that the parts break off now is no news
  void scope.disposeAsync().then(() => process.exit(1));
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, giveUp);
process.once('uncaughtException', (error) => {
  console.error(error);
  giveUp();
});
try {
  console.log(head(`Node ${process.versions.node}`, quick));
  if (profile) console.log(`\n${await measureProfile(scope, quick)}`);
  else process.exitCode = conclude(await run(openHost(scope)));
  console.log(`\nload ${loadavg()[0]?.toFixed(1)} after`);
} finally {
  await scope.disposeAsync();
}

async function run(host: Host): Promise<Findings[]> {
  const { shipped, lifted, bare, generator } = host;
  const times = quick ? 1 : 5;
  await shipped.start(generator);
  console.log(layersOf(host));
  await shipped.settled();
  const starts = await measureStarts(shipped, generator, 'an empty store', times);

  const memory = scope.use(watchMemory(shipped));
  await lifted.start(generator);
  await bare.start(generator, report(REPORTS[0] ?? {}));
  await lifted.settled();
  memory.note('when it has started from a cold cache');
  const idle = await idleOf(host, quick ? 3 : 5);
  const loads = await measureLoads(host, quick);
  memory.note('after all load');
  const held = memory.findings();
  console.log(`\n${loads.text}\n\n${held.text}`);

  bare.stop();
  shipped.stop();
  const stored = quick ? null : await measureStored(host, times);
  console.log(`\n${tableOfStarts([...starts.rows, ...(stored?.starts ?? [])])}`);
  console.log(`\n${stored?.text ?? ''}\n\n${idle}`);
  return [loads, held, starts, ...(stored ? [stored] : [])];
}

/** The service that had no quota, with what it has taken meanwhile, and as the shipped one from now on. */
async function measureStored({ lifted, generator }: Host, times: number): Promise<Findings & { starts: Starts['rows'] }> {
  while (lifted.total() < STORED) {
    const { faults } = await measure(generator, lifted, LINES_1, FILL_S);
    if (faults.length > 0) throw new Error(faults.join());
  }
  const stored = `${count(lifted.total())} incidents`;
  lifted.quota('10%');
  const starts = await measureStarts(lifted, generator, stored, times);
  // By the amount of it: at a tenth of a CPU it takes ten times as long.
  const before = lifted.cgroup.cpu().total / 1000;
  lifted.quota('');
  const after = (await lifted.settled()) - before;
  lifted.quota('10%');
  await measure(generator, lifted, SINGLE_16, 2);
  const single = await measure(generator, lifted, SINGLE_16, 20);
  const text = `${table(HEAD, [[SINGLE_16.name, `10 %, with ${stored}`, ...cells(single)]])}

With them it looks through its log after a start, for ${count(after)} ms of CPU.`;
  return { text, aims: starts.aims, errors: single.faults, starts: starts.rows };
}

/** What it does of itself, once a second. */
async function idleOf({ shipped: { cgroup } }: Host, seconds: number): Promise<string> {
  const before = cgroup.cpu();
  await sleep(seconds * 1000);
  const { total } = cpuBetween(before, cgroup.cpu());
  return `Idle it takes ${ms(total / 1000 / seconds)} ms of CPU a second.`;
}
