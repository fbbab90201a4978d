// `policy check`, `explain` and `replay` as an operator calls them: what they print, and what a script reads from the exit code.

import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHistory } from '../support/history.ts';
import { aReport } from '../support/house.ts';
import { ROOT } from '../support/program.ts';

const dir = mkdtempSync(join(tmpdir(), 'cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

async function run(args: string[], { env = {}, input = '' }: { env?: Record<string, string>; input?: string } = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [join(ROOT, 'dist/cli.js'), 'policy', ...args], { cwd: dir, env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

const write = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return name;
};

const EVERY_OTHER = [
  ...['attestation_failure', 'policy_bypass_attempt', 'manifest_mismatch', 'forbidden_airlock_request', 'tool_call_burst'],
  ...['model_behavior_anomaly', 'integrity_violation', 'unauthorized_access'],
].map((name) => `  ${name}: {}\n`);
const GOOD = `version: 1
rules:
  prompt_injection: {auto_contain: true, default_severity: high, actions: [{action: block_ip, target: evidence.src_ip, ttl: [1h, 1d]}, log_alert]}
${EVERY_OTHER.join('')}actuators: {wall: {actions: [block_ip], push: "unix:/run/wall.sock:/block", secret: wall.key}}
protect: [{actions: [block_ip], targets: [192.0.2.0/28]}]
`;

describe('policy check', () => {
  it('says what a good policy is, and ends with 0', async () => {
    const file = write('good.yaml', GOOD);
    expect(await run(['check', file])).toEqual({
      code: 0,
      stdout: `good.yaml is good: 9 rules, actuators wall, mode enforce, SHA-256 ${hash('sha256', GOOD)}\nthe secrets that it names were not opened; give --secrets <folder>\n`,
      stderr: '',
    });
  });

  it('passes the policy that is shipped, as it is', async () => {
    const { code, stdout } = await run(['check', join(ROOT, 'policy/incident-containment.yaml'), '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ ok: true, rules: 9, warnings: [] })]);
  });

  it('names line and column of a fault, what was expected and the nearest word, and ends with 3', async () => {
    const file = write(
      'bad.yaml',
      GOOD.replace('actions: [block_ip], push', 'actions: [blok_ip], push').replace('auto_contain', 'auto_contian'),
    );
    const { code, stdout, stderr } = await run(['check', file]);
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^bad\.yaml:3:22: rules\/prompt_injection\/auto_contian is not a known key; did you mean "auto_contain"\?$/),
      expect.stringMatching(/^bad\.yaml:12:\d+: actuators\/wall\/actions\/0 must be one of .*; did you mean "block_ip"\?$/),
      '',
    ]);
    expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
    const told = JSON.parse((await run(['check', file, '--json'])).stdout);
    expect(told).toMatchObject({
      ok: false,
      file: 'bad.yaml',
      errors: [{ pointer: '/rules/prompt_injection/auto_contian', line: 3, column: 22 }, {}],
    });
  });

  it('warns of what is seldom meant, with its line where it has one, and still ends with 0', async () => {
    const file = write('warned.yaml', GOOD.replace('log_alert]', 'freeze_agent]').replace('  tool_call_burst: {}\n', ''));
    const { code, stdout } = await run(['check', file]);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(2, -1)).toEqual([
      'warned.yaml: warning: tool_call_burst has no rule: nothing is contained, and it is medium unless its reporter says more',
      expect.stringMatching(/^warned\.yaml:3: warning: freeze_agent of rule prompt_injection has no actuator, while others have/),
    ]);
  });

  it('opens secrets only where it is told to, and says what is wrong with them without showing them', async () => {
    const file = write('secret.yaml', GOOD);
    const key = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    mkdirSync(join(dir, 'secrets'));
    expect(await run(['check', file, '--secrets', 'secrets'])).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('secrets/wall.key: there is no such file'),
    });
    write('secrets/wall.key', `${key}x\n`);
    chmodSync(join(dir, 'secrets/wall.key'), 0o600);
    const bad = await run(['check', file, '--secrets', 'secrets', '--json']);
    expect([bad.code, JSON.parse(bad.stdout)]).toEqual([
      3,
      { ok: false, file, errors: [{ pointer: '', detail: expect.stringContaining('line 1 must be whsec_') }] },
    ]);
    expect(bad.stdout).not.toContain(key);
    write('secrets/wall.key', `${key}\n`);
    const good = await run(['check', file, '--secrets', 'secrets', '--json']);
    expect([good.code, JSON.parse(good.stdout)]).toMatchObject([0, { ok: true, secrets_opened: true, actuators: ['wall'] }]);
  });

  it('counts the actuators of the environment, where the policy names none', async () => {
    const file = write(
      'plain.yaml',
      'version: 1\nrules: {prompt_injection: {auto_contain: true, actions: [freeze_agent, disable_airlock]}}\n',
    );
    const env = { AGENT_URL: 'http://127.0.0.1:8476' };
    expect((await run(['check', file], { env })).stdout).toContain(
      'disable_airlock of rule prompt_injection has no actuator, while others have',
    );
    expect((await run(['check', file])).stdout).not.toContain('disable_airlock');
    expect(await run(['check', file], { env: { AGENT_URL: 'file:///etc/passwd' } })).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('AGENT_URL'),
    });
  });

  it('does not take what is no file for a policy, and shows what a terminal would obey', async () => {
    expect(await run(['check', 'nowhere.yaml'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'incident-recorder: nowhere.yaml: there is no such policy\n',
    });
    const { code, stdout } = await run(['check', write('\u001b[31m.yaml', 'version: 2\nrules: {}\n')]);
    expect([code, stdout]).toEqual([3, '\\u001b[31m.yaml:1:1: version must be 1\n']);
  });
});

