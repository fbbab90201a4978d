// POST /api/v1/incidents/{id}/attest: the evidence that a host is what it should be again, bound to the containment that it lets go.

import { z } from 'zod';
import { Evidence } from '../../incident/report.ts';
import { optional, parseShape, text } from '../../input/shape.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import { askedOfVersion } from '../asking.ts';
import { parseJson } from '../body.ts';
import type { Route } from '../guard.ts';
import { incidentReply } from '../reply.ts';
import { ID } from './incidents.ts';

const AttestBody = z.strictObject({
  /** What the evidence was made for: the incident shows it under `release`. */
  binding: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits'),
  evidence: Evidence,
  note: optional(text(4096)),
});

export interface AttestParts {
  recorder: Pick<Recorder, 'attest'>;
}

export function attestRoutes({ recorder }: AttestParts): Route[] {
  return [
    {
      method: 'POST',
      path: `/api/v1/incidents/${ID}/attest`,
      for: 'operate',
      async handle(call) {
        const told = parseShape(AttestBody, parseJson(call.body), 'invalid_request');
        const done = await recorder.attest({ id: call.param('id'), ...told, ...askedOfVersion(call) });
        return incidentReply(done, done);
      },
    },
  ];
}
