// `doctor` on a real host: all is in force after an installation; and of whatever is taken away or broken, exactly that is named.

import { openSync, readSync, closeSync, statSync, writeSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Box, type Ended, GIVEN, bootBox } from './box.ts';
import { NODE } from './units.ts';

const UNIT = 'incident-recorder';
const DROP_IN = `/run/systemd/system/${UNIT}.service.d/test.conf`;
const POLICY = '/etc/secure-ai/policy/incident-containment.yaml';
const LOG = '/var/lib/private/secure-ai/logs/incident-recorder-audit.jsonl';
const AGENT = '/run/secure-ai/agent.sock';

let box: Box;
let installed = '';
beforeAll(() => {
  box = bootBox();
  installed = box.sh(`sh ${GIVEN}/release/install.sh`);
});
afterAll(() => box[Symbol.dispose]());

interface Line {
  about: string;
  word: 'ok' | 'WRONG' | 'unknown';
  seen: string;
  from: string[];
}
interface Said extends Ended {
  verdict: string;
  lines: Line[];
  /** What each line is about that has this word. */
  are(word: Line['word']): string[];
  line(about: string): Line | undefined;
}

function examine(...args: string[]): Said {
  const ended = box.run(UNIT, 'doctor', '--json', ...args);
  const { verdict, layers, beside } = JSON.parse(ended.out) as { verdict: string; layers: Line[]; beside: Line[] };
  const lines = [...layers, ...beside];
  return {
    ...{ ...ended, verdict, lines },
    are: (word) => lines.filter((line) => line.word === word).map(({ about }) => about),
    line: (about) => lines.find((line) => line.about === about),
  };
}

/** With so much CPU that a start takes no long, unless it is the CPU that is looked at. */
function startWith(...settings: string[]): void {
  const quota = settings.some((line) => line.startsWith('CPUQuota')) ? [] : ['CPUQuota=80%'];
  box.write(DROP_IN, ['[Service]', ...quota, ...settings, ''].join('\n'));
  box.sh(`systemctl daemon-reload && systemctl restart ${UNIT}`);
}

/** Where each layer is seen, or only said to be, where it can be seen as root. */
const SOURCES: Record<string, string[]> = {
  'seen in /proc': [
    ...['private_users', 'capabilities', 'no_new_privileges', 'read_only_system', 'no_exec', 'home', 'private_tmp', 'private_devices'],
    ...['other_processes', 'jitless', 'open_files', 'core_dumps'],
  ],
  'seen in /proc, said by systemd': ['user', 'seccomp_filters', 'made_code'],
  'seen in /sys': ['memory', 'cpu', 'tasks'],
  'seen by the service': ['seccomp_profile', 'landlock_files', 'landlock_ports'],
  'said by systemd': ['network', 'address_families', 'watchdog', 'restart'],
};

describe('after an installation', () => {
  it('all is in force, and nothing is wrong', () => {
    expect(installed).toContain('Is all well?\n    incident-recorder doctor\n');
    const said = examine();
    expect(said.lines.filter(({ word }) => word !== 'ok')).toEqual([]);
    expect(said).toMatchObject({ code: 0, verdict: 'ok', err: '' });
    const beside = ['unit', 'service', 'actuators', 'node', 'permissions', 'policy', 'chain', 'clock', 'disk'];
    expect(said.lines.map(({ about }) => about).toSorted()).toEqual([...Object.values(SOURCES).flat(), ...beside].toSorted());
    const from = Object.entries(SOURCES).flatMap(([source, layers]) => layers.map((layer) => [layer, source]));
    expect(from.map(([layer = '']) => [layer, said.line(layer)?.from.join(', ')])).toEqual(from);
  });

  it('it is said in lines, each with where it is from', () => {
    const { code, out } = box.run(UNIT, 'doctor');
    expect(code).toBe(0);
    expect(out).toMatch(/^The sandbox\nok  user +seen in \/proc, said by systemd  uid \d+; DynamicUser=yes\n/);
    expect(out).toMatch(/^ok {2}landlock_files +seen by the service +opening \/: EACCES, which its mode allows$/m);
    expect(out).toMatch(/^ok {2}cpu +seen in \/sys +10 % of a CPU$/m);
    expect(out).toMatch(/^ok {2}chain +seen on the disk +records 1 to \d+ are sound; the checkpoint beside fits and is signed$/m);
    expect(out).toMatch(/\nnothing is wrong that was seen\n$/);
  });

  it('who is not root is told what he cannot see, and nothing that is not so', () => {
    const { code, out } = box.run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', UNIT, 'doctor', '--json');
    const { layers, beside } = JSON.parse(out) as { layers: Line[]; beside: Line[] };
    const of = (word: string) => [...layers, ...beside].filter((line) => line.word === word).map(({ about }) => about);
    expect(of('WRONG')).toEqual([]);
    expect(of('unknown')).toEqual([
      ...['private_users', 'seccomp_profile', 'landlock_files', 'landlock_ports'],
      ...['actuators', 'node', 'permissions', 'chain', 'disk'],
    ]);
    expect(code).toBe(77);
  });

  it('a token that is not taken ends it with 77, and the rest is told', () => {
    box.write('/root/another', 'x'.repeat(32), 0o600);
    const said = examine('--token', '/root/another');
    expect(said).toMatchObject({ code: 77, verdict: 'unauthorised' });
    expect(said.are('unknown')).toEqual(['seccomp_profile', 'landlock_files', 'landlock_ports', 'actuators']);
    expect(said.are('WRONG')).toEqual([]);
  });
});

