// Where a webhook's url leads, what is said of it, and under what its place is kept.

import { describe, expect, it } from 'vitest';
import { addressOf, originOf, placesOf } from '../../src/delivery/notice-address.ts';
import type { Webhook } from '../../src/policy/policy.ts';

describe('the url of a webhook', () => {
  it.each([
    ['http://127.0.0.1:9090/hook', { tls: false, host: '127.0.0.1', port: 9090, path: '/hook' }],
    ['http://127.0.0.1:9090', { tls: false, host: '127.0.0.1', port: 9090, path: '/' }],
    ['http://[::1]/a/b?c=d&e=%20f#g', { tls: false, host: '::1', port: 80, path: '/a/b?c=d&e=%20f' }],
    ['https://hooks.slack.com/services/T0/B0/secret', { tls: true, host: 'hooks.slack.com', port: 443, path: '/services/T0/B0/secret' }],
    ['HTTPS://Hooks.Example:8443/ä', { tls: true, host: 'hooks.example', port: 8443, path: '/%C3%A4' }],
    ['http://u:p@127.0.0.1/x', { tls: false, host: '127.0.0.1', port: 80, path: '/x' }],
  ])('%s is an address', (url, address) => {
    expect(addressOf(url)).toEqual({ over: 'tcp', ...address });
  });

  it('is shown by nothing but its origin', () => {
    expect(originOf('https://u:p@hooks.slack.com/services/T0/B0/secret?token=secret#secret')).toBe('https://hooks.slack.com');
    expect(originOf('http://127.0.0.1:9090/secret')).toBe('http://127.0.0.1:9090');
  });
});

describe('the place of a webhook', () => {
  const hook = (url: string): Webhook => ({ url, events: [], format: 'original', secret: null });

  it('is kept under the SHA-256 of its url', () => {
    expect(placesOf([hook('http://127.0.0.1:9090/hook')])).toEqual(['3b64312ef013e06a74ed4bd8c987a814d536c96eb2afa4f975abfdf3d47ff539']);
  });

  it('is its own, where a url is named twice; the others keep theirs', () => {
    const [a, b] = [hook('http://a.example/'), hook('http://b.example/')];
    const [first, second] = placesOf([a, b]);
    const places = placesOf([a, a, b, a]);
    expect([places[0], places[2]]).toEqual([first, second]);
    expect(new Set(places).size).toBe(4);
  });
});