describe('policy explain', () => {
  const policy = 'explained.yaml';
  const report = (more: Record<string, unknown> = {}) => JSON.stringify(aReport({ evidence: { src_ip: '198.51.100.7' }, ...more }));
  beforeAll(() => void write(policy, GOOD));

  it('tells what is decided about a report and why, of a file or of stdin', async () => {
    const told = await run(['explain', policy, '--report', write('report.json', report())]);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout.split('\n')).toEqual([
      expect.stringContaining('rule prompt_injection in line 3, which contains by itself'),
      'severity high, the default of the rule',
      'taken as report 1 of its incident, with confidence 1; the rule escalates nothing',
      'block_ip on ip:198.51.100.7: ordered; asked of actuator wall, which is sent it, within 30s; it counts as contained once enforced; for 1h (who comes again: 1d)',
      'log_alert on host:*: ordered; done by the recorder with the report',
      'the incident is contained when all that is ordered counts',
      'each such report is an incident of its own',
      'at most 100 live holds of this rule for one source',
      '',
    ]);
    expect(await run(['explain', policy, '--report', '-'], { input: report() })).toEqual(told);
  });

  it('speaks JSON to scripts, and takes the facts that are given', async () => {
    const { code, stdout } = await run(['explain', policy, '--report', '-', '--occurrences', '4', '--escalating', '--json'], {
      input: report(),
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      rule: 'prompt_injection',
      facts: { occurrences: 4, escalating: true },
      actions: [{ outcome: 'ordered' }, {}],
    });
  });

  it('ends with 2 for what the service would not take as a report, with 78 for a bad policy', async () => {
    const refused = async (input: string) => (await run(['explain', policy, '--report', '-'], { input })).stderr;
    expect(await refused('{"class": 7, "sorce": "x"}')).toMatch(
      /^incident-recorder: --report - is no report: class must be a string; source is required; .*did you mean "source"/,
    );
    expect(await refused('no json')).toBe('incident-recorder: --report - is not exactly one JSON value\n');
    expect(await refused(`"${'x'.repeat(70_000)}"`)).toContain('is longer than 65536 bytes');
    expect(await run(['explain', policy, '--report', '-'], { input: '{}' })).toMatchObject({ code: 2, stdout: '' });
    expect(await run(['explain', policy, '--report', '-', '--occurrences', '0'], { input: report() })).toMatchObject({ code: 2 });
    expect(await run(['explain', policy])).toMatchObject({ code: 2 });
    expect(await run(['explain', policy, '--report', 'nowhere.json'])).toMatchObject({ code: 1 });
    expect(await run(['explain', write('worse.yaml', 'version: 2\n'), '--report', '-'], { input: report() })).toMatchObject({
      code: 78,
      stdout: '',
    });
  });

  it('shows what a report would have a terminal do', async () => {
    const { stdout } = await run(['explain', policy, '--report', '-'], {
      input: report({ class: 'x', evidence: { src_ip: '\u001b[2J' } }),
    });
    // oxlint-disable-next-line no-control-regex
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/);
  });
});

