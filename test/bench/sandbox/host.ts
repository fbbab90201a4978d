// A host to measure on: a systemd of its own with the release installed in it, and beside the shipped service what it is compared with.

import { mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Box, GIVEN, bootBox } from '../../sandboxed/box.ts';
import { makeGiven } from '../../sandboxed/given.ts';
import { SERVICE_TOKEN } from '../../support/house.ts';
import { type Generator, startGenerator } from '../generator.ts';
import { type Service, serviceIn } from './service.ts';

export interface Host {
  readonly box: Box;
  readonly generator: Generator;
  /** By the unit as it is shipped, to the letter. */
  readonly shipped: Service;
  /** By the same unit without its CPUQuota, in another folder and on another port. */
  readonly lifted: Service;
  /** By the same unit, with a server in the service's place that does nothing but answer. */
  readonly bare: Service;
}

const UNIT = '/usr/lib/systemd/system/incident-recorder.service';
const RUNTIME = '/run/systemd/system';
const TMPFS = 0x01_02_19_94;

/** All of it goes with the scope. Nothing is started. */
export function openHost(scope: AsyncDisposableStack): Host {
  const given = scope.use(makeGiven('test/bench/yardsticks'));
  const disk = mkdtempSync(join(tmpdir(), 'recorder-disk-'));
  scope.defer(() => rmSync(disk, { recursive: true, force: true }));
  if (statfsSync(disk).type === TMPFS) throw new Error(`${disk} is memory: set TMPDIR to a folder of a disk`);
  const box = scope.use(bootBox({ mount: given.folder, disk }));
  // The installer keeps a token that is there.
  mkdirSync(box.at('/etc/secure-ai'), { mode: 0o755 });
  mkdirSync(box.at('/etc/secure-ai/credentials'), { mode: 0o700 });
  box.write('/etc/secure-ai/credentials/service-token', SERVICE_TOKEN, 0o600);
  box.sh(`sh ${GIVEN}/release/install.sh --no-start`);

  const copy = (name: string, port: number, settings: readonly string[], edit = (unit: string) => unit) => {
    const folder = `${name}/logs`;
    const own = [
      ...[`Environment=BIND_ADDR=127.0.0.1:${port} PORT=${port}`, 'SocketBindAllow=', `SocketBindAllow=ipv4:tcp:${port}`],
      ...['StateDirectory=', `StateDirectory=${folder}`, `Environment=SANDBOX_WRITE=/var/lib/${folder}`],
      `Environment=AUDIT_LOG_PATH=/var/lib/${folder}/incident-recorder-audit.jsonl`,
    ];
    box.write(`${RUNTIME}/${name}.service`, edit(box.read(UNIT)));
    box.write(`${RUNTIME}/${name}.service.d/10-own.conf`, ['[Service]', ...own, ...settings, ''].join('\n'));
    return serviceIn(box, { name, port, state: `/var/lib/private/${name}` });
  };
  const lifted = copy('lifted', 8516, ['CPUQuota=']);
  // It does not say when it is ready, nor that it lives.
  const silent = ['Type=exec', 'WatchdogSec=0', `Environment="SANDBOX_READ=/usr/lib/incident-recorder ${GIVEN}"`];
  const bare = copy('bare', 8517, silent, (unit) => unit.replace(/^ {2}\S+\/main\.js$/m, `  ${GIVEN}/yardsticks/node-http.mjs`));
  box.run('systemctl', 'daemon-reload');
  return {
    ...{ box, lifted, bare, generator: scope.use(startGenerator(box.network)) },
    shipped: serviceIn(box, { name: 'incident-recorder', port: 8515, state: '/var/lib/private/secure-ai' }),
  };
}

/** What is in force around the shipped service while it runs, in a line. @throws Error when that is not what the unit says */
export function layersOf({ box, shipped }: Host): string {
  const show = (property: string) => box.sh(`systemctl show ${shipped.name} -P ${property}`).trim();
  const status = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(box.sh(`cat /proc/${show('MainPID')}/status`))?.[1] ?? '';
  const told = box.sh(`journalctl -u ${shipped.name} -o cat | grep '"message":"sandbox"' | tail -n 1`);
  const { landlock, seccomp } = JSON.parse(told.slice(told.indexOf('{'))) as { landlock: unknown; seccomp: unknown };
  const found = {
    CPUQuota: `${Number.parseFloat(show('CPUQuotaPerSecUSec')) / 10} %`,
    MemoryMax: `${Number(show('MemoryMax')) / 2 ** 20} M`,
    DropIns: show('DropInPaths') || 'none',
    Landlock: `version ${String(landlock)}`,
    seccomp: `${String(seccomp)}, ${status('Seccomp_filters')} filters`,
    capabilities: Number.parseInt(status('CapBnd'), 16) === 0 ? 'none' : status('CapBnd'),
  };
  if (found.CPUQuota !== '10 %' || found.MemoryMax !== '128 M' || found.DropIns !== 'none' || seccomp !== 'required')
    throw new Error(`the shipped unit is not in force: ${JSON.stringify(found)}`);
  return Object.entries(found)
    .map(([name, value]) => `${name} ${value}`)
    .join(' · ');
}
