// The host that the service runs on: its Node, its clock, the room on its disk.

import { statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { SOFTWARE } from '../version.ts';
import { type FromSomewhere, type Line, line, lineOf } from './doctor-line.ts';
import type { Process } from './doctor-process.ts';
import type { Answers } from './doctor-answers.ts';
import type { Properties } from './doctor-systemd.ts';

const OLDEST_NODE = 26;
/** A record is made after the clock was read; it is read here after that. Time may have been set back a little meanwhile. */
const AHEAD_MS = 2_000;
const LEAST_BYTES = 256 * 1024 * 1024;
const LEAST_FILES = 1_000;

export function nodeLine(process: Pick<Process, 'exe'> | null, cage: Answers['cage']): Line {
  const ours = globalThis.process.versions.node;
  const sights: FromSomewhere[] = [];
  if (cage) {
    const isSame = cage.node === ours;
    const isNew = Number.parseInt(cage.node, 10) >= OLDEST_NODE;
    const seen = isNew
      ? `Node ${cage.node}${isSame ? '' : `, not that of this command (${ours})`}`
      : `Node ${cage.node}; ${OLDEST_NODE} or newer is needed`;
    sights.push({ in_force: isNew && isSame, seen, from: 'said by the service' });
    if (cage.software !== SOFTWARE)
      sights.push({
        in_force: false,
        seen: `it is ${cage.software}, and this command of ${SOFTWARE}: restart it`,
        from: 'said by the service',
      });
  }
  if (process?.exe) {
    const { path, isOurs } = process.exe;
    const seen = isOurs
      ? path
      : path.endsWith(' (deleted)')
        ? `${path}: it runs on from a release that was replaced: restart it`
        : `${path}, not the Node of this command`;
    sights.push({ in_force: isOurs, seen, from: 'seen in /proc' });
  }
  return lineOf(
    'node',
    sights.length > 0 ? sights : [{ in_force: null, seen: 'nobody says on which Node the service runs', from: 'seen here' }],
  );
}

/**
 * @param clock of timedatectl
 * @param newest when the newest record was made
 * @param program a file that was written when this release was made or installed
 */
export function clockLine(clock: Properties | null, newest: Date | null, program: string, now = new Date()): Line {
  const sights: FromSomewhere[] = [ntpOf(clock)];
  if (newest && newest.getTime() > now.getTime() + AHEAD_MS)
    sights.push({
      in_force: false,
      seen: `it is ${now.toISOString()}, and the newest record of ${newest.toISOString()}`,
      from: 'seen on the disk',
    });
  const made = statSync(program).mtime;
  if (made > now)
    sights.push({
      in_force: false,
      seen: `it is ${now.toISOString()}, and this program of ${made.toISOString()}`,
      from: 'seen on the disk',
    });
  else sights.push({ in_force: true, seen: 'neither this program nor a record is of the future', from: 'seen on the disk' });
  return lineOf('clock', sights);
}

/** What nobody is asked to set may still be right. */
function ntpOf(clock: Properties | null): FromSomewhere {
  const said = (in_force: boolean | null, seen: string): FromSomewhere => ({ in_force, seen, from: 'said by systemd' });
  if (!clock) return { in_force: null, seen: 'nobody says whether it is synchronised', from: 'seen here' };
  if (clock.get('NTPSynchronized') === 'yes') return said(true, 'NTPSynchronized=yes');
  if (clock.get('NTP') === 'yes') return said(false, 'NTP is to set it, and it is not synchronised');
  return said(null, 'not synchronised by NTP, which does not run here');
}

/** Of the file systems that log and database lie on. */
export function diskLine(files: readonly string[]): Line {
  const folders = [...new Set(files.map((file) => dirname(file)))];
  const lines = folders.map((folder): FromSomewhere => {
    try {
      const { bavail, bsize, ffree, files: all } = statfsSync(folder);
      const bytes = bavail * bsize;
      const isShort = bytes < LEAST_BYTES || (all > 0 && ffree < LEAST_FILES);
      const seen = `${folder}: ${Math.floor(bytes / 2 ** 20)} MiB and ${all > 0 ? `${ffree} files` : 'any number of files'} are free`;
      return { in_force: !isShort, seen, from: 'seen on the disk' };
    } catch (error) {
      return {
        in_force: null,
        seen: `${folder}: cannot be looked at (${(error as NodeJS.ErrnoException).code})`,
        from: 'seen on the disk',
      };
    }
  });
  return lineOf('disk', lines);
}

/** What systemd says of the unit as a whole. */
export function unitLine(unit: string, properties: Properties | null): Line {
  if (!properties) return line('unit', 'unknown', `${unit}: there is no systemd that could be asked`, 'seen here');
  const [loaded, active, result] = ['LoadState', 'ActiveState', 'Result'].map((name) => properties.get(name) ?? '');
  if (loaded !== 'loaded') return line('unit', 'WRONG', `${unit} is ${loaded}`, 'said by systemd');
  if (active !== 'active') return line('unit', 'WRONG', `${unit} is ${active} (${result})`, 'said by systemd');
  const reload = properties.get('NeedDaemonReload') === 'yes' ? '; its files have changed since: systemctl daemon-reload' : '';
  return line('unit', reload ? 'WRONG' : 'ok', `${unit} is active, process ${properties.get('MainPID')}${reload}`, 'said by systemd');
}
