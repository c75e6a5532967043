import { defineConfig } from 'vitest/config';

const project = (name: string, timeout: number, extra: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeout,
    hookTimeout: timeout,
    ...extra,
  },
});

/** `unit` needs only the addon; `oracle` llama.cpp and ONNX Runtime; `ui` a real VS Code in a browser. */
export default defineConfig({
  test: {
    projects: [
      project('unit', 60_000),
      project('oracle', 300_000, { pool: 'forks' }),
      project('ui', 300_000, { fileParallelism: false, pool: 'forks' }),
    ],
  },
});
