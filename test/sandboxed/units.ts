// The shipped unit as lines, and small units made of some of them: what a layer does by itself.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Box } from './box.ts';

const UNIT = join(import.meta.dirname, '../../systemd/incident-recorder.service');
export const NODE = '/usr/lib/incident-recorder/bin/node';

/** Its settings in [Service], each a line, whole. */
const SETTINGS: readonly string[] = (readFileSync(UNIT, 'utf8').split('[Service]\n')[1] ?? '')
  .replaceAll('\\\n', '')
  .split('\n')
  .filter((line) => /^[A-Z]\w+=/.test(line));

/** The lines that set these. @throws when the unit does not set one of them */
export function linesOf(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const lines = SETTINGS.filter((line) => line.startsWith(`${name}=`));
    if (lines.length === 0) throw new Error(`the unit does not set ${name}`);
    return lines;
  });
}

export interface Probed {
  /** What the program printed: `ok`, or the code of an error; empty when it was ended before. */
  readonly told: string;
  /** What systemd says became of it, such as `success`, `signal`, `oom-kill`. */
  readonly result: string;
  /** CPU time, in milliseconds. */
  readonly cpu_ms: number;
}

let units = 0;

/** Runs the probe as a service of these settings alone. */
export function probe(
  box: Box,
  settings: readonly string[],
  what: string,
  flags: readonly string[] = [],
  through: readonly string[] = [],
): Probed {
  units += 1;
  const name = `probe-${units}`;
  const command = [...through, NODE, ...flags, '/opt/given/inside/probe.mjs', ...what.split(' ').map((word) => word.replaceAll('_', ' '))];
  const words = command.map((word) => (word.includes(' ') ? `"${word}"` : word)).join(' ');
  const unit = [
    '[Service]',
    'Type=oneshot',
    'RemainAfterExit=yes',
    'Environment=OPENSSL_CONF=/dev/null',
    `StandardOutput=truncate:/run/${name}.out`,
    ...settings,
  ];
  box.write(`/run/systemd/system/${name}.service`, [...unit, `ExecStart=${words}`, ''].join('\n'));
  box.run('systemctl', 'daemon-reload');
  box.run('systemctl', 'start', name);
  const result = box.sh(`systemctl show ${name} -P Result`).trim();
  box.run('systemctl', 'stop', name);
  box.run('systemctl', 'reset-failed', name);
  const [, told = '', cpu = '0'] = /^probed: (.*) in (\d+) ms$/m.exec(box.read(`/run/${name}.out`)) ?? [];
  return { told, result, cpu_ms: Number(cpu) };
}
