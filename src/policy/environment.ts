// The actuators that the original's environment names: used when the policy names none.

import { RecorderError } from '../errors.ts';
import type { ActionName } from '../incident/actions.ts';
import type { Actuator, Address } from './policy.ts';
import { parsePush } from './push.ts';

const VARIABLES = ['AGENT_SOCKET', 'AGENT_URL', 'AIRLOCK_URL', 'REGISTRY_URL'] as const;
type Variable = (typeof VARIABLES)[number];

/** As it is set; empty or absent = unset. */
export type ActuatorEnvironment = Readonly<Partial<Record<Variable, string | null | undefined>>>;

/** What each of them stands for. The socket of the agent goes before its URL, which then is that of the vault alone. */
const ROWS: readonly { variable: Variable; name: string; action: ActionName; path: string; unless?: Variable }[] = [
  { variable: 'AGENT_SOCKET', name: 'agent', action: 'freeze_agent', path: '/api/v1/freeze' },
  { variable: 'AGENT_URL', name: 'agent', action: 'freeze_agent', path: '/api/v1/freeze', unless: 'AGENT_SOCKET' },
  { variable: 'AGENT_URL', name: 'vault', action: 'force_vault_relock', path: '/api/v1/vault/relock' },
  { variable: 'AIRLOCK_URL', name: 'airlock', action: 'disable_airlock', path: '/api/v1/disable' },
  { variable: 'REGISTRY_URL', name: 'registry', action: 'quarantine_model', path: '/api/v1/quarantine' },
];

/** The original waits 5 to 40 s. */
const DEADLINE_MS = 30_000;

/** @throws RecorderError "invalid_configuration" naming each variable that is wrong */
export function actuatorsOfEnvironment(env: ActuatorEnvironment): Actuator[] {
  const faults = VARIABLES.flatMap((variable) => {
    const read = env[variable] ? addressOf(variable, env[variable], '/') : null;
    return read && 'fault' in read ? [`${variable} ${read.fault}`] : [];
  });
  if (faults.length > 0) throw new RecorderError('invalid_configuration', faults.join('; '));
  return ROWS.flatMap(({ variable, name, action, path, unless }) => {
    const value = env[variable];
    if (!value || (unless && env[unless])) return [];
    const push = addressOf(variable, value, path);
    return 'fault' in push ? [] : [{ ...SECAI, name, actions: [action], push, token: `${name}.token` }];
  });
}

const SECAI: Omit<Actuator, 'name' | 'actions' | 'push' | 'token'> = {
  dialect: 'secai',
  secret: null,
  token_required: false,
  deadline_ms: DEADLINE_MS,
  verify: null,
  heartbeat_ms: null,
};

function addressOf(variable: Variable, value: string, path: string): Address | { readonly fault: string } {
  if (variable !== 'AGENT_SOCKET') {
    const read = parsePush(`${value.replace(/\/$/, '')}${path}`, false);
    return 'fault' in read
      ? { fault: `must be a base URL on a literal loopback address, such as http://127.0.0.1:8476; ${ELSEWHERE}` }
      : read;
  }
  const read = parsePush(`unix:${value}:${path}`, false);
  return 'fault' in read
    ? { fault: 'must be the absolute path of a unix socket, in at most 107 visible ASCII characters and without :/' }
    : read;
}

const ELSEWHERE = 'an actuator elsewhere is named in the policy, with allow_remote';
