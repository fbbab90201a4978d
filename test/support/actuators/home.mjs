// The folder of one actuator of the tests: how it is told to behave, what it keeps, and what it logs of each request.

import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What is asked for by another manner than `does` is held until that has changed. */
const LOOK_MS = 10;

/** Everything is on disk, and nothing in memory: a kill -9 loses nothing, and a file that is removed is forgotten. */
export function openHome(dir, audit) {
  mkdirSync(dir, { recursive: true });
  const read = (name, fallback) => {
    try {
      return JSON.parse(readFileSync(join(dir, name), 'utf8'));
    } catch {
      return fallback;
    }
  };
  const write = (name, value) => {
    writeFileSync(join(dir, `${name}.new`), JSON.stringify(value));
    renameSync(join(dir, `${name}.new`), join(dir, name));
  };
  const log = (line) => appendFileSync(join(dir, 'log.jsonl'), `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`);
  return {
    log,
    control: () => read('control.json', {}),
    state: (empty) => read('state.json', empty),
    keep: (state) => write('state.json', state),
    /** Whether the recorder's log has a line with all of these words, at this very moment. */
    isRecorded: (...words) =>
      readFileSync(audit, 'utf8')
        .split('\n')
        .some((line) => words.every((word) => line.includes(word))),
    /** One of the failures that were asked for is spent. */
    spend() {
      const { times, ...control } = read('control.json', {});
      if (times === undefined) return;
      write('control.json', times > 1 ? { ...control, times: times - 1 } : { ...control, manner: 'does' });
    },
  };
}

/**
 * Does with one request as it was told to: `does` · `hangs` (neither acts nor answers) · `acts` (acts, and holds the answer) · `fails` (500,
 * `times` or for ever) · `lies` (200 without an effect) · `refuses` (409); `slow`: so many milliseconds before it begins.
 * @param act does it, and returns the answer as [status, body]
 */
export async function behave(home, response, { id, act, lie }) {
  const answer = ([status, body]) => {
    if (response.destroyed) return;
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(JSON.stringify(body), () => home.log({ what: 'answered', id, status }));
  };
  const { manner = 'does', slow = 0 } = home.control();
  if (slow > 0) await sleep(slow);
  switch (manner) {
    case 'hangs':
      await changed(home, manner, response);
      return void response.destroy();
    case 'acts': {
      const done = act(manner);
      await changed(home, manner, response);
      return answer(done);
    }
    case 'fails':
      home.spend();
      return answer([500, { error: 'told to' }]);
    case 'lies':
      return answer([200, lie]);
    case 'refuses':
      return answer([409, { error: 'told to' }]);
    default:
      return answer(act(manner));
  }
}

async function changed(home, manner, response) {
  while (home.control().manner === manner && !response.destroyed) await sleep(LOOK_MS);
}

/** Listens, and hands on each request with its whole body. */
export function serve(at, handle) {
  const server = createServer((request, response) => {
    request.toArray().then(
      (pieces) => handle(request, Buffer.concat(pieces).toString(), response),
      () => response.destroy(),
    );
  });
  // Whoever is started by a test does not outlive it.
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.exit(), 1000);
  server.listen(at, () => process.stdout.write('ready\n'));
}
