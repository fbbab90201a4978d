// Requests that wait: how many may, what wakes them, and that none is left over.

import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type WaitingRoom, type Wish, createWaitingRoom } from '../../src/http/waiting.ts';
import { createTestBell } from '../support/doors.ts';

/** As much of an answer as a wait knows of it. */
function anAnswer(): EventEmitter & { closed: boolean; leave: () => void } {
  const answer = Object.assign(new EventEmitter(), {
    closed: false,
    leave() {
      answer.closed = true;
      answer.emit('close');
    },
  });
  return answer;
}

const asOutgoing = (answer: EventEmitter) => answer as unknown as ServerResponse;

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function openRoom(max = 16, maxEach = 4) {
  const bell = createTestBell();
  const room = createWaitingRoom({ bell, max, maxEach });
  return { bell, room };
}

/** A wish, and what became of it. */
function wait(room: WaitingRoom, more: Partial<Wish> = {}) {
  const answer = anAnswer();
  const outcome: { is: string | null; error: unknown } = { is: null, error: null };
  const wish: Wish = { who: 'a', topic: 'incident 1', ms: 1000, outgoing: asOutgoing(answer), look: () => Infinity, ...more };
  const ended = room.until(wish).then(
    (waited) => (outcome.is = waited),
    (error: unknown) => (outcome.error = error),
  );
  return { answer, outcome, ended };
}

