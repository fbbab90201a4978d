// The table of actions: every row whole, and where each finds its target in what real and hostile reporters send.

import { describe, expect, it } from 'vitest';
import {
  ACTIONS,
  ACTION_NAMES,
  type ActionName,
  TARGET_TYPES,
  type Told,
  isAction,
  rowOf,
  targetName,
  targetOf,
} from '../../src/incident/actions.ts';
import type { Evidence } from '../../src/incident/report.ts';

const told = (evidence: Evidence | null, subject: Told['subject'] = null): Told => ({ evidence, subject });
/** `type:id`, or why there is none. */
const find = (action: ActionName, path: string | null, report: Told) => {
  const found = targetOf(action, path, report);
  return 'missing' in found ? found.missing : targetName(found);
};

describe('the actions', () => {
  it.each<[ActionName, string, string, string | null, string | null, string]>([
    ['freeze_agent', 'agent', 'agent:*', 'unfreeze', 'freeze', 'held'],
    ['disable_airlock', 'airlock', 'airlock:*', 'enable', 'disable', 'held'],
    ['force_vault_relock', 'vault', 'vault:*', null, 'relock', 'held'],
    ['quarantine_model', 'registry', 'model:unknown', null, 'quarantine', 'held'],
    ['log_alert', 'recorder', 'host:*', null, null, 'held'],
    ['block_ip', 'firewall', 'the report has no subject', 'unblock', null, 'free'],
    ['rate_limit', 'gateway', 'the report has no subject', 'lift', null, 'free'],
    ['terminate_session', 'gateway', 'the report has no subject', null, null, 'free'],
    ['suspend_user', 'identity', 'the report has no subject', 'unsuspend', null, 'free'],
  ])('%s is done by the %s, to %s, and undone by %s; to SecAI_OS it is %s; safe is %s', (name, doneBy, target, release, secai, safe) => {
    const row = rowOf(name);
    expect(row).toMatchObject({ done_by: doneBy, release, secai, safe });
    expect(find(name, null, told(null))).toBe(target);
    expect(row.effect).not.toBe('');
  });

  it('are those nine, and what fails safe as held has a target whatever the evidence says', () => {
    expect(ACTION_NAMES).toHaveLength(9);
    for (const name of ACTION_NAMES) {
      for (const evidence of [null, {}, { model_path: null }, { model_path: { a: 1 } }, { agent: 'x', vault: 'y' }]) {
        const found = targetOf(name, null, told(evidence));
        expect('missing' in found).toBe(rowOf(name).safe === 'free');
        if ('missing' in found) continue;
        expect(TARGET_TYPES).toContain(found.type);
        expect(found.id).toMatch(/^(\*|unknown)$/);
      }
    }
  });

  it('have parameters whose defaults lie within what they may be', () => {
    expect(Object.entries(ACTIONS).flatMap(([name, { params }]) => (Object.keys(params).length > 0 ? [name] : []))).toEqual(['rate_limit']);
    expect(ACTIONS.rate_limit.params).toEqual({
      limit: { kind: 'count', min: 1, max: 1_000_000, default: 5 },
      window: { kind: 'duration', min: '1s', max: '1d', default: '120s' },
    });
  });

  it('are known by their own names only', () => {
    expect(['freeze_agent', 'toString', '__proto__', 'constructor', '', 'Freeze_agent'].filter(isAction)).toEqual(['freeze_agent']);
  });
});

