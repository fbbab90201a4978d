// What an operator sends to move an incident along.

import { z } from 'zod';
import { line, optional, text } from '../input/shape.ts';
import { RESOLUTIONS } from './vocabulary.ts';

const note = text(4096);

/** The body of contain, acknowledge and reopen. */
export const Step = z.strictObject({ id: line(64), note: optional(note) });

/** The body of resolve: how it turned out, beside what every step has. */
export const ResolveStep = z.strictObject({ ...Step.shape, resolution: optional(z.enum(RESOLUTIONS)) });

/** The body of a note; the incident is named by the path. */
export const NoteBody = z.strictObject({ note });
