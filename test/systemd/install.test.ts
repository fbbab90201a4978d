// The installer, into a folder instead of a host: what it puts where, and what it never touches.

import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { appendFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newKeyPem } from '../../src/audit/key.ts';
import { CREDENTIALS, LIB, LOGS, POLICY, UNITS, openHost } from '../support/install-root.ts';
import { treeBelow, writeRelease, writeSums } from '../support/release.ts';

const SELF = `${process.getuid?.()}:${process.getgid?.()}`;
const SERVED = {
  'usr/bin/incident-recorder': '0755',
  'usr/lib/tmpfiles.d/incident-recorder.conf': '0644',
  [`${UNITS}/incident-recorder.service`]: '0644',
};
const KEPT = { [`${CREDENTIALS}/service-token`]: '0600', [`${CREDENTIALS}/checkpoint.key`]: '0600', [POLICY]: '0644' };
const FOLDERS = {
  'etc/secure-ai': '0755',
  [CREDENTIALS]: '0700',
  [`${CREDENTIALS}/secrets`]: '0700',
  'etc/secure-ai/policy': '0755',
  [LIB]: '0755',
};

describe('a first installation', () => {
  it('puts each file in its place, with its mode, and root as its owner', () => {
    using host = openHost();
    expect(host.install()).toMatchObject({ code: 0, errors: '' });
    const tree = host.tree();
    const modes = Object.fromEntries(Object.entries(tree).map(([path, { mode }]) => [path, mode]));
    expect(modes).toMatchObject({ ...SERVED, ...KEPT, ...FOLDERS });
    const released = treeBelow(host.release);
    for (const [path, { sha256 }] of Object.entries(released)) {
      const program = path === 'bin/node' || path === 'install.sh';
      expect(tree[`${LIB}/${path}`], path).toEqual({ mode: sha256 === '' || program ? '0755' : '0644', owner: SELF, sha256 });
    }
    expect(new Set(Object.values(tree).map(({ owner }) => owner))).toEqual(new Set([SELF]));
    const files = Object.entries(tree).filter(([, { sha256 }]) => sha256 !== '');
    const others = files.map(([path]) => path).filter((path) => !path.startsWith(`${LIB}/`));
    expect(others.toSorted()).toEqual(Object.keys({ ...SERVED, ...KEPT }).toSorted());
  });

  it('makes a token of 64 hex digits and an Ed25519 key', () => {
    using host = openHost();
    host.install();
    expect(host.text(`${CREDENTIALS}/service-token`)).toMatch(/^[0-9a-f]{64}$/);
    expect(createPublicKey(host.text(`${CREDENTIALS}/checkpoint.key`)).asymmetricKeyType).toBe('ed25519');
  });

  it('gives the operator a command that runs the Node of the release, whatever the environment says of Node', () => {
    using host = openHost();
    host.install();
    const text = host
      .text('usr/bin/incident-recorder')
      .replaceAll('/usr/lib/', `${join(host.root, 'usr/lib').replaceAll(/[ '$]/g, '\\$&')}/`);
    const command = host.folder.file('command', text, 0o755);
    const env = { PATH: process.env['PATH'], NODE_OPTIONS: '--require=/nowhere.cjs' };
    const output = execFileSync(command, ['audit', 'two words'], { encoding: 'utf8', env });
    expect(output).toBe(`audit,two words ${join(host.root, LIB)}/cache\n`);
  });

  it('with --socket also puts the socket and what ties the service to it, and an upgrade without it keeps them', () => {
    using host = openHost();
    host.install('--socket');
    expect(host.tree()).toMatchObject({
      [`${UNITS}/incident-recorder.socket`]: { mode: '0644' },
      [`${UNITS}/incident-recorder.service.d/socket-activated.conf`]: { mode: '0644' },
    });
    const next = writeRelease(join(host.folder.path, 'next'), {
      version: '1.1.0',
      files: { 'systemd/incident-recorder.socket': '[Socket]\n# new\n' },
    });
    host.installOf(next);
    expect(host.text(`${UNITS}/incident-recorder.socket`)).toContain('# new');
  });
});

