// What an operator does to an incident: contain, acknowledge, resolve, reopen, note.

import type { z } from 'zod';
import { parseShape } from '../../input/shape.ts';
import { type StepName, STEP_NAMES } from '../../incident/lifecycle.ts';
import { NoteBody, ResolveStep, Step } from '../../incident/step.ts';
import { callerOf } from '../../recorder/caller.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import { parseJson } from '../body.ts';
import type { KnownCall, Route } from '../guard.ts';
import { ifMatchOf, markOf } from '../headers.ts';
import { incidentReply } from '../reply.ts';
import { ID } from './incidents.ts';

export function stepRoutes({ recorder }: { recorder: Pick<Recorder, 'step' | 'note'> }): Route[] {
  const step = (name: StepName): Route => ({
    method: 'POST',
    path: `/api/v1/incidents/${name}`,
    for: 'operate',
    async handle(call) {
      const { id, note, resolution } = parseStep(name, parseJson(call.body));
      const done = await recorder.step(name, { id, note, resolution, ...askedBy(call) });
      return incidentReply(done, 200, done.receipt, done.replayed);
    },
  });
  return [
    ...STEP_NAMES.map(step),
    {
      method: 'POST',
      path: `/api/v1/incidents/${ID}/notes`,
      for: 'operate',
      async handle(call) {
        const { note } = parseShape(NoteBody, parseJson(call.body), 'invalid_request');
        const done = await recorder.note({ id: call.param('id'), note, resolution: null, ...askedBy(call) });
        return incidentReply(done, 200, done.receipt, done.replayed);
      },
    },
  ];
}

function parseStep(name: StepName, body: unknown): z.infer<typeof ResolveStep> {
  if (name === 'resolve') return parseShape(ResolveStep, body, 'invalid_request');
  return { ...parseShape(Step, body, 'invalid_request'), resolution: null };
}

function askedBy({ incoming: { headers }, token, path, body }: KnownCall) {
  return { caller: callerOf(token), ifMatch: ifMatchOf(headers), mark: markOf(headers, token.name, path, body) };
}