const ROWS: readonly (readonly [taken: string, wrong: readonly string[], seen: string])[] = [
  ['Environment=SANDBOX_LANDLOCK=off', ['landlock_files', 'landlock_ports'], '/ can be opened'],
  ['Environment=SANDBOX_SECCOMP=off', ['seccomp_profile'], 'symlink of nothing to nowhere: ENOENT'],
  ['SystemCallFilter=', ['seccomp_filters'], 'SystemCallFilter=~'],
  ['ReadWritePaths=/etc', ['read_only_system', 'no_exec'], 'mounted rw: /etc'],
  ['NoExecPaths=', ['no_exec'], 'may be written and executed from: /tmp,'],
  ['BindReadOnlyPaths=\nBindReadOnlyPaths=/run/secure-ai /run/systemd/notify', ['read_only_system', 'no_exec'], 'mounted rw: /usr/lib'],
  ['ProtectHome=no', ['home'], 'not hidden: /home, /root'],
  ['PrivateDevices=no', ['no_exec', 'private_devices'], 'may be written and executed from: /dev'],
  ['PrivateUsers=no', ['private_users'], 'the users of the host'],
  ['DynamicUser=no\nUser=root\nPrivateTmp=no\nProtectSystem=no', ['user', 'read_only_system', 'private_tmp'], 'root; DynamicUser=no'],
  ['CapabilityBoundingSet=CAP_CHOWN', ['capabilities'], 'CapBnd 1'],
  ['MemoryDenyWriteExecute=no', ['made_code'], 'MemoryDenyWriteExecute=no'],
  ['ProtectProc=default', ['other_processes'], 'it sees those of others'],
  ['IPAddressDeny=', ['network'], 'IPAddressDeny= but'],
  ['RestrictAddressFamilies=', ['address_families'], 'RestrictAddressFamilies=~'],
  ['MemoryMax=infinity', ['memory'], 'no bound; shipped is 128 MiB'],
  ['TasksMax=infinity', ['tasks'], 'no bound; shipped is 32'],
  ['CPUQuota=', ['cpu'], 'no bound; shipped is 10 % of a CPU'],
  ['LimitNOFILE=10000', ['open_files'], '10000; shipped is 512'],
  ['LimitCORE=infinity', ['core_dumps'], 'one may be written'],
  ['WatchdogSec=0', ['watchdog'], 'no sign of life is asked for'],
  ['RestartPreventExitStatus=', ['restart'], 'Restart=on-failure, but not after any exit code'],
];

