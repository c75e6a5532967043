import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longestFirst';

/**
 * Milliseconds. The limits end what hangs and judge no speed: a test on a machine that is slow or busy may take many times what it takes elsewhere, so no
 * test has a shorter limit of its own.
 */
const limits = { test: 600_000, poll: 120_000 };

const project = (name: string, extra: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: limits.test,
    hookTimeout: limits.test,
    expect: { poll: { timeout: limits.poll } },
    setupFiles: ['test/support/setup.ts'],
    globalSetup: ['test/support/runFolder.ts'],
    ...extra,
  },
});

// Tests that load ONNX Runtime directly must not start its telemetry either; workers inherit this process's environment.
process.env['ORT_DISABLE_TELEMETRY'] = '1';

/** `unit` needs only the addon; `oracle` llama.cpp and ONNX Runtime; `ui` a real VS Code in a browser. */
export default defineConfig({
  test: {
    // Vitest leaves one core free, which on two cores is half of them.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit'),
      project('oracle', { pool: 'forks' }),
      project('ui', { fileParallelism: false, pool: 'forks' }),
    ],
  },
});
