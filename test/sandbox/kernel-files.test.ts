// The files of proc(5) as real kernels write them: what is read out of them, and what of the mounts can be reached.

import { describe, expect, it } from 'vitest';
import { limitsIn, mountsIn, statusIn, madeCodeIn } from '../../src/sandbox/kernel-files.ts';

const STATUS = `Name:	node-MainThread
Umask:	0027
Uid:	62467	62467	62467	62467
Gid:	62467	62467	62467	62467
CapInh:	0000000000000000
CapPrm:	0000000000000000
CapEff:	0000000000000000
CapBnd:	0000000000000001
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	35
`;

describe('a status', () => {
  it('tells user, capabilities, privileges and filters', () => {
    expect(statusIn(STATUS)).toEqual({
      uids: [62467, 62467, 62467, 62467],
      capabilities: new Map([
        ['CapInh', 0n],
        ['CapPrm', 0n],
        ['CapEff', 0n],
        ['CapBnd', 1n],
        ['CapAmb', 0n],
      ]),
      no_new_privileges: true,
      seccomp: 2,
      filters: 35,
    });
  });

  it('of an older kernel tells less, and of none nothing', () => {
    expect(statusIn(STATUS.replace(/Seccomp_filters.*\n/, ''))).toMatchObject({ seccomp: 2, filters: null });
    expect(statusIn('')).toEqual({ uids: [], capabilities: new Map(), no_new_privileges: null, seccomp: null, filters: null });
    expect(statusIn('Seccomp:	many\nNoNewPrivs:	0\n')).toMatchObject({ seccomp: null, no_new_privileges: false });
  });
});

describe('mounts', () => {
  const pointsOf = (...lines: string[]) => mountsIn(`${lines.join('\n')}\n`).map(({ point }) => point);

  it('are told with what they are of, and with their options', () => {
    expect(mountsIn('342 173 0:85 /sub / ro,nosuid,noexec,relatime shared:180 master:105 - overlay overlay rw,lowerdir=/\n')).toEqual([
      {
        ...{ device: '0:85', root: '/sub', point: '/', type: 'overlay' },
        ...{ options: ['ro', 'nosuid', 'noexec', 'relatime'], super_options: ['rw', 'lowerdir=/'] },
      },
    ]);
    expect(mountsIn('36 35 98:0 / /mnt/a\\040b\\134c rw - ext4 /dev/sda rw')[0]?.point).toBe('/mnt/a b\\c');
  });

  it('that another one lies over are left out, with all that lies below', () => {
    const root = '1 0 0:1 / / ro - ext4 /dev/vda rw';
    expect(pointsOf(root, '2 1 0:2 / /tmp rw - tmpfs tmpfs rw', '3 2 0:3 /private /tmp rw - tmpfs tmpfs rw')).toEqual(['/', '/tmp']);
    expect(
      pointsOf(
        root,
        '2 1 0:2 / /run ro - tmpfs tmpfs rw',
        '3 2 0:4 / /run/user/1000 rw - tmpfs tmpfs rw',
        '4 2 0:2 /nothing /run/user ro - tmpfs tmpfs rw',
        '5 2 0:5 / /run/user2 ro - tmpfs tmpfs rw',
      ),
    ).toEqual(['/', '/run', '/run/user', '/run/user2']);
    expect(
      pointsOf(
        root,
        '2 1 0:2 / /a rw - ext4 /dev/a rw',
        '3 2 0:3 / /a/b rw - ext4 /dev/b rw',
        '4 3 0:3 / /a/b/c rw - ext4 /dev/c rw',
        '5 2 0:4 / /a rw - tmpfs tmpfs rw',
      ),
    ).toEqual(['/', '/a']);
  });

  it('that are not told as they should be are passed over', () => {
    expect(pointsOf('', 'x', '1 2 3 - ', '1 0 0:1 / / ro - ext4')).toEqual(['/']);
  });
});

describe('limits', () => {
  it('have a soft and a hard value, which may be none', () => {
    const limits = limitsIn(`Limit                     Soft Limit           Hard Limit           Units     
Max core file size        0                    unlimited            bytes     
Max open files            512                  524288               files     
Max nice priority         0                    0                    
`);
    expect([...limits]).toEqual([
      ['Max core file size', { soft: 0, hard: Infinity }],
      ['Max open files', { soft: 512, hard: 524_288 }],
      ['Max nice priority', { soft: 0, hard: 0 }],
    ]);
  });
});

describe('maps', () => {
  it('show code that is made while it runs, and no other', () => {
    const made = [
      '7f774e800000-7f776e580000 rwxp 00000000 00:00 0 ',
      '7f774e800000-7f776e580000 r-xp 00000000 00:00 0 ',
      '7f774e800000-7f776e580000 rwxp 00000000 fe:00 1 /usr/bin/node',
      '7f774e800000-7f776e580000 r-xs 00000000 00:01 7 /memfd:x (deleted)',
      '7f774e800000-7f776e580000 --xp 00000000 00:00 0 [heap]',
    ];
    const others = [
      '0082e000-03489000 r-xp 0042e000 00:55 988                                /usr/lib/incident-recorder/bin/node',
      '0082e000-03489000 r-xp 0042e000 00:55 988                                /usr/lib/incident-recorder/bin/node (deleted)',
      '7fe191e1d000-7fe191e1f000 r-xp 00000000 00:00 0                          [vdso]',
      'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]',
      '7ffc00000000-7ffd00000000 rw-p 00000000 00:00 0 [stack]',
      '7ffe00000000-7fff00000000 r--p 00000000 fe:00 1 /a rwxp',
    ];
    expect(madeCodeIn([...others, ...made, ''].join('\n'))).toEqual(made);
  });
});
