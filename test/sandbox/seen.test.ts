// How a process sees its own cage: free, behind the launcher, and behind a filter that would end it for a call too many.

import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLook } from '../../src/sandbox/seen.ts';
import { tryFiles, tryPort } from '../../src/sandbox/tried.ts';
import { ROOT } from '../support/program.ts';

const NODE = realpathSync(process.execPath);
const LAUNCHER = join(ROOT, 'dist/launch.js');
const LOOK = `
  const { createLook } = await import(${JSON.stringify(join(ROOT, 'dist/sandbox/seen.js'))});
  const layers = await createLook({ connect: [1], writes: [] })();
  console.log(JSON.stringify(Object.fromEntries(layers.map(({ layer, in_force }) => [layer, in_force]))));`;

/** What a process behind the launcher sees; null when it was not started, or ended. */
function behind(env: Record<string, string>): Record<string, boolean | null> | null {
  const command = [NODE, '--jitless', '--input-type=module', '--eval', LOOK];
  const { stdout, status } = spawnSync(NODE, ['--jitless', '--experimental-ffi', '--no-warnings', LAUNCHER, ...command], {
    env: { OPENSSL_CONF: '/dev/null', SANDBOX_READ: ROOT, ...env },
    encoding: 'utf8',
  });
  return status === 0 ? (JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, boolean | null>) : null;
}

const hasLandlock = behind({ SANDBOX_SECCOMP: 'off' }) !== null;
if (!hasLandlock) console.log('SKIPPED: how Landlock is seen needs a kernel that has it (Linux 5.13 or newer, lsm=landlock).');

describe('our own layers', () => {
  it('are not in force where there is no launcher', () => {
    const free = spawnSync(NODE, ['--input-type=module', '--eval', LOOK], { encoding: 'utf8' });
    expect(JSON.parse(free.stdout)).toMatchObject({
      ...{ seccomp_profile: false, landlock_files: false, landlock_ports: false, network: null, jitless: false },
    });
  });

  it('seccomp is seen for what it is', () => {
    expect(behind({ SANDBOX_LANDLOCK: 'off' })).toMatchObject({
      ...{ seccomp_profile: true, landlock_files: false, landlock_ports: false, no_new_privileges: true, jitless: true },
    });
  });

  it.skipIf(!hasLandlock)('Landlock is seen for what it is', () => {
    expect(behind({ SANDBOX_SECCOMP: 'off' })).toMatchObject({ seccomp_profile: false, landlock_files: true, landlock_ports: true });
  });

  it.skipIf(!hasLandlock)('to look takes no call that the profile does not name', () => {
    expect(behind({ SANDBOX_SECCOMP: 'kill' })).toMatchObject({ seccomp_profile: true, landlock_files: true, landlock_ports: true });
  });
});

describe('a try', () => {
  it('of a folder that its mode keeps from others says nothing of Landlock', () => {
    expect(tryFiles('/not/there')).toEqual({ in_force: null, seen: '/not/there cannot be looked at: ENOENT' });
  });

  it('of a port takes none that is allowed', async () => {
    expect((await tryPort([1, 2, 3])).ports).toEqual({ in_force: false, seen: 'connecting to port 4 of loopback: ECONNREFUSED' });
  });
});

describe('a look', () => {
  it('that is asked for while one is under way is the same, and afterwards another', async () => {
    const look = createLook({ connect: null, writes: [] });
    const [first, second] = [look(), look()];
    expect(second).toBe(first);
    await first;
    expect(look()).not.toBe(first);
  });
});
