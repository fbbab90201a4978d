// A recorder with actuators: its policy, its key, and the process.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSecret } from '../support/house.ts';
import { type Program, startProgram } from '../support/program.ts';

/** What each class orders: an address blocked, a user suspended, the agent frozen. */
export const CLASSES = { blocks: 'prompt_injection', slows: 'tool_call_burst', freezes: 'policy_bypass_attempt' } as const;

/** Where each action is taken to; one that is left out is nobody's. */
export interface Actuators {
  readonly block_ip?: string;
  readonly rate_limit?: string;
  readonly freeze_agent?: string;
}

export interface PolicyOptions {
  readonly deadline?: string;
  readonly max_holds?: number;
  readonly ttl?: string;
}

export function policyOf(actuators: Actuators, { deadline = '30s', max_holds = 100, ttl = '1d' }: PolicyOptions = {}): string {
  const rule = (name: string, action: string) => `  ${name}: {auto_contain: true, max_holds: ${max_holds}, actions: [${action}]}\n`;
  const entries = Object.entries(actuators).map(
    ([action, push]) => `  does_${action}: {actions: [${action}], push: "${push}", secret: bench.key, deadline: ${deadline}}\n`,
  );
  return [
    'version: 1\nrules:\n',
    rule(CLASSES.blocks, `{action: block_ip, target: evidence.src_ip, ttl: ${ttl}}`),
    rule(CLASSES.slows, `{action: rate_limit, target: subject, ttl: ${ttl}}`),
    rule(CLASSES.freezes, 'freeze_agent'),
    `actuators: ${entries.length === 0 ? '{}' : `\n${entries.join('')}`}\n`,
  ].join('');
}

/** A folder of its own with a policy and a key, which goes with the scope. */
export function folderWith(scope: AsyncDisposableStack, policy: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  scope.defer(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'policy.yaml'), policy);
  writeSecret(join(dir, 'bench.key'), `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`);
  return dir;
}

export async function startOn(scope: AsyncDisposableStack, dir: string, env: Record<string, string> = {}): Promise<Program> {
  const own = { CONTAINMENT_POLICY_PATH: join(dir, 'policy.yaml'), SECRETS_DIR: dir, STORE_MAX_BYTES: String(16 * 1024 ** 3) };
  return scope.use(await startProgram({ dir, env: { ...own, ...env } }));
}
