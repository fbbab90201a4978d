// GET /api/v1/sandbox: what the service sees of its own cage, layer by layer.

import type { SeenLayer } from '../../sandbox/seen.ts';
import { SOFTWARE } from '../../version.ts';
import type { Route } from '../guard.ts';
import { parametersOf } from '../query.ts';
import { json } from '../reply.ts';

export function sandboxRoutes({ look }: { look: () => Promise<readonly SeenLayer[]> }): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v1/sandbox',
      for: 'read',
      async handle({ url }) {
        parametersOf(url, []);
        return json({ software: SOFTWARE, node: process.versions.node, layers: await look() });
      },
    },
  ];
}
