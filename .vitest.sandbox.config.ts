import { defineConfig } from 'vitest/config';

// In a real systemd, at a tenth of a CPU: what takes seconds elsewhere takes a minute here.
export default defineConfig({
  test: {
    include: ['test/sandboxed/**/*.test.ts'],
    globalSetup: ['test/sandboxed/release.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
