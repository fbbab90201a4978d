// What the unit may say of the sandbox, and that its README says the same.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SANDBOX_ENVIRONMENT, readSettings } from '../../src/sandbox/settings.ts';
import { refusalOf } from '../support/refusal.ts';

describe('the settings of the sandbox', () => {
  it('are: both layers, and nothing in reach, where nothing is said', () => {
    expect(readSettings({})).toEqual({ landlock: 'required', seccomp: 'required', read: [], write: [], connect: [] });
  });

  it('are read as systemd would write them', () => {
    expect(
      readSettings({ SANDBOX_READ: ' /a  -/b\t/c ', SANDBOX_WRITE: '/d', SANDBOX_CONNECT: '80 8490', SANDBOX_SECCOMP: 'kill' }),
    ).toEqual({
      landlock: 'required',
      seccomp: 'kill',
      read: [
        { path: '/a', optional: false },
        { path: '/b', optional: true },
        { path: '/c', optional: false },
      ],
      write: [{ path: '/d', optional: false }],
      connect: [80, 8490],
    });
  });

  it.each<[Record<string, string>, string]>([
    [{ SANDBOX_LANDLOCK: 'kill' }, 'SANDBOX_LANDLOCK is kill; it must be required or off'],
    [{ SANDBOX_SECCOMP: 'no' }, 'SANDBOX_SECCOMP is no; it must be required or kill or off'],
    [{ SANDBOX_WRITE: '-var' }, 'SANDBOX_WRITE holds -var, which is not an absolute path'],
    [{ SANDBOX_CONNECT: '0' }, 'SANDBOX_CONNECT holds 0, which is not a port from 1 to 65535'],
    [{ SANDBOX_CONNECT: '65536' }, 'SANDBOX_CONNECT holds 65536, which is not a port from 1 to 65535'],
  ])('are refused: %j', (env, told) => {
    const { code, message } = refusalOf(() => readSettings(env));
    expect(code).toBe('invalid_configuration');
    expect(message).toBe(told);
  });

  it('stand in systemd/README.md, each with its default', () => {
    const text = readFileSync(join(import.meta.dirname, '../../systemd/README.md'), 'utf8');
    for (const [name, fallback] of Object.entries(SANDBOX_ENVIRONMENT))
      expect(text).toContain(`| \`${name}\` | ${fallback === '' ? '–' : `\`${fallback}\``} |`);
  });
});