describe('policy replay', () => {
  const history = createHistory();
  beforeAll(() => {
    for (const src_ip of ['192.0.2.1', '198.51.100.1', '198.51.100.2', '198.51.100.1']) {
      history.report({ evidence: { src_ip } }, { orders: ['freeze_agent agent:*', 'log_alert host:*'] });
    }
    write('candidate.yaml', GOOD);
    const lines = history.lines();
    write('audit.jsonl', `${lines.join('\n')}\n`);
    write('first.jsonl', `${lines.slice(0, 3).join('\n')}\n`);
    writeFileSync(join(dir, 'first.jsonl.gz'), gzipSync(`${lines.slice(0, 3).join('\n')}\n`));
    write('second.jsonl', `${lines.slice(3).join('\n')}\n`);
    write('edited.jsonl', `${lines.with(2, (lines[2] ?? '').replace('198.51', '203.51')).join('\n')}\n`);
  });

  it('tells what would have been otherwise, and ends with 0', async () => {
    const { code, stdout, stderr } = await run(['replay', 'candidate.yaml', 'audit.jsonl']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      `records 1 to 4 tell of 4 reports; under policy ${hash('sha256', GOOD)} 4 of them would have gone otherwise`,
      'incidents: was 4, would be 4',
      'freeze_agent: ordered was 4, would be 0; on was 1, would be 0 targets',
      'log_alert: ordered was 4, would be 4; on was 1, would be 1 targets',
      'block_ip: ordered was 0, would be 3; on was 0, would be 2 targets',
      'approvals asked for: was 0, would be 0',
      'refused for protected: was 0, would be 1',
      'severity: raised of 0 reports, lowered of 0',
      'protected targets that were, or would be, acted on: 1:',
      "  block_ip ip:192.0.2.1: ordered 0 times, and wanted 1 times by this policy's own rules; it would be refused",
      'reports that would have gone otherwise: 4:',
      expect.stringMatching(/^ {2}record 1, INC-20260313-000000000001, prompt_injection$/),
      '    was       a new incident; high; freeze_agent agent:*, log_alert host:*',
      '    would be  a new incident; high; block_ip ip:192.0.2.1 (refused: protected), log_alert host:*',
      ...Array.from({ length: 9 }, () => expect.any(String)),
      '',
    ]);
  });

  it('reads a log of several files, packed or not, and the one of the environment', async () => {
    const whole = await run(['replay', 'candidate.yaml', 'audit.jsonl', '--json']);
    expect(JSON.parse(whole.stdout)).toMatchObject({
      records: { first: 1, last: 4 },
      fault: null,
      reports: 4,
      changed: { count: 4 },
      forgotten: { incidents: 0 },
    });
    expect(await run(['replay', 'candidate.yaml', 'first.jsonl', 'second.jsonl', '--json'])).toEqual(whole);
    expect(await run(['replay', 'candidate.yaml', 'first.jsonl.gz', 'second.jsonl', '--json'])).toEqual(whole);
    expect(await run(['replay', 'candidate.yaml', '--json'], { env: { AUDIT_LOG_PATH: join(dir, 'audit.jsonl') } })).toEqual(whole);
  });

  it('stops at the first record that is not sound, says so, and ends with 3', async () => {
    const { code, stdout, stderr } = await run(['replay', 'candidate.yaml', 'edited.jsonl', '--json']);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /^TAMPERED: record 3, at byte \d+ of edited\.jsonl, its hash does not fit its bytes; nothing behind it was replayed\n$/,
    );
    expect(JSON.parse(stdout)).toMatchObject({ records: { first: 1, last: 2 }, fault: { seq: 3 }, reports: 2 });
  });

  it('refuses a bad policy, and a log that is not there', async () => {
    expect(await run(['replay', write('worst.yaml', 'rules: {}\n'), 'audit.jsonl'])).toMatchObject({ code: 78, stdout: '' });
    expect(await run(['replay', 'candidate.yaml', 'nowhere.jsonl'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('there is no such log'),
    });
  });
});

it('helps on every level, with an example and its exit codes', async () => {
  expect(await run(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('before it is put in force') });
  for (const command of ['check', 'explain', 'replay']) {
    const { code, stdout } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('Example:');
    expect(stdout).toContain('Exit codes: 0');
  }
  expect(await run(['chekc'])).toMatchObject({ code: 2 });
});
