// GET /health, /livez, /readyz: whether the service can do its work, one word a check.

import type { Health } from '../../observers/health.ts';
import type { Route } from '../guard.ts';
import { parametersOf } from '../query.ts';
import { json } from '../reply.ts';

export function healthRoutes({ health }: { health: Health }): Route[] {
  const probe = (path: string, ok: () => boolean): Route => ({
    method: 'GET',
    path,
    for: 'anyone',
    handle({ url }) {
      const verbose = parametersOf(url, ['verbose']).has('verbose');
      return json({ status: ok() ? 'ok' : 'unavailable', ...(verbose && { checks: health.report().checks }) }, ok() ? 200 : 503);
    },
  });
  return [
    {
      method: 'GET',
      path: '/health',
      for: 'anyone',
      handle() {
        const report = health.report();
        return json(report, health.isReady() ? 200 : 503);
      },
    },
    probe('/livez', () => true),
    probe('/readyz', health.isReady),
  ];
}
