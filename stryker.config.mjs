// Mutation tests: scripts/mutation.mjs names sources and tests. Texts are not changed: their wording is not behaviour.
/** @type {import('@stryker-mutator/api/core').PartialStrykerOptions} */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  coverageAnalysis: 'perTest',
  mutator: { excludedMutations: ['StringLiteral'] },
  reporters: ['clear-text', 'json'],
  clearTextReporter: { reportTests: false, reportScoreTable: true },
  jsonReporter: { fileName: 'test-results/mutation.json' },
  tempDirName: 'test-results/stryker',
  concurrency: 2,
  timeoutMS: 30_000, // a fault counts as found when its tests never end, not when the machine is busy
  timeoutFactor: 1.5,
  ignorePatterns: ['/build', '/docs', '/media', '/native', '/test-results', '/demo-output', '*.vsix'],
  ignoreStatic: true,
};
