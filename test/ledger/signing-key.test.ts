// The key that will sign checkpoints, from the first start on: made, shown, changed, refused.
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newKeyPem, readKey } from '../../src/audit/key.ts';
import { openSigningKey } from '../../src/ledger/signing-key.ts';
import { openTestHouse } from '../support/house.ts';
import { runToEnd, startProgram } from '../support/program.ts';
import { verifyLog } from '../support/verify-log.mjs';

const ORIGIN = 'test/incident-recorder';

describe('at the first start', () => {
  it('a key is made for its owner only, and its public half is printed and stands in record 1', async () => {
    await using house = await openTestHouse();
    const path = join(house.dir, 'checkpoint.key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { verifierKey } = readKey(ORIGIN, readFileSync(path, 'utf8'));
    const [first] = house.records();
    expect(first).toMatchObject({ seq: 1, type: 'log.opened', id: null, actor: 'recorder', prev: '0'.repeat(64) });
    expect(first?.data).toEqual({
      origin: ORIGIN,
      instance: expect.stringMatching(/^[0-9a-f]{32}$/),
      public_key: verifierKey,
      software: expect.stringMatching(/\d+\.\d+\.\d+/),
    });
    expect(house.logged.find(({ message }) => message === 'listening')).toMatchObject({ key: verifierKey });
    expect(JSON.stringify([house.logged, house.records()])).not.toContain('PRIVATE KEY');
    expect(readdirSync(house.dir).filter((name) => name.startsWith('checkpoint'))).toEqual(['checkpoint.key']);
  });

  it('a key that is there already is used, and the instance is another one each time', async () => {
    const pem = newKeyPem();
    const instances: unknown[] = [];
    for (let i = 0; i < 2; i += 1) {
      const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
      writeFileSync(join(dir, 'key'), pem, { mode: 0o600 });
      await using house = await openTestHouse({ env: { CHECKPOINT_KEY_PATH: join(dir, 'key') } });
      expect(house.records()[0]?.data['public_key']).toBe(readKey(ORIGIN, pem).verifierKey);
      instances.push(house.records()[0]?.data['instance']);
      rmSync(dir, { recursive: true, force: true });
    }
    expect(new Set(instances).size).toBe(2);
  });
});

describe('at a later start', () => {
  it('the same key changes nothing', async () => {
    await using house = await openTestHouse();
    await house.restart();
    const types = house.records().map(({ type }) => type);
    expect(types.filter((type) => type === 'log.opened')).toHaveLength(1);
    expect(types).not.toContain('key.changed');
    expect(types).not.toContain('incident.reported');
  });

  it('a key that is gone beside a store that is not empty is made anew, told of by key.changed, and an incident of our own', async () => {
    await using house = await openTestHouse();
    const path = join(house.dir, 'checkpoint.key');
    const old = house.records()[0]?.data['public_key'];
    await house.close();
    rmSync(path);
    await house.restart();
    const { verifierKey } = readKey(ORIGIN, readFileSync(path, 'utf8'));
    expect(verifierKey).not.toBe(old);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(house.records().filter(({ type }) => type === 'key.changed')).toMatchObject([
      { actor: 'recorder', data: { old, new: verifierKey } },
    ]);
    const { body: found } = await house.get('/api/v1/incidents?source=incident-recorder').expect(200);
    expect(found).toMatchObject([
      { class: 'integrity_violation', state: 'open', containment_actions: [], evidence: { old_key: old, new_key: verifierKey } },
    ]);
    expect(verifyLog(join(house.dir, 'audit.jsonl'))).toMatchObject({ fault: null, torn: false });

    await house.restart();
    expect(house.records().filter(({ type }) => type === 'key.changed' || type === 'incident.reported')).toHaveLength(2);
    expect(house.records().filter(({ type }) => type === 'incident.joined')).toEqual([]);
  });

  it('a key that was put in the place of ours is told of in the same way', async () => {
    await using house = await openTestHouse();
    const old = house.records()[0]?.data['public_key'];
    await house.close();
    const pem = newKeyPem();
    writeFileSync(join(house.dir, 'checkpoint.key'), pem, { mode: 0o600 });
    await house.restart();
    expect(house.records().filter(({ type }) => type === 'key.changed')).toMatchObject([
      { data: { old, new: readKey(ORIGIN, pem).verifierKey } },
    ]);
    expect(house.records().filter(({ type }) => type === 'incident.reported')).toMatchObject([
      { data: { report: { class: 'integrity_violation' } } },
    ]);
  });
});

describe('a key file that is no good', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it.each([
    ['empty', '', 'is not a private key in PEM form'],
    ['words', 'no key\n', 'is not a private key in PEM form'],
    ['half written', newKeyPem().slice(0, 70), 'is not a private key in PEM form'],
    [
      'of another kind',
      generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
      'is a key of type rsa; it must be ed25519',
    ],
    ['too long', newKeyPem().padEnd(5000, '\n'), 'at most 4096'],
  ])('(%s) is refused by name, and never replaced', (_, text, why) => {
    const path = join(dir, 'key');
    writeFileSync(path, text, { mode: 0o600 });
    expect(() => openSigningKey(path, ORIGIN)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining(why) as string }),
    );
    expect(() => openSigningKey(path, ORIGIN)).toThrow(path);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('because everyone can read it is refused', () => {
    const path = join(dir, 'key');
    writeFileSync(path, newKeyPem());
    chmodSync(path, 0o644);
    expect(() => openSigningKey(path, ORIGIN)).toThrow('readable by everyone');
  });

  it('is a refusal of the program to start, with exit code 78, and what was kept stays as it is', async () => {
    const program = await startProgram({ dir });
    await program.end('SIGTERM');
    const log = readFileSync(program.auditPath);
    writeFileSync(join(dir, 'checkpoint.key'), 'no key\n', { mode: 0o600 });
    const { code, output } = await runToEnd({
      ...{
        BIND_ADDR: '127.0.0.1:0',
        AUDIT_LOG_PATH: program.auditPath,
        SERVICE_TOKEN_PATH: join(dir, 'service-token'),
        CONTAINMENT_POLICY_PATH: join(dir, 'none'),
      },
    });
    expect(code).toBe(78);
    expect(output).toContain('checkpoint.key: is not a private key in PEM form');
    expect(readFileSync(program.auditPath)).toEqual(log);
  });
});
