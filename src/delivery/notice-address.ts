// Where a webhook is reached, and what it is called where its url must not be shown: a url may be a secret.

import { hash } from 'node:crypto';
import type { Address, Webhook } from '../policy/policy.ts';
import { portIn } from '../policy/port-of.ts';

/** @throws TypeError when `url` is none. A fragment is no part of it; a login is not let into a policy. */
export function addressOf(url: string): Address {
  const parsed = new URL(url);
  const { protocol, hostname, pathname, search } = parsed;
  const host = hostname.replaceAll(/^\[|\]$/g, '');
  return { over: 'tcp', tls: protocol === 'https:', host, port: portIn(parsed), path: `${pathname}${search}` };
}

/** Scheme, host and port: all of a url that may be told. */
export function originOf(url: string): string {
  return new URL(url).origin;
}

/** What the place of each webhook is kept under: the SHA-256 of its url. A url that is named again has a place of its own. */
export function placesOf(webhooks: readonly Webhook[]): string[] {
  const seen = new Map<string, number>();
  return webhooks.map(({ url }) => {
    const n = (seen.get(url) ?? 0) + 1;
    seen.set(url, n);
    return hash('sha256', n === 1 ? url : `${url}\n${n}`, 'hex');
  });
}
