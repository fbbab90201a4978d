// A replay beside a running service: bounded in what it reads, and nobody waits longer than for a slice of it.

import { describe, expect, it } from 'vitest';
import { replayRecent } from '../../src/http/trial.ts';
import { type History, createHistory } from '../support/history.ts';
import { policyOf } from '../support/policies.ts';

const POLICY = policyOf('rules: {prompt_injection: {auto_contain: true, actions: [freeze_agent, log_alert]}}');

/** The records of a history as the store has them, after `pruned` of them have gone; and how many were read of it. */
function recordsOf(history: History, pruned = 0) {
  const lines = history.lines();
  const read = { count: 0, length: 0 };
  const one = (seq: number) => {
    const line = lines[seq - 1] ?? '';
    read.count += 1;
    read.length += line.length;
    return line;
  };
  return {
    read,
    head: () => ({ seq: lines.length, hash: '', ts: '' }),
    first: () => pruned + 1,
    line: one,
    after: (seq: number, limit: number) =>
      Array.from({ length: Math.min(limit, lines.length - seq) }, (_, i) => ({ seq: seq + i + 1, line: one(seq + i + 1) })),
  };
}

const stays = () => false;

describe('what is read', () => {
  it('is everything there is of a short history, and it says so', async () => {
    const history = createHistory();
    for (let i = 0; i < 30; i += 1) history.report();
    const { records, reports } = await replayRecent(recordsOf(history), POLICY, stays);
    expect({ records, reports }).toEqual({ records: { first: 1, last: 30, cut: false }, reports: 30 });
  });

  it('is nothing of an empty one', async () => {
    const { records, reports } = await replayRecent(recordsOf(createHistory()), POLICY, stays);
    expect({ records, reports }).toEqual({ records: { first: 1, last: 0, cut: false }, reports: 0 });
  });

  it('is what is left of one that was pruned', async () => {
    const history = createHistory();
    for (let i = 0; i < 30; i += 1) history.report();
    const { records, reports } = await replayRecent(recordsOf(history, 10), POLICY, stays);
    expect({ records, reports }).toEqual({ records: { first: 11, last: 30, cut: false }, reports: 20 });
  });

  it('is no more than 1,000 incidents, whatever stands between them', async () => {
    const history = createHistory();
    for (let i = 0; i < 1200; i += 1) {
      const id = history.report();
      history.add('incident.noted', id, { note: 'seen', request: null });
    }
    const { records, reports } = await replayRecent(recordsOf(history), POLICY, stays);
    expect({ records, reports }).toEqual({ records: { first: 401, last: 2400, cut: true }, reports: 1000 });
  });

  it('is no more than 20,000 records of one incident that is reported all the time', async () => {
    const history = createHistory();
    const id = history.report();
    for (let i = 0; i < 25_000; i += 1) history.add('incident.noted', id, { note: 'seen', request: null });
    const records = recordsOf(history);
    expect((await replayRecent(records, POLICY, stays)).records).toEqual({ first: 5002, last: 25_001, cut: true });
    expect(records.read.count).toBeLessThanOrEqual(40_001);
  });

  it('is no more than 16 MiB', async () => {
    const history = createHistory();
    const evidence = Object.fromEntries(['a', 'b', 'c'].map((key) => [key, 'x'.repeat(16_000)]));
    for (let i = 0; i < 500; i += 1) history.report({ evidence });
    const records = recordsOf(history);
    const { reports } = await replayRecent(records, POLICY, stays);
    expect(reports).toBeLessThan(400);
    expect(records.read.length).toBeLessThan(2 * 16.2 * 1024 * 1024);
  });
});

it('gives everybody else a turn every few milliseconds', async () => {
  const history = createHistory();
  let id = '';
  for (let i = 0; i < 15_000; i += 1) id = history.report({ description: `${i}` }, {}, i % 20 === 0 ? undefined : id);
  let turns = 0;
  let over = false;
  const turn = () => {
    turns += 1;
    if (!over) setImmediate(turn);
  };
  turn();
  const before = process.cpuUsage();
  await replayRecent(recordsOf(history), POLICY, stays);
  over = true;
  const { user, system } = process.cpuUsage(before);
  // In processor time: whatever else the machine does meanwhile, a slice takes no more of it than that on average.
  expect((user + system) / 1000 / turns).toBeLessThan(20);
});

it('ends when nobody waits for it any more', async () => {
  const history = createHistory();
  for (let i = 0; i < 5000; i += 1) history.report({ description: `${i}` });
  const records = recordsOf(history);
  await expect(replayRecent(records, POLICY, () => true)).rejects.toMatchObject({ code: 'malformed_request' });
  expect(records.read.count).toBeLessThan(2000);
});
