// What an operator sends: an id, a note, how it turned out.

import { describe, expect, it } from 'vitest';
import { NoteBody, ResolveStep, Step } from '../../src/incident/step.ts';
import { parseShape } from '../../src/input/shape.ts';
import { refusalOf } from '../support/refusal.ts';

const ID = 'INC-20260313-1f0c9a7be2d4';
const faultsOf = (schema: typeof Step | typeof ResolveStep | typeof NoteBody, body: unknown) =>
  refusalOf(() => parseShape<typeof schema>(schema, body, 'invalid_request')).details.errors;

describe('a step', () => {
  it('is an id, and a note if there is one to make', () => {
    expect(parseShape(Step, { id: ID }, 'invalid_request')).toEqual({ id: ID, note: null });
    expect(parseShape(Step, { id: ` ${ID} `, note: null }, 'invalid_request')).toEqual({ id: ID, note: null });
    expect(parseShape(Step, { id: ID, note: ' on it\n' }, 'invalid_request')).toEqual({ id: ID, note: 'on it' });
  });

  it.each([
    [{}, '/id', 'is required'],
    [{ id: '' }, '/id', 'must not be empty'],
    [{ id: 7 }, '/id', 'must be a string'],
    [{ id: 'x'.repeat(65) }, '/id', 'must be at most 64 characters'],
    [{ id: 'a\nb' }, '/id', 'holds control or bidirectional characters'],
    [{ id: ID, note: '  ' }, '/note', 'must not be empty'],
    [{ id: ID, note: 'x'.repeat(4097) }, '/note', 'must be at most 4096 characters'],
    [{ id: ID, note: '😀'.repeat(2049) }, '/note', 'must be at most 4096 characters'],
    [{ id: ID, notes: 'x' }, '/notes', 'is not a known field; did you mean "note"?'],
    [{ id: ID, resolution: 'test' }, '/resolution', 'is not a known field'],
  ])('%j is refused at %s', (body, pointer, detail) => {
    expect(faultsOf(Step, body)).toEqual([{ pointer, detail }]);
  });

  it('keeps a note’s control and bidirectional characters, for whoever shows it to escape', () => {
    const note = 'seen:\n\u001b[31m\u202egnp.exe';
    expect(parseShape(Step, { id: ID, note }, 'invalid_request').note).toBe(note);
  });
});

describe('a resolve', () => {
  it.each(['true_positive', 'false_positive', 'expected', 'test'])('may say %s', (resolution) => {
    expect(parseShape(ResolveStep, { id: ID, resolution }, 'invalid_request')).toEqual({ id: ID, note: null, resolution });
  });

  it('says one of these or nothing', () => {
    expect(parseShape(ResolveStep, { id: ID, resolution: null }, 'invalid_request').resolution).toBeNull();
    const detail = 'must be one of true_positive, false_positive, expected, test';
    expect(faultsOf(ResolveStep, { id: ID, resolution: 'fixed' })).toEqual([{ pointer: '/resolution', detail }]);
  });
});

describe('a note of its own', () => {
  it('is needed and not empty', () => {
    expect(parseShape(NoteBody, { note: 'called the vendor' }, 'invalid_request')).toEqual({ note: 'called the vendor' });
    expect(faultsOf(NoteBody, {})).toEqual([{ pointer: '/note', detail: 'is required' }]);
    expect(faultsOf(NoteBody, { note: null })).toEqual([{ pointer: '/note', detail: 'must be a string' }]);
    expect(faultsOf(NoteBody, { note: 'x', id: ID })).toEqual([{ pointer: '/id', detail: 'is not a known field' }]);
  });
});
