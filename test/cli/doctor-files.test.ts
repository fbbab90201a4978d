// Who may read and write the files of the service: each mode that is wrong is named, with what mends it.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FilesParts, permissionLines } from '../../src/cli/doctor-files.ts';

let dir = '';
let parts: FilesParts;
const at = (path: string) => join(dir, path);
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'files-'));
  for (const folder of ['secrets', 'policy', 'logs']) mkdirSync(at(folder), { mode: 0o700 });
  for (const file of ['token', 'secrets/agent.key', 'policy/policy.yaml']) writeFileSync(at(file), 'x', { mode: 0o600 });
  parts = {
    ...{ secrets: [at('token'), at('not-there')], folders: [at('secrets')], deciding: [at('policy/policy.yaml')] },
    ...{ kept: [at('logs/audit.jsonl'), at('logs/incidents.db')], uid: process.getuid?.() ?? 0, isInstalled: false },
  };
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const wrong = (more: Partial<FilesParts> = {}) =>
  permissionLines({ ...parts, ...more })
    .filter(({ word }) => word === 'WRONG')
    .map(({ seen }) => seen.replaceAll(dir, ''));

describe('permissions', () => {
  it('are good when nobody else has any', () => {
    expect(permissionLines(parts)).toEqual([
      { about: 'permissions', word: 'ok', seen: '6 files and folders are as they should be', from: ['seen on the disk'] },
    ]);
  });

  it.each([
    ['token', 0o640, '/token: others may open it (mode 0640): chmod go= /token'],
    ['token', 0o601, '/token: others may open it (mode 0601): chmod go= /token'],
    ['secrets', 0o755, '/secrets: others may open it (mode 0755): chmod go= /secrets'],
    ['secrets/agent.key', 0o604, '/secrets/agent.key: others may open it (mode 0604): chmod go= /secrets/agent.key'],
    ['policy/policy.yaml', 0o666, '/policy/policy.yaml: others may write it (mode 0666): chmod go-w /policy/policy.yaml'],
    ['policy', 0o777, '/policy: others may write it (mode 0777): chmod go-w /policy'],
    ['logs', 0o751, '/logs: everyone may open it (mode 0751): chmod o= /logs'],
  ])('of %s that are %o are named', (path, mode, seen) => {
    chmodSync(at(path), mode);
    expect(wrong()).toEqual([seen]);
  });

  it('of an installation leave nothing that decides to a group, nor to another owner than root', () => {
    chmodSync(at('policy/policy.yaml'), 0o664);
    expect(wrong()).toEqual([]);
    expect(wrong({ isInstalled: true })).toContain('/policy/policy.yaml: others may write it (mode 0664): chmod go-w /policy/policy.yaml');
  });

  it('of a folder of state are those of the service’s user', () => {
    expect(wrong({ uid: 62_467 })).toEqual([`/logs: it is of uid ${process.getuid?.()}, and the service of 62467`]);
    expect(wrong({ uid: null })).toEqual([]);
  });
});
