// The service in a box: installed from the release by its own installer, asked by curl, watched by systemctl.

import { type Box, GIVEN, bootBox } from './box.ts';

export const UNIT = 'incident-recorder';
const TOKEN_FILE = '/run/secure-ai/service-token';
export const LOG_FILE = '/var/lib/secure-ai/logs/incident-recorder-audit.jsonl';
export const POLICY_FILE = '/etc/secure-ai/policy/incident-containment.yaml';

interface Answer {
  readonly status: number;
  readonly body: any;
}

export interface Service extends Disposable {
  readonly box: Box;
  /** What the installer said. */
  readonly told: string;
  get(path: string): Answer;
  /** @param token another than the service's own */
  post(path: string, body: unknown, token?: string): Answer;
  report(more?: Record<string, unknown>, wait?: number): Answer;
  /** Lines of a drop-in of this name, in force after the next start; none = it is removed. */
  dropIn(name: string, ...lines: string[]): void;
  systemctl(...words: string[]): { code: number | null; err: string };
  show(property: string): string;
  journal(): string;
  /** Waits until it is so, by asking again; for seconds, since the service has a tenth of a CPU. @returns what `found` returned */
  until<T>(what: string, found: () => T | false | null | undefined, seconds?: number): Promise<T>;
}

/** `using service = installService()`: a box with the release installed. */
export function installService(...options: string[]): Service {
  const box = bootBox();
  const told = box.sh(`sh ${GIVEN}/release/install.sh ${options.join(' ')} 2>&1`);
  const ask = (path: string, token: string, ...more: string[]): Answer => {
    const { out } = box.run(
      'curl',
      '-s',
      '-m',
      '60',
      '-H',
      `Authorization: Bearer ${token}`,
      '-w',
      '\n%{http_code}',
      ...more,
      `http://127.0.0.1:8515${path}`,
    );
    const [text = '', status = '0'] = /^([^]*)\n(\d+)$/.exec(out)?.slice(1) ?? [];
    return { status: Number(status), body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text };
  };
  const own = () => box.read(TOKEN_FILE).trim();
  const send = (path: string, body: unknown, token: string, ...more: string[]) =>
    ask(path, token, '-H', 'Content-Type: application/json', ...more, '-d', JSON.stringify(body));
  return {
    box,
    told,
    get: (path) => ask(path, own()),
    post: (path, body, token = own()) => send(path, body, token),
    report: (more = {}, wait = 20) => {
      const report = { class: 'attestation_failure', source: 'runtime-attestor', description: 'PCR 7', ...more };
      return send('/api/v1/incidents/report', report, own(), '-H', `Prefer: wait=${wait}`);
    },
    dropIn(name, ...lines) {
      const path = `/run/systemd/system/${UNIT}.service.d/${name}.conf`;
      if (lines.length === 0) box.run('rm', '-f', path);
      else box.write(path, `[Service]\n${lines.join('\n')}\n`);
      box.run('systemctl', 'daemon-reload');
    },
    systemctl: (...words) => box.run('systemctl', ...words),
    show: (property) => box.sh(`systemctl show ${UNIT} -P ${property}`).trim(),
    journal: () => box.sh(`journalctl -u ${UNIT} -o cat --no-pager`),
    async until(what, found, seconds = 30) {
      const end = Date.now() + seconds * 1000;
      for (;;) {
        const it = found();
        if (it !== false && it !== null && it !== undefined) return it;
        if (Date.now() > end)
          throw new Error(
            `not within ${seconds} s: ${what}\n${box.run('journalctl', '-u', UNIT, '-o', 'cat', '--no-pager', '-n', '20').out}`,
          );
        await new Promise((resolve) => void setTimeout(resolve, 100));
      }
    },
    [Symbol.dispose]: () => box[Symbol.dispose](),
  };
}
