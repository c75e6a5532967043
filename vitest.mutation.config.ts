import { defineConfig } from 'vitest/config';

const paths = (process.env['QUANTSCOPE_MUTATION_TESTS'] ?? 'test/unit').split(',');

/** The unit tests of one module, as the mutation runner needs them: a project without a name of its own. */
export default defineConfig({
  test: {
    include: paths.map((path) => (path.endsWith('.ts') ? path : `${path}/**/*.test.ts`)),
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