describe('what is there already', () => {
  it('is left as it is by a second run, which says so of each step', () => {
    using host = openHost();
    host.install();
    const before = host.tree();
    const { code, output } = host.install();
    expect(code).toBe(0);
    expect(host.tree()).toEqual(before);
    const said = output.trim().split('\n');
    expect(said.filter((line) => !/in place|already|one of this release|nothing was started/.test(line))).toEqual([]);
    expect(said.length).toBeGreaterThan(6);
  });

  it('keeps policy and credentials through an upgrade, which swaps all of the release', () => {
    using host = openHost();
    host.install();
    host.write(POLICY, 'version: 1\n# mine\n');
    const kept = [POLICY, `${CREDENTIALS}/service-token`, `${CREDENTIALS}/checkpoint.key`].map((path) => host.text(path));
    const next = writeRelease(join(host.folder.path, 'next'), { version: '1.1.0', files: { 'lib/new.js': '//\n' } });
    rmSync(join(next, 'lib/cli/verify.js'));
    writeSums(next);
    const { code, output } = host.installOf(next);
    expect(code).toBe(0);
    expect(output).toContain('install 1.1.0 to');
    expect(output).toContain('in place of 1.0.0');
    expect(output).toContain(`is your own and stays; the one of this release is ${join(host.root, LIB)}/policy/incident-containment.yaml`);
    expect([POLICY, `${CREDENTIALS}/service-token`, `${CREDENTIALS}/checkpoint.key`].map((path) => host.text(path))).toEqual(kept);
    expect(Object.keys(treeBelow(join(host.root, LIB)))).toEqual(Object.keys(treeBelow(next)));
    expect(host.text(`${LIB}/lib/main.js`)).toBe('// 1.1.0\n');
  });

  it('is mended when a file of the installed release is not what it was', () => {
    using host = openHost();
    host.install();
    const before = host.tree();
    appendFileSync(join(host.root, LIB, 'lib/main.js'), 'evil();');
    expect(host.install().output).toContain('install 1.0.0 to');
    expect(host.tree()).toEqual(before);
  });

  it.each(['etc/secure-ai', LOGS, 'var/lib/private/secure-ai/logs'])(
    'gives the key of an older installation in %s to the new one',
    (where) => {
      using host = openHost();
      const pem = newKeyPem();
      host.write(`${where}/checkpoint.key`, pem);
      expect(host.install().output).toContain(`over from ${join(host.root, where)}/checkpoint.key`);
      expect(host.tree()[`${CREDENTIALS}/checkpoint.key`]?.mode).toBe('0600');
      expect(host.text(`${CREDENTIALS}/checkpoint.key`)).toBe(pem);
      expect(host.text(`${where}/checkpoint.key`)).toBe(pem);
    },
  );

  it('leaves a token of the host in force, and makes no other', () => {
    using host = openHost();
    host.write('run/secure-ai/service-token', 'f'.repeat(64));
    const { code, output } = host.install();
    expect(code).toBe(0);
    expect(output).toContain('it stays in force');
    expect(host.has(`${CREDENTIALS}/service-token`)).toBe(false);
    expect(host.text('run/secure-ai/service-token')).toBe('f'.repeat(64));
  });

  it('replaces an installation by hand, and puts its unit aside, which would stand before the new one', () => {
    using host = openHost();
    host.write(`${LIB}/node`, 'node', 0o755);
    host.write(`${LIB}/dist/main.js`, '//');
    const unit = '[Service]\nExecStart=/usr/lib/incident-recorder/node --jitless /usr/lib/incident-recorder/dist/main.js\n';
    host.write('etc/systemd/system/incident-recorder.service', unit, 0o644);
    expect(host.install().code).toBe(0);
    expect(Object.keys(treeBelow(join(host.root, LIB)))).toEqual(Object.keys(treeBelow(host.release)));
    expect(host.has('etc/systemd/system/incident-recorder.service')).toBe(false);
    expect(host.text('etc/systemd/system/incident-recorder.service.by-hand')).toBe(unit);
  });

  it('left by a run that was interrupted is cleared up, wherever that ended', () => {
    using host = openHost();
    host.install();
    const whole = host.tree();
    host.write(`${LIB}.new/lib/main.js`, 'half');
    host.write(`${CREDENTIALS}/service-token.new`, 'half');
    renameSync(join(host.root, LIB), join(host.root, `${LIB}.old`));
    const { code, output } = host.install();
    expect(code).toBe(0);
    expect(output).toContain('put');
    expect(host.tree()).toEqual(whole);
    host.write(`${LIB}.old/lib/main.js`, 'old');
    host.install();
    expect(host.tree()).toEqual(whole);
  });

  it('and left anywhere by kill -9 is finished by the next run, with the credentials that were made', () => {
    using host = openHost();
    host.install();
    const next = writeRelease(join(host.folder.path, 'next'), { version: '1.1.0' });
    const began = performance.now();
    host.installOf(next);
    const took = performance.now() - began;
    const whole = host.tree();
    for (let i = 0; i < 12; i++) {
      const from = i % 2 === 0 ? host.release : next;
      const delay = (took * (0.3 + (0.7 * i) / 12)) / 1000;
      spawnSync('timeout', ['--signal=KILL', delay.toFixed(3), 'sh', join(from, 'install.sh'), '--root', host.root]);
      expect(host.installOf(next).code).toBe(0);
      expect(host.tree()).toEqual(whole);
    }
  });
});