describe('a drop-in', () => {
  it.each(ROWS)('%s takes away what it is the layer of, and is seen for that', (taken, wrong, seen) => {
    startWith(...taken.split('\n'));
    const said = examine();
    expect(said.are('WRONG')).toEqual(wrong);
    expect(said.line(wrong[0] ?? '')?.seen).toContain(seen);
    expect(said).toMatchObject({ code: 3, verdict: 'wrong' });
  });

  it.each(['NoNewPrivileges=no', 'ProtectSystem=no', 'PrivateTmp=no'])('%s takes nothing away, for another line sees to it', (taken) => {
    startWith(taken);
    expect(examine()).toMatchObject({ code: 0 });
  });

  it('with which the filter kills: to look costs the service no call that it has not', () => {
    startWith('Environment=SANDBOX_SECCOMP=kill');
    expect(examine()).toMatchObject({ code: 0 });
    expect(examine()).toMatchObject({ code: 0 });
    expect(box.sh(`systemctl show ${UNIT} -P NRestarts`)).toBe('0\n');
  });

  it('without --jitless, which needs memory that is writable and executable, is seen for both', () => {
    const command = box.sh(`systemctl cat ${UNIT} | sed -n '/^ExecStart=/,/main.js$/p'`);
    startWith('ExecStart=', command.trim().replaceAll('--jitless ', ''), 'MemoryDenyWriteExecute=no', 'MemoryMax=256M');
    const said = examine();
    expect(said.are('WRONG')).toEqual(['made_code', 'jitless']);
    expect(said.line('made_code')?.seen).toMatch(/^\d+ times code that is made: /);
    expect(said.line('memory')).toMatchObject({ word: 'ok', seen: '256 MiB, which is wider than shipped; shipped is 128 MiB' });
  });
});

describe('beside the sandbox', () => {
  const policyOf = (push: string, more = '') =>
    `version: 1\nrules: {}\nactuators:\n  agent: {actions: [freeze_agent], push: "${push}"${more}}\n`;
  let original = '';
  beforeAll(() => {
    original = box.read(POLICY);
    startWith();
  });
  afterEach(() => {
    box.write(POLICY, original);
    box.sh(`chmod 644 ${POLICY}; systemctl stop agent 2>/dev/null; systemctl restart ${UNIT}`);
  });

  it('an actuator that does not answer is named, and one that does is not', () => {
    box.write('/etc/secure-ai/credentials/secrets/agent.key', `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`, 0o600);
    box.write(POLICY, policyOf(`unix:${AGENT}:/api/v1/freeze`, ', secret: agent.key'));
    box.sh(`systemctl restart ${UNIT}`);
    const down = examine();
    expect(down.are('WRONG')).toEqual(['actuator agent']);
    expect(down.line('actuator agent')?.seen).toContain(`unix:${AGENT}:/api/v1/freeze does not answer: ENOENT`);
    box.sh(`systemd-run --quiet --unit=agent ${NODE} -e "require('node:http').createServer((q, s) => s.end('{}')).listen('${AGENT}')"`);
    box.sh(`for i in $(seq 100); do [ -S ${AGENT} ] && break; sleep 0.05; done`);
    const up = examine();
    expect(up).toMatchObject({ code: 0 });
    expect(up.line('policy')?.seen).toBe(
      `${POLICY}: 0 rules, actuators agent; as in force; warnings: 10, told by incident-recorder policy check ${POLICY}`,
    );
  });

  it('a policy that all may write is named, and so is one that is not in force, or leads where the cage does not', () => {
    box.sh(`chmod 666 ${POLICY}`);
    const open = examine();
    expect(open.are('WRONG')).toEqual(['permissions']);
    expect(open.line('permissions')?.seen).toContain(`${POLICY}: others may write it (mode 0666)`);
    box.sh(`chmod 644 ${POLICY}`);
    box.write(POLICY, policyOf('http://127.0.0.1:7777/freeze'));
    const other = examine();
    expect(other.lines.filter(({ word }) => word === 'WRONG').map(({ seen }) => seen)).toEqual([
      `${POLICY}: is not the policy in force: reload it`,
      `${POLICY}: leads to ports that the sandbox of this run keeps closed (7777): restart the service`,
    ]);
    box.write(POLICY, 'version: 1\nrules: {tool_call_brst: {auto_contain: true}}\n');
    expect(examine().line('policy')).toMatchObject({ word: 'WRONG', seen: expect.stringContaining('did you mean "tool_call_burst"') });
  });

  it('a log that was tampered with is named, with the record', () => {
    const at = 300;
    // Until it has looked through all of it, the service mends what it finds; afterwards only its next start does.
    box.sh(`for i in $(seq 100); do curl -s http://127.0.0.1:8515/health | grep -q '"audit":"ok"' && exit; sleep 0.1; done; exit 1`);
    const byte = alterByte(box.at(LOG), at, (old) => old ^ 1);
    const said = examine();
    alterByte(box.at(LOG), at, () => byte);
    expect(said.are('WRONG')).toEqual(['chain']);
    expect(said.line('chain')?.seen).toContain('TAMPERED: record 1, at byte 0 of');
    expect(said.code).toBe(3);
    expect(examine()).toMatchObject({ code: 0 });
  });

  it('a secret that others may read is named', () => {
    box.sh('chmod 644 /etc/secure-ai/credentials/checkpoint.key; chmod 755 /etc/secure-ai/credentials');
    const said = examine();
    box.sh('chmod 600 /etc/secure-ai/credentials/checkpoint.key; chmod 700 /etc/secure-ai/credentials');
    expect(said.lines.filter(({ word }) => word === 'WRONG').map(({ seen }) => seen)).toEqual([
      expect.stringContaining('/etc/secure-ai/credentials/checkpoint.key: others may open it (mode 0644)'),
      expect.stringContaining('/etc/secure-ai/credentials: others may open it (mode 0755)'),
    ]);
  });

  it('a service that does not run ends it with 69, and all else is told', () => {
    box.sh(`systemctl stop ${UNIT}`);
    const said = examine();
    expect(said).toMatchObject({ code: 69, verdict: 'unreachable' });
    expect(said.are('WRONG')).toEqual(['unit', 'service']);
    expect(said.are('unknown').toSorted()).toEqual([...Object.values(SOURCES).flat(), 'actuators', 'node'].toSorted());
    expect(said.are('ok')).toEqual(expect.arrayContaining(['permissions', 'chain', 'policy', 'clock', 'disk']));
  });
});

