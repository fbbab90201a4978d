// Yardstick (b): the same as one writes it with hono and zod. Our own schema of a report; no token, no storage.

import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { parseReport } from '../../../dist/incident/report.js';
import { incidentOf } from './incident.mjs';

const app = new Hono();
app.post('/api/v1/incidents/report', async (c) => {
  const report = parseReport(await c.req.json());
  return c.json(incidentOf(report), 201);
});
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => process.stdout.write(`${port}\n`));
