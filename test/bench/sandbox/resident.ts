// The memory of the shipped service by its cgroup, from its start to the end of all load.

import { type Findings, count, mb, table } from '../findings.ts';
import { peakBytes } from '../command.ts';
import { residentBytes } from '../../support/program.ts';
import type { Memory } from './cgroup.ts';
import type { Service } from './service.ts';

const MOST_BYTES = 90e6;
const LOOK_MS = 100;

export interface Watch extends Disposable {
  /** Notes what there is now, as a row of the table. */
  note(when: string): void;
  /** Ends it. */
  findings(): Findings;
}

/** Looks often, since the kernel keeps the peak of all that is charged only, not of what cannot be freed. */
export function watchMemory({ cgroup }: Service): Watch {
  const rows: (string | number)[][] = [];
  let most = 0;
  const held = ({ anonymous, kernel }: Memory) => anonymous + kernel;
  const look = () => (most = Math.max(most, held(cgroup.memory())));
  const timer = setInterval(look, LOOK_MS);
  return {
    note(when) {
      look();
      const { charged, peak, anonymous, file, kernel } = cgroup.memory();
      const pid = cgroup.pid() ?? 0;
      rows.push([when, ...[anonymous, kernel, file, charged, peak, residentBytes(pid), peakBytes(pid)].map(mb), count(cgroup.limitMet())]);
    },
    findings() {
      look();
      clearInterval(timer);
      const { peak } = cgroup.memory();
      const head = [
        'memory by the cgroup',
        'anonymous',
        'kernel',
        'page cache',
        'charged',
        'peak',
        'resident',
        'most resident',
        'limit met',
      ];
      return {
        text: table(head, rows),
        aims: [
          { what: `peak of anonymous and kernel memory ≤ ${mb(MOST_BYTES)}`, measured: mb(most), met: most <= MOST_BYTES },
          { what: `peak of all that is charged, page cache as well ≤ ${mb(MOST_BYTES)}`, measured: mb(peak), met: peak <= MOST_BYTES },
        ],
        errors: [],
      };
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
