// The lines of the layers: whose word counts for which, and what is left open where nobody has one.

import { describe, expect, it } from 'vitest';
import { type Evidence, layersOf } from '../../src/cli/doctor-layers.ts';
import { type Line, lineOf, tableOf } from '../../src/cli/doctor-line.ts';
import type { Process } from '../../src/cli/doctor-process.ts';
import { mountsIn, statusIn } from '../../src/sandbox/kernel-files.ts';

const NOTHING: Evidence = { process: null, own: [], service: null, unit: null };

function aProcess(more: Partial<Process> = {}): Process {
  return {
    ...{
      pid: 7,
      status: null,
      mounts: null,
      limits: null,
      maps: null,
      command: null,
      own: [],
      env: null,
      bounds: null,
      exe: null,
      host: [],
    },
    ...{ isApart: () => null },
    ...more,
  };
}
const lineIn = (evidence: Partial<Evidence>, layer: string): Line | undefined =>
  layersOf({ ...NOTHING, ...evidence }, 'nobody says').find(({ about }) => about === layer);

describe('a layer', () => {
  it('of which nobody has said anything is not known', () => {
    const lines = layersOf(NOTHING, 'nobody says');
    expect(lines).toHaveLength(25);
    expect(new Set(lines.map(({ word, seen }) => `${word}: ${seen}`))).toEqual(new Set(['unknown: nobody says']));
  });

  it('is what the kernel says of it, whatever the service does', () => {
    const service = new Map([['capabilities', { in_force: true, seen: 'none, says the service' }]]);
    const process = aProcess({ status: statusIn('CapEff:\t1\n') });
    expect(lineIn({ process, service }, 'capabilities')).toEqual({
      ...{ about: 'capabilities', word: 'WRONG', seen: 'CapEff 1', from: ['seen in /proc'] },
    });
    expect(lineIn({ process: aProcess(), service }, 'capabilities')).toMatchObject({ word: 'ok', from: ['seen by the service'] });
  });

  it('that is only said is not more than said, and a word that is worse counts', () => {
    const unit = new Map([['MemoryDenyWriteExecute', 'yes']]);
    expect(lineIn({ unit }, 'made_code')).toMatchObject({ word: 'ok', from: ['said by systemd'] });
    const process = aProcess({ maps: '1-2 rwxp 0 0:0 1 /a\n' });
    expect(lineIn({ unit, process }, 'made_code')).toMatchObject({ word: 'WRONG', from: ['seen in /proc', 'said by systemd'] });
    expect(lineIn({ unit: new Map([['MemoryDenyWriteExecute', 'no']]), process: aProcess({ maps: '' }) }, 'made_code')?.word).toBe('WRONG');
  });

  it.each<[string, Record<string, string>, Line['word']]>([
    ['network', { IPAddressDeny: '0.0.0.0/0 ::/0', IPAddressAllow: '127.0.0.0/8 ::1/128' }, 'ok'],
    ['network', { IPAddressDeny: '0.0.0.0/0 ::/0', IPAddressAllow: '' }, 'ok'],
    ['network', { IPAddressDeny: '0.0.0.0/0 ::/0', IPAddressAllow: '::/0 0.0.0.0/0' }, 'WRONG'],
    ['network', { IPAddressDeny: '10.0.0.0/8', IPAddressAllow: '' }, 'WRONG'],
    ['address_families', { RestrictAddressFamilies: 'AF_UNIX' }, 'ok'],
    ['address_families', { RestrictAddressFamilies: 'AF_UNIX AF_INET6' }, 'WRONG'],
    ['address_families', { RestrictAddressFamilies: '~AF_NETLINK' }, 'WRONG'],
    ['address_families', { RestrictAddressFamilies: '' }, 'WRONG'],
    ['seccomp_filters', { SystemCallFilter: 'read write' }, 'ok'],
    ['seccomp_filters', { SystemCallFilter: '~' }, 'WRONG'],
    ['watchdog', { WatchdogUSec: '30s', WatchdogTimestampMonotonic: '1' }, 'ok'],
    ['watchdog', { WatchdogUSec: '0' }, 'WRONG'],
    ['watchdog', { WatchdogUSec: 'infinity' }, 'WRONG'],
    ['restart', { Restart: 'on-failure', RestartPreventExitStatus: '70 78' }, 'ok'],
    ['restart', { Restart: 'always', RestartPreventExitStatus: '' }, 'WRONG'],
    ['restart', { Restart: 'no', RestartPreventExitStatus: '' }, 'ok'],
  ])('%s under %j is %s', (layer, unit, word) => {
    expect(lineIn({ unit: new Map(Object.entries(unit)) }, layer)?.word).toBe(word);
  });

  it('is seen where it can be, before it is said', () => {
    const unit = new Map([
      ['IPAddressDeny', ''],
      ['IPAddressAllow', ''],
    ]);
    expect(lineIn({ unit, process: aProcess({ isApart: () => true }) }, 'network')).toMatchObject({ word: 'ok', from: ['seen in /proc'] });
    const service = new Map([['network', { in_force: true, seen: 'no socket of IPv4 can be made' }]]);
    expect(lineIn({ unit, service }, 'network')).toMatchObject({ word: 'ok', from: ['seen by the service'] });
    expect(lineIn({ unit, process: aProcess({ isApart: () => false }) }, 'network')).toMatchObject({ word: 'WRONG' });
    const mounts = (device: string) => mountsIn(`1 0 0:1 / / ro - ext4 a rw\n2 1 ${device} / /dev rw - tmpfs tmpfs rw\n`);
    const devices = (host: string) => lineIn({ process: aProcess({ mounts: mounts('0:5'), host: mounts(host) }) }, 'private_devices')?.word;
    expect([devices('0:5'), devices('0:6')]).toEqual(['WRONG', 'ok']);
  });
});

describe('a line', () => {
  it('is wrong if anything in it is, and known if anything in it is', () => {
    const sight = (in_force: boolean | null) => ({ in_force, seen: String(in_force), from: 'seen in /proc' as const });
    const wordOf = (...sights: (boolean | null)[]) => lineOf('x', sights.map(sight)).word;
    expect([wordOf(true, null), wordOf(true, false), wordOf(null, false), wordOf(null, null)]).toEqual(['ok', 'WRONG', 'WRONG', 'unknown']);
    expect(lineOf('x', [sight(true), sight(null)])).toMatchObject({ seen: 'true; null', from: ['seen in /proc'] });
  });

  it('stands in columns', () => {
    const lines = [lineOf('a', []), lineOf('longer', [{ in_force: false, seen: 'this', from: 'seen in /sys' }])];
    expect(tableOf(lines)).toEqual(['unknown  a', 'WRONG    longer  seen in /sys  this']);
  });
});