describe('somebody else on the port of the service', () => {
  it('is not asked, and not shown the token', () => {
    startWith('Environment=BIND_ADDR=127.0.0.1:8517');
    const asked = `require('node:http').createServer((q) => console.log('ASKED', q.headers)).listen(8515, '127.0.0.1')`;
    box.sh(`systemd-run --quiet --unit=impostor ${NODE} -e "${asked}"; sleep 0.3`);
    const said = examine('--unit', UNIT, '--url', 'http://127.0.0.1:8515');
    expect(said).toMatchObject({ code: 69, verdict: 'unreachable' });
    expect(said.line('service')?.seen).toMatch(/^it does not answer: its process \d+ does not listen on port 8515$/);
    expect(box.sh('systemctl stop impostor; journalctl -u impostor -o cat')).not.toContain('ASKED');
    expect(examine()).toMatchObject({ code: 0 });
  });

  it('in the place of the service: it is shown no file that it names itself in its environment', () => {
    box.write('/root/of-root', 'a-secret-of-root-that-is-one-line-of-ascii', 0o600);
    const listen = `require('node:http').createServer((q, s) => s.end(String(console.log(q.headers)))).listen(8518, '127.0.0.1')`;
    const names = 'SERVICE_TOKEN_PATH=/root/of-root SECRETS_DIR=/root BIND_ADDR=127.0.0.1:8518';
    box.write('/run/systemd/system/other.service', `[Service]\nExecStart=/usr/bin/env ${names} ${NODE} -e "${listen}"\n`);
    box.sh('systemctl start other; sleep 0.5');
    expect(examine('--unit', 'other').code).toBe(69); // it names another port than root does
    examine('--unit', 'other', '--url', 'http://127.0.0.1:8518');
    const heard = box.sh('systemctl stop other; journalctl -u other -o cat');
    expect(heard).toContain('host');
    expect(heard).not.toContain('a-secret-of-root');
  });
});

describe('the socket-activated form', () => {
  it('has a network of its own, which is seen, and no port that Landlock could be seen by', () => {
    box.sh(`rm ${DROP_IN} && sh ${GIVEN}/release/install.sh --socket`);
    const said = examine();
    expect(said.are('WRONG')).toEqual([]);
    expect(said.are('unknown')).toEqual(['landlock_ports']);
    expect(said.line('network')).toMatchObject({ seen: 'a network of its own, without a way out', from: ['seen in /proc'] });
    expect(said.code).toBe(0);
  });
});

/** Of a file that is written meanwhile, in its place. @returns what it was */
function alterByte(path: string, at: number, change: (byte: number) => number): number {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, Math.min(at, statSync(path).size - 1));
  const [before = 0] = byte;
  byte[0] = change(before);
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
  return before;
}
