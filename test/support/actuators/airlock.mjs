// The airlock of SecAI_OS: TCP, a bearer token, no signatures and no ids. node airlock.mjs, with its settings in the environment.

import { behave, openHome, serve } from './home.mjs';

const { PORT, HOME_DIR, AUDIT, TOKEN } = process.env;
const home = openHome(HOME_DIR, AUDIT);

/** Two ways of saying it: what is closed is not closed again. */
function close(incident) {
  const state = home.state({ disabled: false });
  if (!state.disabled) home.log({ what: 'did', incident });
  home.keep({ disabled: true });
  return [200, { status: 'disabled' }];
}

serve({ host: '127.0.0.1', port: Number(PORT) }, (request, body, response) => {
  if (request.headers.authorization !== `Bearer ${TOKEN}`) {
    home.log({ what: 'forged' });
    return response.writeHead(401).end();
  }
  const { action, incident_id, reason, ...rest } = JSON.parse(body);
  if (request.url !== '/api/v1/disable' || action !== 'disable' || !reason || Object.keys(rest).length > 0) {
    home.log({ what: 'odd', url: request.url, body });
    return response.writeHead(400).end();
  }
  const recorded = home.isRecorded('"type":"command.requested"', '"actuator":"airlock"', `"incident_id":"${incident_id}"`);
  home.log({ what: 'got', op: 'apply', incident: incident_id, recorded });
  void behave(home, response, { id: incident_id, act: () => close(incident_id), lie: { status: 'disabled' } });
});
