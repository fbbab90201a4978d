// npm run bench: measures the built program, jitless as in production, and prints a table in markdown.
//
//   npm run bench -- [--quick] [PART …]      PART: throughput growth memory, ledger (which is checkpoints verify restart),
//                                          containment (which is wire hanging holds owners)
//
// An aim that is missed is printed as MISSED and is no failure; a request that fails, or a report that is lost, is.

import { parseArgs } from 'node:util';
import { FLAGS } from '../support/program.ts';
import { measureCheckpoints } from './checkpoints.ts';
import { CONTAINMENT } from './containment.ts';
import type { Findings } from './findings.ts';
import { type Generator, startGenerator } from './generator.ts';
import { measureGrowth } from './growth.ts';
import { measureMemory } from './memory.ts';
import { conclude, head } from './print.ts';
import { measureRestart } from './restart.ts';
import { measureThroughput } from './throughput.ts';
import { measureVerify } from './verify.ts';

const PARTS: Record<string, (scope: AsyncDisposableStack, generator: Generator, quick: boolean) => Promise<Findings>> = {
  throughput: measureThroughput,
  growth: measureGrowth,
  memory: measureMemory,
  checkpoints: measureCheckpoints,
  verify: measureVerify,
  restart: measureRestart,
  ...CONTAINMENT,
};
/** Parts that go by one name. */
const GROUPS: Record<string, readonly string[]> = {
  ledger: ['checkpoints', 'verify', 'restart'],
  containment: Object.keys(CONTAINMENT),
};
const USAGE = `usage: npm run bench -- [--quick] [${[...Object.keys(PARTS), ...Object.keys(GROUPS)].join('|')} …]`;

let running = new AsyncDisposableStack();
const giveUp = () => {
  process.on('uncaughtException', () => {}); // that the parts break off now is no news
  void running.disposeAsync().then(() => process.exit(1));
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, giveUp);

const { quick, parts } = options();
console.log(head(`Node ${process.versions.node} ${FLAGS.join(' ')}`, quick));
const found: Findings[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (!parts.includes(name)) continue;
  await using scope = new AsyncDisposableStack();
  running = scope;
  const findings = await measure(scope, scope.use(startGenerator()), quick);
  console.log(`\n${findings.text}`);
  found.push(findings);
}
process.exitCode = conclude(found);

function options(): { quick: boolean; parts: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean', default: false } }, allowPositionals: true });
    const named = positionals.flatMap((name) => GROUPS[name] ?? [name]);
    if (named.every((name) => Object.hasOwn(PARTS, name)))
      return { quick: values.quick, parts: named.length > 0 ? named : Object.keys(PARTS) };
  } catch {
    // Told below, as for a part that there is not.
  }
  console.error(USAGE);
  process.exit(2);
}
