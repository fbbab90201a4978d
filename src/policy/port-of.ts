// The port that an http or https address leads to.

/** Null for whatever is no such address. */
export function portOf(address: string): number | null {
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) return null;
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}
