// The whole story with the built program: what real reporters send, by curl; an operator works it; a restart loses nothing.

import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SERVICE_TOKEN, readRecords, tokensFile, writeSecret } from '../support/house.ts';
import { type Program, ROOT, startProgram } from '../support/program.ts';
import { verifyLog } from '../support/verify-log.mjs';

const FIXTURES = join(ROOT, 'test/fixtures/reports');
const REPORTERS: Record<string, { source: string; state: string; actions: string[] }> = {
  'runtime-attestor': {
    source: 'runtime-attestor',
    state: 'contained',
    actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock'],
  },
  'integrity-monitor-model': { source: 'integrity-monitor', state: 'contained', actions: ['quarantine_model', 'freeze_agent'] },
  'integrity-monitor-file': {
    source: 'integrity-monitor',
    state: 'contained',
    actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock'],
  },
  'gpu-integrity-watch': { source: 'gpu-integrity-watch', state: 'contained', actions: ['quarantine_model', 'log_alert'] },
  'canary-tripwire': { source: 'canary-tripwire', state: 'contained', actions: ['freeze_agent', 'disable_airlock', 'force_vault_relock'] },
};

const OPERATOR_TOKEN = 'operator-'.repeat(5);
const reporterToken = (name: string) => `reporter-${name}-`.repeat(3);

function curl(...args: string[]): any {
  return JSON.parse(execFileSync('curl', ['-sS', '--max-time', '10', ...args], { encoding: 'utf8' }));
}

const bearer = (token: string) => ['-H', `Authorization: Bearer ${token}`];

function send(program: Program, name: string): any {
  const file = join(FIXTURES, `${name}.json`);
  return curl(
    `${program.url}/api/v1/incidents/report`,
    ...bearer(reporterToken(name)),
    '-H',
    'Content-Type: application/json',
    '--data-binary',
    `@${file}`,
  );
}

function take(program: Program, step: string, body: object): any {
  const json = ['-H', 'Content-Type: application/json', '--data-binary', JSON.stringify(body)];
  return curl(`${program.url}/api/v1/incidents/${step}`, ...bearer(OPERATOR_TOKEN), ...json);
}

const hasCurl = (() => {
  try {
    execFileSync('curl', ['--version']);
    return true;
  } catch {
    console.warn('SKIPPED: the journey of the reporters needs curl');
    return false;
  }
})();

describe.skipIf(!hasCurl)('the original’s reporters, each with its own token', () => {
  beforeAll(() => {
    expect(
      readdirSync(FIXTURES)
        .map((file) => file.replace('.json', ''))
        .toSorted(),
    ).toEqual(Object.keys(REPORTERS).toSorted());
  });

  it('are believed, contained on record, worked by an operator, and all found again after a restart', async () => {
    await using program = await startProgram();
    const entries = Object.entries(REPORTERS).map(([name, { source }]) => {
      const { class: reported } = JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8')) as { class: string };
      return [name, { token: reporterToken(name), role: 'reporter', sources: [source], classes: [reported] }] as const;
    });
    const tokens = join(program.dir, 'tokens.yaml');
    writeSecret(tokens, tokensFile({ ...Object.fromEntries(entries), alice: { token: OPERATOR_TOKEN, role: 'operator' } }));
    await program.end('SIGTERM');
    await using recorder = await startProgram({ dir: program.dir, env: { TOKENS_PATH: tokens } });

    const made = new Map<string, any>();
    for (const [name, expected] of Object.entries(REPORTERS)) {
      const sent = JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), 'utf8'));
      const incident = send(recorder, name);
      expect(incident, name).toMatchObject({
        ...{ class: sent.class, severity: sent.severity, source: expected.source, reported_by: name, state: expected.state },
        ...{ description: sent.description, evidence: sent.evidence, containment_actions: expected.actions },
      });
      expect(incident.containment.status, name).toBe('recorded');
      made.set(name, incident);
    }

    // The recorder shares one freeze among all who wanted it.
    const freezes = [...made.values()].flatMap(({ containment }) =>
      containment.actions.filter(({ action }: any) => action === 'freeze_agent'),
    );
    expect(freezes).toHaveLength(4);
    expect(new Set(freezes.map(({ hold_id }) => hold_id)).size).toBe(1);
    // The model is the one that the monitor named.
    expect(made.get('integrity-monitor-model').containment.actions[0].target).toBe(
      'model:/var/lib/secure-ai/registry/models/llama-3-8b.gguf',
    );

    const canary = made.get('canary-tripwire').id;
    const attested = made.get('runtime-attestor').id;
    expect(take(recorder, 'acknowledge', { id: canary, note: 'on it' })).toMatchObject({ state: 'acknowledged' });
    expect(take(recorder, 'resolve', { id: canary, note: 'a drill', resolution: 'test' })).toMatchObject({
      state: 'resolved',
      resolution: 'test',
    });
    expect(take(recorder, 'acknowledge', { id: canary })).toMatchObject({ status: 409, state: 'resolved', allowed: [] });
    expect(take(recorder, 'acknowledge', { id: attested })).toMatchObject({ state: 'acknowledged' });
    expect(take(recorder, 'reopen', { id: attested })).toMatchObject({ state: 'contained' });

    const before = curl(`${recorder.url}/api/v1/incidents`);
    const stats = curl(`${recorder.url}/api/v1/stats`);
    expect(before).toHaveLength(5);
    expect(stats).toMatchObject({ total_incidents: 5, open_incidents: 4, contained_count: 4, resolved_count: 1 });
    expect(await recorder.end('SIGTERM')).toEqual({ code: 0, signal: null });

    await recorder.start();
    expect(curl(`${recorder.url}/api/v1/incidents`)).toEqual(before);
    expect(curl(`${recorder.url}/api/v1/stats`)).toEqual(stats);
    const timeline = curl(`${recorder.url}/api/v1/incidents/${canary}/timeline`, ...bearer(OPERATOR_TOKEN));
    expect(timeline.map(({ type, actor }: any) => [type, actor])).toEqual([
      ['incident.reported', 'reporter:canary-tripwire'],
      ['incident.contained', 'reporter:canary-tripwire'],
      ['incident.acknowledged', 'operator:alice'],
      ['incident.resolved', 'operator:alice'],
    ]);
    await recorder.end('SIGTERM');
    expect(verifyLog(recorder.auditPath)).toMatchObject({ fault: null, torn: false, records: readRecords(recorder.auditPath).length });
    const log = readFileSync(recorder.auditPath, 'utf8') + recorder.output();
    for (const secret of [SERVICE_TOKEN, OPERATOR_TOKEN, ...Object.keys(REPORTERS).map(reporterToken)]) expect(log).not.toContain(secret);
  });
});
