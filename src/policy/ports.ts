// The ports of TCP that a policy in force leads to: outside of them a sandbox may let nothing through.

import { RecorderError } from '../errors.ts';
import type { Policy } from './policy.ts';
import { portOf } from './port-of.ts';

/** Of actuators and webhooks, each once, in ascending order. */
export function portsOf({ actuators, webhooks }: Pick<Policy, 'actuators' | 'webhooks'>): number[] {
  const pushed = [...actuators.values()].flatMap(({ push }) => (push?.over === 'tcp' ? [push.port] : []));
  const told = webhooks.flatMap(({ url }) => portOf(url) ?? []);
  return [...new Set([...pushed, ...told])].toSorted((a, b) => a - b);
}

/**
 * @param open the ports that the sandbox lets through; null = it keeps none away
 * @throws RecorderError "restart_required" when the policy leads to another
 */
export function refuseClosedPorts(policy: Pick<Policy, 'actuators' | 'webhooks'>, open: readonly number[] | null): void {
  const closed = open === null ? [] : portsOf(policy).filter((port) => !open.includes(port));
  if (closed.length === 0) return;
  const ports = `port${closed.length > 1 ? 's' : ''} ${closed.join(', ')}`;
  throw new RecorderError(
    'restart_required',
    `the policy leads to ${ports}, which the sandbox of this run keeps closed; it cannot be widened. Restart the service to put the policy in force`,
  );
}
