// The agent: frozen by signed commands over a unix socket, in the standard dialect. node agent.mjs, with its settings in the environment.

import { readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { behave, openHome, serve } from './home.mjs';

const { SOCKET, HOME_DIR, KEY, AUDIT, RECORDER, TOKEN } = process.env;
const home = openHome(HOME_DIR, AUDIT);
const webhook = new Webhook(readFileSync(KEY, 'utf8').trim());
/** `life`: another one each time that it has forgotten everything. */
const empty = () => ({ life: Math.random(), holds: {}, done: {}, accepted: [] });
const SUCCESS = { apply: 'enforced', release: 'released' };

/** Idempotent: what was done under an id is not done again. */
function act(id, { op, hold_id, action, target, drill }) {
  const state = home.state(empty());
  const isNew = !state.done[id] && !drill;
  if (isNew && op === 'apply') state.holds[hold_id] = { action, target };
  if (isNew && op === 'release') delete state.holds[hold_id];
  state.done[id] = true;
  state.accepted = state.accepted.filter((each) => each.id !== id);
  home.keep(state);
  if (isNew) home.log({ what: 'did', id, op, hold: hold_id, life: state.life });
  return [200, { status: SUCCESS[op], evidence: { frozen: Object.keys(state.holds).length > 0 } }];
}

/** It will be done later, and told then. */
function accept(id, data) {
  const state = home.state(empty());
  if (state.done[id]) return [200, { status: SUCCESS[data.op] }];
  if (!state.accepted.some((each) => each.id === id)) state.accepted.push({ id, data });
  home.keep(state);
  return [202, { status: 'accepted' }];
}

rmSync(SOCKET, { force: true });
serve({ path: SOCKET }, (incoming, body, response) => {
  if (incoming.method === 'GET' && incoming.url === '/api/v1/state') return void show(response);
  const id = incoming.headers['webhook-id'];
  let data = null;
  try {
    ({ data } = webhook.verify(body, incoming.headers));
  } catch (error) {
    home.log({ what: 'forged', id, error: String(error) });
    return response.writeHead(401).end();
  }
  const { op, hold_id: hold, attempt, seq, command_id } = data;
  const recorded = data.drill || home.isRecorded('"type":"command.requested"', `"command_id":"${id}"`, `"op":"${op}"`, `"id":"${hold}"`);
  home.log({ what: 'got', id, op, hold, attempt, seq, recorded, same: command_id === id });
  const doIt = (manner) => (manner === 'accepts' ? accept(id, data) : act(id, data));
  void behave(home, response, { id, act: doIt, lie: { status: SUCCESS[op] } });
});

async function show(response) {
  home.log({ what: 'asked' });
  while (home.control().state === 'hangs' && !response.destroyed) await sleep(10);
  response.end(JSON.stringify({ frozen: Object.keys(home.state(empty()).holds).length > 0 }));
}

/** Loses all that it holds, as if it had never been told; what it has accepted it will still do. */
process.on('SIGUSR2', () => {
  const { accepted } = home.state(empty());
  home.keep({ ...empty(), accepted });
  home.log({ what: 'forgot' });
});

/** What was accepted is done when it does its work again, and told until the recorder has taken it. */
for (;;) {
  await sleep(20);
  if (home.control().manner === 'accepts') continue;
  for (const { id, data } of home.state(empty()).accepted) {
    if (await tell(id, { status: SUCCESS[data.op], evidence: { later: true } })) act(id, data);
  }
}

function tell(id, result) {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
    const sent = request(`${RECORDER}/api/v1/commands/${id}/result`, { method: 'POST', headers, agent: false, timeout: 5000 }, (answer) => {
      home.log({ what: 'told', id, status: answer.statusCode });
      answer.resume();
      resolve(answer.statusCode < 500);
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(false));
    sent.end(JSON.stringify(result));
  });
}
