// The port that an http or https address leads to.

/** Null for whatever is no such address. */
export function portOf(address: string): number | null {
  const url = URL.canParse(address) ? new URL(address) : null;
  return url && /^https?:$/.test(url.protocol) ? portIn(url) : null;
}

/** That which is written, or that of its scheme. */
export function portIn({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}
