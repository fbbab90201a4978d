// The table of actions: every row whole, and where each finds its target in what real reporters send.

import { describe, expect, it } from 'vitest';
import { ACTIONS, ACTION_NAMES, type ActionName, TARGET_TYPES, type Told, targetName } from '../../src/incident/actions.ts';
import type { Evidence } from '../../src/incident/report.ts';

const told = (evidence: Evidence | null): Told => ({ evidence, subject: null });

describe('the actions', () => {
  it.each<[ActionName, string, string, string | null]>([
    ['freeze_agent', 'agent', 'agent:*', 'unfreeze'],
    ['disable_airlock', 'airlock', 'airlock:*', 'enable'],
    ['force_vault_relock', 'vault', 'vault:*', null],
    ['quarantine_model', 'registry', 'model:unknown', null],
    ['log_alert', 'recorder', 'host:*', null],
  ])('%s is done by the %s, to %s, and undone by %s', (name, doneBy, target, release) => {
    const row = ACTIONS[name];
    expect(row.done_by).toBe(doneBy);
    expect(targetName(row.target(told(null)))).toBe(target);
    expect(row.release).toBe(release);
    expect(row.effect).not.toBe('');
  });

  it('are those five, and each has a target of a known type whatever the evidence says', () => {
    expect(ACTION_NAMES).toHaveLength(5);
    for (const name of ACTION_NAMES) {
      for (const evidence of [null, {}, { model_path: null }, { model_path: { a: 1 } }, { agent: 'x', vault: 'y' }]) {
        const { type, id } = ACTIONS[name].target(told(evidence));
        expect(TARGET_TYPES).toContain(type);
        expect(id).toMatch(/^(\*|unknown)$/);
      }
    }
  });
});

describe('the model to quarantine', () => {
  it.each<[string, Evidence | null]>([
    ['/models/a.gguf', { model_path: '/models/a.gguf' }],
    ['/models/a.gguf', { model_path: '/models/a.gguf', violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { model_path: '', violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { model_path: 7, violation_0_path: '/models/b.gguf' }],
    ['unknown', { model_path: '', violation_0_path: '' }],
    ['unknown', { model_path: ['/models/a.gguf'] }],
    ['unknown', {}],
    ['unknown', null],
  ])('is %s when the evidence is %j', (id, evidence) => {
    expect(ACTIONS.quarantine_model.target(told(evidence))).toEqual({ type: 'model', id });
  });
});
