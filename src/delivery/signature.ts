// Signs what is sent, as Standard Webhooks says (https://www.standardwebhooks.com): HMAC-SHA256, one signature for each key.

import { createHmac } from 'node:crypto';

/**
 * The headers of a message; several keys while a secret rotates. `id` is the same for each attempt, `timestamp_s` that of the attempt:
 * seconds since 1970.
 */
export function signatureHeaders(keys: readonly Buffer[], id: string, timestamp_s: number, body: string): Record<string, string> {
  const timestamp = String(Math.floor(timestamp_s));
  const signed = `${id}.${timestamp}.${body}`;
  const signatures = keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