describe('the model to quarantine', () => {
  it.each<[string, Evidence | null]>([
    ['/models/a.gguf', { model_path: '/models/a.gguf' }],
    ['/models/a.gguf', { model_path: '/models/a.gguf', violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { model_path: '', violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { model_path: 7, violation_0_path: '/models/b.gguf' }],
    ['/models/b.gguf', { model_path: '*', violation_0_path: '/models/b.gguf' }],
    ['unknown', { model_path: '*' }],
    ['unknown', { model_path: '', violation_0_path: '' }],
    ['unknown', { model_path: ['/models/a.gguf'] }],
    ['unknown', {}],
    ['unknown', null],
  ])('is %s when the evidence is %j', (id, evidence) => {
    expect(targetOf('quarantine_model', null, told(evidence))).toEqual({ type: 'model', id });
  });
});

describe('a target of the evidence', () => {
  const NOT_IP = 'evidence.src_ip is not the IP address of one host';
  it.each<[unknown, string]>([
    ['203.0.113.7', 'ip:203.0.113.7'],
    ['::ffff:203.0.113.7', 'ip:203.0.113.7'],
    ['2001:DB8:0:0::7', 'ip:2001:db8::7'],
    [null, 'the report has no evidence.src_ip'],
    ['', NOT_IP],
    ['10.0.0.0/8', NOT_IP],
    ['010.0.0.1', NOT_IP],
    ['127.1', NOT_IP],
    ['0x7f.1', NOT_IP],
    ['2130706433', NOT_IP],
    ['fe80::1%eth0', NOT_IP],
    ['203.0.113.7 ', NOT_IP],
    ['203.0.113.7\n', NOT_IP],
    ['203.0.113.7; rm -rf /', NOT_IP],
    ['localhost', NOT_IP],
    ['*', NOT_IP],
    ['0.0.0.0', NOT_IP],
    ['::', NOT_IP],
    ['224.0.0.1', NOT_IP],
    ['255.255.255.255', NOT_IP],
    ['::ffff:0.0.0.0', NOT_IP],
    [2_130_706_433, NOT_IP],
    [true, NOT_IP],
    [['203.0.113.7'], NOT_IP],
    [{ ip: '203.0.113.7' }, NOT_IP],
  ])('%j to block is %s', (src_ip, expected) => {
    expect(find('block_ip', 'evidence.src_ip', told({ src_ip } as Evidence))).toBe(expected);
  });

  it('is not there when the evidence is not, and is never what every object has', () => {
    expect(find('block_ip', 'evidence.src_ip', told(null))).toBe('the report has no evidence.src_ip');
    expect(find('suspend_user', 'evidence.constructor', told({ a: 1 }))).toBe('the report has no evidence.constructor');
    expect(find('suspend_user', 'evidence.toString', told({}))).toBe('the report has no evidence.toString');
  });

  it('has the key with all that stands behind the first dot, spaces too', () => {
    expect(find('suspend_user', 'evidence.user name', told({ 'user name': 'eve' }))).toBe('user:eve');
  });

  const NOT_USER = 'evidence.user is not the name of one user';
  it.each<[unknown, string]>([
    ['eve', 'user:eve'],
    ['  eve ', 'user:eve'],
    ['Eve O’Neil', 'user:Eve O’Neil'],
    ['x'.repeat(255), `user:${'x'.repeat(255)}`],
    ['x'.repeat(256), NOT_USER],
    ['   ', NOT_USER],
    ['*', NOT_USER],
    [' * ', NOT_USER],
    ['eve\nroot', NOT_USER],
    ['eve\u0000', NOT_USER],
    ['eve\u202e', NOT_USER],
    [7, NOT_USER],
    [['eve'], NOT_USER],
  ])('%j to suspend is %s', (user, expected) => {
    expect(find('suspend_user', 'evidence.user', told({ user } as Evidence))).toBe(expected);
  });

  it('may be the long path of a model, or the name of one agent', () => {
    expect(find('quarantine_model', 'evidence.path', told({ path: `/${'m'.repeat(4000)}` }))).toBe(`model:/${'m'.repeat(4000)}`);
    expect(find('quarantine_model', 'evidence.path', told({ path: 'm'.repeat(4097) }))).toContain('is not the name of one model');
    expect(find('quarantine_model', 'evidence.path', told({ model_path: '/models/a' }))).toBe('the report has no evidence.path');
    expect(find('freeze_agent', 'evidence.agent', told({ agent: 'planner-1' }))).toBe('agent:planner-1');
  });
});

describe('a target that is the subject', () => {
  it.each<[ActionName, Told['subject'], string]>([
    ['block_ip', { type: 'ip', id: '203.0.113.7' }, 'ip:203.0.113.7'],
    ['block_ip', { type: 'ip', id: '203.0.113.0/24' }, 'subject is not the IP address of one host'],
    ['block_ip', { type: 'IP', id: '203.0.113.7' }, 'the subject is not of type ip'],
    ['block_ip', { type: 'user', id: '203.0.113.7' }, 'the subject is not of type ip'],
    ['rate_limit', { type: 'ip', id: '::ffff:1.2.3.4' }, 'ip:1.2.3.4'],
    ['rate_limit', { type: 'user', id: 'eve' }, 'user:eve'],
    ['rate_limit', { type: 'session', id: 's-1' }, 'session:s-1'],
    ['rate_limit', { type: 'host', id: 'h' }, 'the subject is not of type ip or user or session'],
    ['rate_limit', { type: 'user', id: '*' }, 'subject is not the name of one user'],
    ['terminate_session', { type: 'session', id: 's-1' }, 'session:s-1'],
    ['suspend_user', { type: 'user', id: 'eve' }, 'user:eve'],
    ['suspend_user', { type: 'constructor', id: 'eve' }, 'the subject is not of type user'],
    ['freeze_agent', { type: 'agent', id: 'planner-1' }, 'agent:planner-1'],
    ['freeze_agent', { type: 'agent', id: '*' }, 'subject is not the name of one agent'],
    ['quarantine_model', { type: 'model', id: '/models/a' }, 'model:/models/a'],
    ['quarantine_model', null, 'the report has no subject'],
  ])('%s: %j is %s', (action, subject, expected) => {
    expect(find(action, 'subject', told({}, subject))).toBe(expected);
    if (rowOf(action).unless_told === 'subject') expect(find(action, null, told({}, subject))).toBe(expected);
  });
});
