import { defineConfig } from 'vitest/config';

const folders = (process.env['QUANTSCOPE_MUTATION_TESTS'] ?? 'test/unit').split(',');

/** The unit tests of one module, as the mutation runner needs them: a project without a name of its own. */
export default defineConfig({
  test: {
    include: folders.flatMap((path) => [`${path}/**/*.test.ts`, `${path}*.test.ts`]),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
