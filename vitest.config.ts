import { defineConfig } from 'vitest/config';

const project = (name: string, timeout: number, extra: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeout,
    hookTimeout: timeout,
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
    projects: [
      project('unit', 60_000),
      project('oracle', 300_000, { pool: 'forks' }),
      project('ui', 300_000, { fileParallelism: false, pool: 'forks' }),
    ],
  },
});
