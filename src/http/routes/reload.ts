// POST /api/v1/reload: policy and tokens read again, all of it or none.

import { z } from 'zod';
import { parseShape } from '../../input/shape.ts';
import type { Policy } from '../../policy/policy.ts';
import { callerOf } from '../../recorder/caller.ts';
import type { Configuration } from '../../recorder/configuration.ts';
import { parseJson } from '../body.ts';
import type { Route } from '../guard.ts';
import { markOf } from '../headers.ts';
import { json } from '../reply.ts';

const ReloadBody = z.strictObject({});

export function reloadRoutes({ configuration, policy }: { configuration: Pick<Configuration, 'reload'>; policy: () => Policy }): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v1/reload',
      for: 'operate',
      async handle({ incoming, body, token, path }) {
        if (body.length > 0) parseShape(ReloadBody, parseJson(body), 'invalid_request');
        const receipt = await configuration.reload(callerOf(token), markOf(incoming.headers, token.name, path, body));
        const { sha256, rules, mode } = policy();
        const status = { status: 'reloaded', policy_sha256: sha256, rules: rules.size, mode, ...(receipt && { audit: receipt }) };
        return json(status, 200, receipt ? {} : { 'idempotent-replayed': 'true' });
      },
    },
  ];
}
