// The layers of the sandbox, a row each: by whom it is seen, or at least said, whether it is in force.

import { hrtime } from 'node:process';
import { type Bounded, boundOf } from '../sandbox/bounds.ts';
import { JUDGED, type JudgedLayer, type Sight } from '../sandbox/in-force.ts';
import { type FromSomewhere, type Line, lineOf } from './doctor-line.ts';
import type { Process } from './doctor-process.ts';
import type { Properties } from './doctor-systemd.ts';

/** What there is to judge by; null, what there is not. */
export interface Evidence {
  readonly process: Process | null;
  /** The folders that it is to write. */
  readonly own: readonly string[];
  /** What the service sees of its own cage, by layer. */
  readonly service: ReadonlyMap<string, Sight> | null;
  readonly unit: Properties | null;
}

type Look = (evidence: Evidence) => FromSomewhere | null;

/** By the kernel where it tells us, else by the service, to which it tells the same. */
function judged(layer: JudgedLayer): Look {
  return ({ process, own, service }) => {
    const sight = process && JUDGED[layer]({ ...process, own });
    return sight ? { ...sight, from: 'seen in /proc' } : ownWord(layer, service);
  };
}

/** What only the service itself can find out. */
function tried(layer: string): Look {
  return ({ service }) => ownWord(layer, service);
}

function ownWord(layer: string, service: Evidence['service']): FromSomewhere | null {
  const sight = service?.get(layer);
  return sight ? { ...sight, from: 'seen by the service' } : null;
}

function compared(look: (process: Process) => Sight | null): Look {
  return ({ process }) => {
    const sight = process && look(process);
    return sight && { ...sight, from: 'seen in /proc' };
  };
}

function said(property: string, isGood: (value: string) => boolean): Look {
  return ({ unit }) => {
    const value = unit?.get(property);
    const shown = value !== undefined && value.length > MAX_SAID ? `${value.slice(0, MAX_SAID)}…` : value;
    return value === undefined ? null : { in_force: isGood(value), seen: `${property}=${shown}`, from: 'said by systemd' };
  };
}
const MAX_SAID = 60;

function bounded(what: Exclude<Bounded, 'open_files'>): Look {
  return ({ process }) => {
    const value = process?.bounds?.[what] ?? null;
    return value === null ? null : { ...boundOf(what, value), from: 'seen in /sys' };
  };
}

const yes = (value: string) => value === 'yes';

const ROWS: readonly (readonly [layer: string, ...looks: readonly Look[]])[] = [
  ['user', judged('user'), said('DynamicUser', yes)],
  ['private_users', compared(({ isApart }) => apart(isApart('user'), 'users'))],
  ['capabilities', judged('capabilities')],
  ['no_new_privileges', judged('no_new_privileges')],
  ['seccomp_filters', judged('seccomp_filters'), said('SystemCallFilter', (calls) => !NONE.has(calls))],
  ['seccomp_profile', tried('seccomp_profile')],
  ['landlock_files', tried('landlock_files')],
  ['landlock_ports', tried('landlock_ports')],
  ['read_only_system', judged('read_only_system')],
  ['no_exec', judged('no_exec')],
  ['home', judged('home')],
  ['private_tmp', judged('private_tmp')],
  ['private_devices', compared(devicesOf)],
  ['other_processes', judged('other_processes')],
  ['made_code', judged('made_code'), said('MemoryDenyWriteExecute', yes)],
  ['jitless', judged('jitless')],
  ['network', networkOf],
  ['address_families', said('RestrictAddressFamilies', (families) => families.split(' ').every((each) => FAMILIES.has(each)))],
  ['memory', bounded('memory')],
  ['cpu', bounded('cpu')],
  ['tasks', bounded('tasks')],
  ['open_files', judged('open_files')],
  ['core_dumps', judged('core_dumps')],
  ['watchdog', watchdogOf],
  ['restart', restartOf],
];
/** As systemd words a list that denies nothing. */
const NONE = new Set(['', '~']);
const FAMILIES = new Set(['none', 'AF_UNIX', 'AF_INET']);

/** A line for each layer, in the order of the table. @param why what could not be told is not known */
export function layersOf(evidence: Evidence, why: string): Line[] {
  return ROWS.map(([layer, ...looks]) => {
    const sights = looks.flatMap((look) => look(evidence) ?? []);
    return lineOf(layer, sights.length > 0 ? sights : [{ in_force: null, seen: why, from: 'seen here' }]);
  });
}

function apart(is: boolean | null, what: string): Sight | null {
  return is === null ? null : { in_force: is, seen: is ? `a namespace of ${what} of its own` : `the ${what} of the host` };
}

function devicesOf({ mounts, host }: Process): Sight | null {
  if (!mounts) return null;
  const at = (all: Process['host']) => all.find(({ point }) => point === '/dev')?.device;
  const isOwn = at(mounts) !== undefined && at(mounts) !== at(host);
  return { in_force: isOwn, seen: isOwn ? '/dev is its own' : '/dev of the host' };
}

/** None at all, or none beyond this host. The filter of addresses lies in the kernel where only systemd put it: it cannot be looked at. */
function networkOf(evidence: Evidence): FromSomewhere | null {
  const { process, unit } = evidence;
  if (process?.isApart('net')) return { in_force: true, seen: 'a network of its own, without a way out', from: 'seen in /proc' };
  const none = ownWord('network', evidence.service);
  if (none?.in_force) return none;
  const [denied, allowed] = ['IPAddressDeny', 'IPAddressAllow'].map((name) => unit?.get(name));
  if (denied === undefined || allowed === undefined) return none;
  const hasAll = (networks: string) => ['0.0.0.0/0', '::/0'].every((network) => networks.split(' ').includes(network));
  return {
    in_force: hasAll(denied) && !hasAll(allowed),
    seen: `IPAddressDeny=${denied} but ${allowed || 'nothing'}`,
    from: 'said by systemd',
  };
}

/** When it last gave a sign of life is systemd's to know. */
function watchdogOf({ unit }: Evidence): FromSomewhere | null {
  const asked = unit?.get('WatchdogUSec');
  if (unit === null || asked === undefined) return null;
  const isAsked = asked !== '' && asked !== '0' && asked !== 'infinity';
  const at = Number(unit.get('WatchdogTimestampMonotonic') ?? 0);
  const ago = at > 0 ? `, the last one ${Math.max(0, Math.round(Number(hrtime.bigint() / 1000n - BigInt(at)) / 1e6))} s ago` : '';
  return {
    in_force: isAsked,
    seen: isAsked ? `a sign of life is asked for every ${asked}${ago}` : 'no sign of life is asked for',
    from: 'said by systemd',
  };
}

/** A configuration that is not good (78) is not mended by starting again. */
function restartOf({ unit }: Evidence): FromSomewhere | null {
  const [restart, never] = ['Restart', 'RestartPreventExitStatus'].map((name) => unit?.get(name));
  if (restart === undefined || never === undefined) return null;
  const in_force = restart === 'no' || never.split(' ').includes('78');
  return { in_force, seen: `Restart=${restart}, but not after ${never || 'any exit code'}`, from: 'said by systemd' };
}
