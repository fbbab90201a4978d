// What systemd is told: that it serves, that it lives, that it ends; and that the service hangs on none of it.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSupervisor } from '../src/notify.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A socket that takes messages, until it is said to be full. */
function openSocket() {
  const messages: string[] = [];
  const socket = {
    messages,
    isFull: false,
    write(_: number, message: string) {
      if (socket.isFull) throw Object.assign(new Error('EAGAIN'), { code: 'EAGAIN' });
      messages.push(message);
    },
    take: () => messages.splice(0),
  };
  return socket;
}

describe('a supervised service', () => {
  it('asks for patience while it starts, then says that it serves, that it lives, and that it ends', () => {
    const socket = openSocket();
    const supervisor = createSupervisor({ fd: 3, watchdog_ms: 30_000, write: socket.write });
    vi.advanceTimersByTime(20_000);
    expect(socket.take()).toEqual(['EXTEND_TIMEOUT_USEC=60000000\n', 'EXTEND_TIMEOUT_USEC=60000000\n']);
    supervisor.ready(() => 'ok');
    expect(socket.take()).toEqual(['READY=1\nWATCHDOG=1\nSTATUS=ok\n']);
    vi.advanceTimersByTime(10_000);
    expect(socket.take()).toEqual(['WATCHDOG=1\nSTATUS=ok\n']);
    supervisor.reloading();
    supervisor.ready(() => 'reload refused: a\nb');
    expect(socket.take()).toEqual(['RELOADING=1\n', 'READY=1\nWATCHDOG=1\nSTATUS=reload refused: a b\n']);
    supervisor.stopping();
    vi.advanceTimersByTime(60_000);
    expect(socket.take()).toEqual(['STOPPING=1\nSTATUS=finishing what was accepted\n']);
  });

  it('gives at least three signs of life in the time that systemd waits for one', () => {
    const socket = openSocket();
    createSupervisor({ fd: 3, watchdog_ms: 3_000, write: socket.write }).ready(() => 'ok');
    vi.advanceTimersByTime(3_000);
    expect(socket.take()).toHaveLength(1 + 3);
  });

  it('loses nothing that the socket had no room for: it goes with the next, each name once', () => {
    const socket = openSocket();
    const supervisor = createSupervisor({ fd: 3, watchdog_ms: null, write: socket.write });
    socket.isFull = true;
    let status = 'one';
    expect(() => supervisor.ready(() => status)).not.toThrow();
    vi.advanceTimersByTime(10_000);
    status = 'two';
    socket.isFull = false;
    vi.advanceTimersByTime(10_000);
    expect(socket.take()).toEqual(['READY=1\nWATCHDOG=1\nSTATUS=two\n']);
  });

  it('tells nobody when nobody listens', () => {
    const socket = openSocket();
    const supervisor = createSupervisor({ fd: null, watchdog_ms: null, write: socket.write });
    supervisor.ready(() => 'ok');
    vi.advanceTimersByTime(60_000);
    supervisor.stopping();
    expect(socket.take()).toEqual([]);
  });
});