describe('a wait', () => {
  it('is none where there is nothing to wait for, and none where nobody wants to', async () => {
    const { bell, room } = openRoom();
    expect(await room.until({ who: 'a', topic: 't', ms: 1000, outgoing: asOutgoing(anAnswer()), look: () => true })).toBe('done');
    expect(await room.until({ who: 'a', topic: 't', ms: 0, outgoing: asOutgoing(anAnswer()), look: () => Infinity })).toBe('over');
    const left = anAnswer();
    left.leave();
    expect(await room.until({ who: 'a', topic: 't', ms: 1000, outgoing: asOutgoing(left), look: () => Infinity })).toBe('gone');
    expect([room.size, bell.listening, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('ends with the ring after which there is nothing more to wait for, and not before', async () => {
    const { bell, room } = openRoom();
    let over = false;
    const looks = vi.fn(() => over || Infinity);
    const { outcome, ended } = wait(room, { look: looks });
    bell.ring('incident 2');
    bell.ring('incident 1');
    await vi.advanceTimersByTimeAsync(10);
    expect([outcome.is, looks.mock.calls.length, room.size]).toEqual([null, 2, 1]);
    over = true;
    bell.ring('incident 1');
    await vi.advanceTimersByTimeAsync(1);
    await ended;
    expect([outcome.is, looks.mock.calls.length]).toEqual(['done', 3]);
    expect([room.size, bell.listening, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('is over with its time, when it looks once more', async () => {
    const { bell, room } = openRoom();
    let over = false;
    const late = wait(room, { look: () => over || Infinity });
    const never = wait(room);
    await vi.advanceTimersByTimeAsync(998);
    expect([late.outcome.is, never.outcome.is]).toEqual([null, null]);
    over = true;
    await vi.advanceTimersByTimeAsync(3);
    expect([late.outcome.is, never.outcome.is]).toEqual(['done', 'over']);
    expect([room.size, bell.listening, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('looks by itself when it was told when, and again when that was too early', async () => {
    const { room } = openRoom();
    const answers = [300, 200, true] as const;
    const looks = vi.fn(() => answers[looks.mock.calls.length - 1] ?? true);
    const { outcome } = wait(room, { look: looks });
    await vi.advanceTimersByTimeAsync(299);
    expect(looks).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2);
    expect(looks).toHaveBeenCalledTimes(2);
    await vi.advanceTimersByTimeAsync(201);
    expect([looks.mock.calls.length, outcome.is]).toEqual([3, 'done']);
  });

  it('that is told to look at once, over and over, turns no faster than the clock', async () => {
    const { room } = openRoom();
    const looks = vi.fn(() => -5);
    const { outcome } = wait(room, { ms: 50, look: looks });
    await vi.advanceTimersByTimeAsync(60);
    expect(outcome.is).toBe('over');
    expect(looks.mock.calls.length).toBeLessThanOrEqual(52);
  });

  it('looks once however often it rings in one turn', async () => {
    const { bell, room } = openRoom();
    const looks = vi.fn(() => Infinity);
    wait(room, { look: looks });
    for (let i = 0; i < 1000; i += 1) bell.ring('incident 1');
    expect(looks).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(looks).toHaveBeenCalledTimes(2);
    room.close();
  });

  it('ends at once when its client leaves, and nothing is looked at for it any more', async () => {
    const { bell, room } = openRoom();
    const looks = vi.fn(() => Infinity);
    const { answer, outcome, ended } = wait(room, { look: looks });
    bell.ring('incident 1');
    answer.leave();
    await ended;
    expect(outcome.is).toBe('gone');
    await vi.advanceTimersByTimeAsync(2000);
    expect(looks).toHaveBeenCalledTimes(1);
    expect([room.size, bell.listening, answer.listenerCount('close'), vi.getTimerCount()]).toEqual([0, 0, 0, 0]);
  });

  it('fails with what looking fails with, at first and later, and leaves nothing over', async () => {
    const { bell, room } = openRoom();
    const broken = new Error('broken');
    const first = wait(room, {
      look() {
        throw broken;
      },
    });
    await first.ended;
    expect(first.outcome.error).toBe(broken);
    let fails = false;
    const later = wait(room, {
      look() {
        if (fails) throw broken;
        return Infinity;
      },
    });
    fails = true;
    bell.ring('incident 1');
    await vi.advanceTimersByTimeAsync(1);
    expect(later.outcome.error).toBe(broken);
    expect([room.size, bell.listening, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });
});

describe('a waiting room', () => {
  it('has room for so many, and for so many of one: over that a wait is cut short, and there is room again when one ends', async () => {
    const { room } = openRoom(6, 4);
    const own = Array.from({ length: 4 }, () => wait(room));
    const fifth = wait(room);
    await fifth.ended;
    expect([fifth.outcome.is, room.size]).toEqual(['cut', 4]);
    const others = [wait(room, { who: 'b' }), wait(room, { who: 'c' })];
    const seventh = wait(room, { who: 'd' });
    await seventh.ended;
    expect([seventh.outcome.is, room.size]).toEqual(['cut', 6]);
    own[0]?.answer.leave();
    await own[0]?.ended;
    const next = wait(room, { who: 'd' });
    await vi.advanceTimersByTimeAsync(1);
    expect([next.outcome.is, room.size]).toEqual([null, 6]);
    await vi.advanceTimersByTimeAsync(1001);
    expect([...own.slice(1), ...others, next].map(({ outcome }) => outcome.is)).toEqual(Array.from({ length: 6 }, () => 'over'));
    expect(room.size).toBe(0);
  });

  it('lets all go at once when it closes, and takes nobody in from then on', async () => {
    const { bell, room } = openRoom();
    const waits = ['a', 'b', 'c'].map((who) => wait(room, { who }));
    room.close();
    await Promise.all(waits.map(({ ended }) => ended));
    expect(waits.map(({ outcome }) => outcome.is)).toEqual(['cut', 'cut', 'cut']);
    const late = wait(room);
    await late.ended;
    expect(late.outcome.is).toBe('cut');
    expect([room.size, bell.listening, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('in any life of it keeps its bounds, ends each wait once and for its own reason, and is empty in the end', async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('come' as const),
        who: fc.constantFrom('a', 'b', 'c'),
        ms: fc.integer({ min: 0, max: 50 }),
        topic: fc.constantFrom('x', 'y'),
      }),
      fc.record({ kind: fc.constant('leave' as const), n: fc.nat(30) }),
      fc.record({ kind: fc.constant('happen' as const), topic: fc.constantFrom('x', 'y'), n: fc.nat(30) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 30 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, closes) => {
        const { bell, room } = openRoom(5, 3);
        const waits: {
          over: boolean;
          left: boolean;
          readonly topic: string;
          readonly who: string;
          readonly is: () => string | null;
          leave: () => void;
        }[] = [];
        for (const each of steps) {
          if (each.kind === 'come') {
            const own = { over: false, left: false, topic: each.topic, who: each.who };
            const { answer, outcome } = wait(room, { ...each, look: () => own.over || Infinity });
            waits.push(Object.assign(own, { is: () => outcome.is, leave: answer.leave }));
          } else if (each.kind === 'leave') {
            const one = waits[each.n];
            if (one?.is() === null) one.left = true;
            one?.leave();
          } else if (each.kind === 'happen') {
            const one = waits[each.n];
            if (one) one.over = true;
            bell.ring(each.topic);
          } else await vi.advanceTimersByTimeAsync(each.ms);
          await vi.advanceTimersByTimeAsync(0);
          const waiting = waits.filter(({ is }) => is() === null);
          expect(room.size).toBeLessThanOrEqual(5);
          expect([room.size, bell.listening]).toEqual([waiting.length, waiting.length]);
          for (const who of ['a', 'b', 'c']) expect(waiting.filter((one) => one.who === who).length).toBeLessThanOrEqual(3);
          // Whose wish came true when it rang for it does not wait on.
          if (each.kind === 'happen') expect(waiting.filter(({ over, topic }) => over && topic === each.topic)).toEqual([]);
        }
        if (closes) room.close();
        await vi.advanceTimersByTimeAsync(100);
        for (const { left, is } of waits) expect(left ? ['gone'] : ['done', 'over', 'cut', 'gone']).toContain(is());
        expect([room.size, bell.listening, vi.getTimerCount()]).toEqual([0, 0, 0]);
      }),
      { numRuns: 150 },
    );
  });
});
