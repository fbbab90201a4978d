// What the README says of the service, done as it stands there, on a host with systemd that has never seen a recorder.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GIVEN, bootBox } from './box.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');

it('the README installs a service that is sound', () => {
  const [, example = ''] = /<!-- example in a real systemd: service -->\n```sh\n([^]*?)```/.exec(README) ?? [];
  const [release = '', ...lines] = example.trim().split('\n');
  expect(release).toMatch(/^npm run release /); // it was made before these tests, on the machine that has the checkout
  using box = bootBox();
  box.sh(`mkdir -p /root/there/release && ln -s ${GIVEN}/incident-recorder-*.tar.gz /root/there/release/`);
  const commands = lines.map((line) => line.replace(/^sudo /, ''));
  expect(commands).toHaveLength(3);
  const told = box.sh(`cd /root/there && set -e\n${commands.join('\n')}`);
  expect(told).toContain('incident-recorder.service is active, and answers');
  expect(told).toContain('ok');
});
