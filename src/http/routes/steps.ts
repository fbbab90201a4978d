// What an operator does to an incident: contain, acknowledge, resolve, reopen, note.

import type { z } from 'zod';
import { parseShape } from '../../input/shape.ts';
import { type StepName, STEP_NAMES } from '../../incident/lifecycle.ts';
import { NoteBody, ResolveStep, Step } from '../../incident/step.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import { askedOfVersion } from '../asking.ts';
import { parseJson } from '../body.ts';
import type { Route } from '../guard.ts';
import { type AwaitOutcome, type IsOver, isContainmentOver, isReleaseOver, patienceOf } from '../outcome.ts';
import { incidentReply } from '../reply.ts';
import { ID } from './incidents.ts';

export interface StepParts {
  recorder: Pick<Recorder, 'step' | 'note'>;
  awaitOutcome: AwaitOutcome;
}

/** Steps after which something is under way that can be waited for. */
const OUTCOMES: Partial<Record<StepName, IsOver>> = { contain: isContainmentOver, resolve: isReleaseOver };

export function stepRoutes({ recorder, awaitOutcome }: StepParts): Route[] {
  const step = (name: StepName): Route => ({
    method: 'POST',
    path: `/api/v1/incidents/${name}`,
    for: 'operate',
    async handle(call) {
      const isOver = OUTCOMES[name];
      // A step is waited for only where that is asked for.
      const patience = isOver && patienceOf(call, 0);
      const { id, note, resolution } = parseStep(name, parseJson(call.body));
      const done = await recorder.step(name, { id, note, resolution, ...askedOfVersion(call) });
      if (!isOver || !patience) return incidentReply(done, done);
      const { kept, headers } = await awaitOutcome(call, done, patience, isOver);
      return incidentReply(kept, { ...done, headers });
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
        const done = await recorder.note({ id: call.param('id'), note, resolution: null, ...askedOfVersion(call) });
        return incidentReply(done, done);
      },
    },
  ];
}

function parseStep(name: StepName, body: unknown): z.infer<typeof ResolveStep> {
  if (name === 'resolve') return parseShape(ResolveStep, body, 'invalid_request');
  return { ...parseShape(Step, body, 'invalid_request'), resolution: null };
}
