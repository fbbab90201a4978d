// The installer, into a folder instead of a host: what it refuses, what a dry run leaves alone, and what it takes away again.

import { appendFileSync, chmodSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CREDENTIALS, LIB, LOGS, UNITS, openHost } from '../support/install-root.ts';
import { install, writeRelease, writeSums } from '../support/release.ts';

describe('a dry run', () => {
  it.each([[[]], [['--socket']], [['--uninstall']]])('with %j changes nothing, and says what would be done', (options) => {
    using host = openHost();
    const first = host.install('--dry-run', ...options);
    expect(host.tree()).toEqual({});
    host.install();
    const before = host.tree();
    const next = writeRelease(join(host.folder.path, 'next'), { version: '1.1.0' });
    const second = host.installOf(next, '--dry-run', ...options);
    expect(host.tree()).toEqual(before);
    for (const { code, output } of [first, second]) {
      expect(code).toBe(0);
      expect(output).toContain('a dry run');
    }
    expect(second.output).toContain(options[0] === '--uninstall' ? 'remove' : 'install 1.1.0 to');
  });
});

describe('what is refused, with nothing changed', () => {
  const damage: [string, string, (release: string) => void][] = [
    ['a file that is not what was made', 'lib/main.js: FAILED', (release) => appendFileSync(join(release, 'lib/main.js'), ' ')],
    ['a file that is missing', 'lists other files than there are', (release) => rmSync(join(release, 'lib/main.js'))],
    ['a file that is not listed', 'lists other files than there are', (release) => writeFileSync(join(release, 'lib/more.js'), '')],
    ['a link', 'holds what no release does', (release) => symlinkSync('/etc/passwd', join(release, 'lib/link'))],
    ['a folder that is no release', 'this is to be run as', (release) => rmSync(join(release, 'VERSION'))],
    ['a Node that does not run', 'Node does not run here', (release) => breakNode(release, 'echo no >&2; exit 1')],
    [
      'a Node without libatomic',
      'apt-get install libatomic1',
      (release) => breakNode(release, 'echo "libatomic.so.1: cannot open" >&2; exit 127'),
    ],
    ['a glibc that is too old', 'glibc 2.34 or newer', (release) => breakNode(release, 'echo "version GLIBC_2.34 not found" >&2; exit 1')],
  ];
  it.each(damage)('%s', (_, sentence, spoil) => {
    using host = openHost();
    host.install();
    const before = host.tree();
    const next = writeRelease(join(host.folder.path, 'next'), { version: '1.1.0' });
    spoil(next);
    const { code, errors } = host.installOf(next);
    expect(code).toBe(1);
    expect(errors).toContain(sentence);
    expect(errors).toContain('Nothing was changed.');
    expect(errors.trim().split('\n')).toHaveLength(1);
    expect(host.tree()).toEqual(before);
  });

  it('a release for another machine', () => {
    using host = openHost();
    const platform = process.arch === 'x64' ? 'linux-arm64' : 'linux-x64';
    const other = writeRelease(join(host.folder.path, 'other'), { platform });
    expect(host.installOf(other)).toMatchObject({ code: 1, errors: expect.stringContaining(`this release is made for ${platform}`) });
    expect(host.tree()).toEqual({});
  });

  it('a root that is not there, and an option that nobody knows', () => {
    using host = openHost();
    expect(install(host.release, '--root', join(host.root, 'nowhere'))).toMatchObject({
      code: 1,
      errors: expect.stringContaining('no such folder'),
    });
    expect(host.install('--force')).toMatchObject({ code: 2, errors: expect.stringContaining('--force is no option') });
    expect(host.install('--help')).toMatchObject({ code: 0, output: expect.stringContaining('--uninstall') });
    expect(host.tree()).toEqual({});
  });
});

describe('uninstalling', () => {
  it('removes what was installed and nothing else: policy, credentials and the log stay', () => {
    using host = openHost();
    host.write(`${LOGS}/incident-recorder-audit.jsonl`, 'a log\n');
    host.write(`${UNITS}/other.service`, '[Service]\n');
    host.install('--socket');
    const before = host.tree();
    const { code, output } = host.install('--uninstall');
    expect(code).toBe(0);
    expect(output).toContain(`rm -rf ${join(host.root, CREDENTIALS)}/service-token`);
    const left = host.tree();
    const gone = Object.keys(before).filter((path) => !(path in left));
    expect(gone.filter((path) => !path.includes('incident-recorder'))).toEqual([]);
    expect(Object.keys(left).filter((path) => path.startsWith('usr/') && path.includes('incident-recorder'))).toEqual([]);
    for (const path of Object.keys(before).filter((each) => /^(etc|var)/.test(each))) expect(left[path], path).toEqual(before[path]);
    expect(left[`${UNITS}/other.service`]).toEqual(before[`${UNITS}/other.service`]);
  });

  it('leaves what was changed or added since', () => {
    using host = openHost();
    host.install('--socket');
    appendFileSync(join(host.root, UNITS, 'incident-recorder.service'), '# mine\n');
    host.write(`${UNITS}/incident-recorder.service.d/mine.conf`, '[Service]\n');
    const { code, output } = host.install('--uninstall');
    expect(code).toBe(0);
    expect(output).toContain('incident-recorder.service is not what was installed, and stays');
    expect(host.has(`${UNITS}/incident-recorder.service`)).toBe(true);
    expect(host.has(`${UNITS}/incident-recorder.service.d/mine.conf`)).toBe(true);
    expect(host.has(`${UNITS}/incident-recorder.service.d/socket-activated.conf`)).toBe(false);
  });

  it('goes from the installed release alone, and has nothing to do the second time', () => {
    using host = openHost();
    host.install();
    expect(host.installOf(join(host.root, LIB), '--uninstall').code).toBe(0);
    const before = host.tree();
    expect(host.install('--uninstall')).toMatchObject({ code: 0, output: expect.stringContaining('no release is installed') });
    expect(host.tree()).toEqual(before);
  });
});

function breakNode(release: string, script: string): void {
  writeFileSync(join(release, 'bin/node'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(release, 'bin/node'), 0o755);
  writeSums(release);
}
