// What the service tells of its own work, in lines: its health, and each actuator, at whose door it is knocked as well.

import { parsePush } from '../policy/push.ts';
import { knock } from '../sandbox/knock.ts';
import { type Line, line } from './doctor-line.ts';
import type { Answers, Health, ToldActuator } from './doctor-answers.ts';

/** Words of /health that are as they should be. Of a policy that is built in another line tells. */
const GOOD = new Set(['ok', 'none', 'verifying', 'unverified', 'observing', 'built_in']);
const PATIENCE_MS = 3_000;

export function healthLine({ health, unreachable, refused }: Answers): Line {
  if (unreachable !== null) return line('service', 'WRONG', `it does not answer: ${unreachable}`, 'seen here');
  if (!health) return line('service', 'unknown', refused ?? 'it tells nothing of its health', 'seen here');
  return healthOf(health);
}

function healthOf({ status, checks }: Health): Line {
  const all = Object.entries(checks);
  const bad = all.filter(([, word]) => !GOOD.has(word));
  const shown = (bad.length > 0 ? bad : all).map(([check, word]) => `${check} ${word}`).join(', ');
  return line('service', bad.length > 0 || status !== 'ok' ? 'WRONG' : 'ok', `${status}: ${shown}`, 'said by the service');
}

/** A line for each, side by side. */
export async function actuatorLines({ actuators, refused }: Answers): Promise<Line[]> {
  if (!actuators) return [line('actuators', 'unknown', refused ?? 'the service does not answer', 'seen here')];
  if (actuators.length === 0) return [line('actuators', 'ok', 'none is named: what a rule orders is only recorded', 'said by the service')];
  return Promise.all(actuators.map(lineOfOne));
}

async function lineOfOne(actuator: ToldActuator): Promise<Line> {
  const about = `actuator ${actuator.name}`;
  const told = toldOf(actuator);
  const shut = await whyShut(actuator.reached);
  if (actuator.health === 'failing' || shut !== null) {
    const seen = [`${actuator.reached} does not answer`, shut, actuator.last_error, told].filter((part) => part !== null);
    return line(about, 'WRONG', seen.join(': '), ...(shut === null ? [] : (['seen here'] as const)), 'said by the service');
  }
  if (actuator.reached !== 'pull') return line(about, 'ok', `${actuator.reached} takes connections`, 'seen here', 'said by the service');
  if (actuator.heard_at !== null) return line(about, 'ok', `heard at ${actuator.heard_at}`, 'said by the service');
  return line(about, 'unknown', 'it fetches its commands, and has not been heard since the service started', 'said by the service');
}

function toldOf({ waits_since, heard_at, reached }: ToldActuator): string | null {
  if (waits_since !== null) return `a command waits since ${waits_since}`;
  return reached === 'pull' ? (heard_at === null ? 'it was never heard' : `it was heard last at ${heard_at}`) : null;
}

/** Null = somebody listens, or it is not reached this way; else why not. Nothing is changed there. */
async function whyShut(reached: string): Promise<string | null> {
  const at = reached === 'pull' ? null : parsePush(reached, true);
  if (!at || 'fault' in at) return null;
  const where = at.over === 'unix' ? { path: at.socket } : { host: at.host.replaceAll(/^\[|\]$/g, ''), port: at.port };
  const told = await knock(where, PATIENCE_MS);
  return told === 'ok' ? null : told;
}
