// Runs the tests (--sandbox: those in a real systemd), and closes with one line that a person or a machine can trust: "N passed, N failed".
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** What is used of vitest's JSON report. */
interface Report {
  testResults: {
    name: string;
    status: string;
    assertionResults: { ancestorTitles: string[]; title: string; status: string }[];
  }[];
}
interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const root = join(import.meta.dirname, '..');
const sandbox = process.argv[2] === '--sandbox';
const args = process.argv.slice(sandbox ? 3 : 2);
const folder = mkdtempSync(join(tmpdir(), 'incident-recorder-test-'));
const reportFile = join(folder, 'report.json');

const ended = await runVitest();
const report = readReport();
rmSync(folder, { recursive: true, force: true });
process.exitCode = summarise(ended, report);

function runVitest(): Promise<Ended> {
  const vitest = spawn(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      `--config=.vitest.${sandbox ? 'sandbox.' : ''}config.ts`,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...args,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => vitest.kill(signal));
  return new Promise((resolve, reject) => {
    vitest.on('error', reject);
    vitest.on('exit', (code, signal) => resolve({ code, signal }));
  });
}

function readReport(): Report {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8')) as Report;
  } catch {
    return { testResults: [] }; // vitest ended before it wrote one: its exit code tells
  }
}

function summarise({ code, signal }: Ended, { testResults }: Report): number {
  let passed = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  for (const file of testResults) {
    const path = relative(root, file.name);
    for (const test of file.assertionResults) {
      const name = [path, ...test.ancestorTitles, test.title].join(' > ');
      if (test.status === 'passed') passed += 1;
      else if (test.status === 'failed') failed.push(name);
      else skipped.push(name);
    }
    // A file that could not be loaded, or a hook around its tests that failed, has no failed test of its own to show.
    if (file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed')) {
      failed.push(`${path} (the file itself)`);
    }
  }
  if (failed.length === 0 && code !== 0) {
    failed.push(signal ? `the run was ended by ${signal}` : `the run itself: vitest ended with code ${code}, see above`);
  }

  // With -t, all that was not asked for counts as skipped: no news.
  const chosen = args.some((arg) => /^(-t|--testNamePattern)/.test(arg));
  if (skipped.length > 0 && !chosen) list('SKIPPED, so nothing is known about', skipped);
  if (failed.length > 0) list('FAILED', failed);
  if (passed + failed.length === 0) console.log('\nNo test ran.');
  const andSkipped = skipped.length > 0 ? `, ${skipped.length} skipped` : '';
  console.log(`\n${passed} passed, ${failed.length} failed${andSkipped}`);
  return failed.length > 0 || passed === 0 ? 1 : 0;
}

function list(title: string, names: string[]): void {
  console.log(`\n${title} (${names.length}):`);
  for (const name of names) console.log(`  - ${name}`);
}
