// The units and their README: every setting is explained, and what is explained is set.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FLAGS, ROOT } from '../support/program.ts';

const read = (name: string) => readFileSync(join(ROOT, 'systemd', name), 'utf8');
const README = read('README.md');
const settingsOf = (name: string) => [...new Set([...read(name).matchAll(/^([A-Z]\w+)=/gm)].map(([, setting = '']) => setting))];

/** What needs no word. */
const PLAIN = new Set([
  'Description',
  'Documentation',
  'After',
  'Requires',
  'WantedBy',
  'ExecStart',
  'Environment',
  'ListenStream',
  'Backlog',
  'FreeBind',
]);

describe.each(['incident-recorder.service', 'socket-activated.conf'])('%s', (unit) => {
  it.each(settingsOf(unit).filter((setting) => !PLAIN.has(setting)))('%s is explained in the README', (setting) => {
    expect(README).toMatch(new RegExp(`\`${setting}[=\`]`));
  });
});

it('what the README names of the unit is there', () => {
  const unit = read('incident-recorder.service');
  const named = [...README.matchAll(/`([A-Z][A-Za-z]+=[^`]*)`/g)].map(([, line = '']) => line);
  const ours = named.filter((line) => !/^(?:IPAddressAllow=|BindReadOnlyPaths=|PrivateNetwork=yes)$/.test(line));
  expect(ours.length).toBeGreaterThan(20);
  for (const line of ours) expect(unit).toContain(line);
});

it('the service is started with the flags that the tests and the bench run it with', () => {
  const command = /^ExecStart=([^]*?[^\\])\n/m.exec(read('incident-recorder.service'))?.[1] ?? '';
  const [, service = ''] = command.split('/lib/launch.js');
  for (const flag of FLAGS) expect(service).toContain(flag);
});
