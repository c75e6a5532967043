// npm run mutation: plants faults (Stryker) in the modules where mistakes are most costly and counts how many the unit tests find.
// `npm run mutation -- rpc knapsack` does so for some of the modules.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, env, execPath, exit } from 'node:process';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';

const ampq = (...names) => names.map((name) => `src/ampq/${name}.ts`);

/**
 * Sources in which faults are planted, and the tests (folders or files) that must find them: fast ones, as each runs
 * hundreds of times. Tests that start processes, or that solve or write large models, are not listed if others suffice.
 */
const modules = {
  rpc: { sources: ['src/protocol/rpc.ts', 'src/protocol/exactJson.ts'], tests: ['test/unit/protocol'] },
  engine: {
    sources: ['src/engine/client.ts', 'src/engine/clientProcess.ts'],
    tests: ['test/unit/engine/clientProcesses.test.ts', 'test/unit/engine/clientOwner.test.ts'],
  },
  models: { sources: ['src/engine/models.ts'], tests: ['test/unit/engine/models.test.ts'] },
  sessions: {
    sources: [
      ...[
        'modelSession',
        'planning',
        'sensitivityJob',
        'comparisons',
        'devices',
        'evaluationSession',
        'sessions',
        'status',
      ],
      'editor/editors',
    ].map((name) => `src/vscode/${name}.ts`),
    tests: ['test/unit/vscode'],
  },
  stores: {
    sources: [
      ...ampq('store'),
      'src/engine/evaluation/resultStore.ts',
      'src/files/sealedLines.ts',
      'src/model/sealedJson.ts',
      'src/quant/algorithms.ts',
    ],
    tests: [
      'test/unit/ampq/store.test.ts',
      'test/unit/engine/resultStore.test.ts',
      'test/unit/model/sealedJson.test.ts',
      'test/unit/quant/algorithms.test.ts',
    ],
  },
  knapsack: {
    sources: ampq('knapsack', 'knapsackClasses', 'knapsackSearch'),
    tests: ['', 'Classes', 'Search'].map((part) => `test/unit/ampq/knapsack${part}.test.ts`),
  },
  solve: {
    sources: ampq('solve', 'planFile'),
    tests: ['test/unit/ampq/solve.test.ts', 'test/unit/ampq/planFile.test.ts'],
  },
  writer: {
    sources: ['atomicFile', 'commitTogether', 'target', 'inputs'].map((name) => `src/files/${name}.ts`),
    tests: ['test/unit/files'],
  },
  plan: {
    sources: ['src/exporter/plan.ts', 'src/exporter/plan/tensor.ts', 'src/exporter/plan/plannedTypes.ts'],
    tests: ['test/unit/exporter/plan', 'test/unit/exporter/oddTensors.test.ts'],
  },
};

const wanted = argv.slice(2);
const strange = wanted.filter((name) => !(name in modules));
if (strange.length > 0) {
  console.error(
    `Unknown module: ${strange.join(', ')}. The modules are: ${Object.keys(modules).join(', ')}.`,
  );
  exit(2);
}
ensureDependencies();
ensureAddon();
ensureBundles();

const report = join(root, 'test-results', 'mutation.json');
const found = ['Killed', 'Timeout'];
const missed = ['Survived', 'NoCoverage'];
/** The test runner itself failed: whether the tests find the fault is not known. */
const unknown = ['RuntimeError', 'CompileError'];
const total = { found: 0, planted: 0, failed: 0 };
const lines = [];
for (const [name, { sources, tests }] of Object.entries(modules)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const stryker = join(root, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js');
  const { status } = spawnSync(execPath, [stryker, 'run', '--mutate', sources.join(',')], {
    cwd: root,
    stdio: 'inherit',
    env: { ...env, QUANTSCOPE_MUTATION_TESTS: tests.join(',') },
  });
  if (status !== 0) exit(status ?? 1);
  const { files } = JSON.parse(readFileSync(report, 'utf8'));
  const states = Object.values(files).flatMap(({ mutants }) => mutants.map(({ status: state }) => state));
  const count = (kinds) => states.filter((state) => kinds.includes(state)).length;
  const planted = count([...found, ...missed]);
  const counts = { found: count(found), planted, failed: count(unknown) };
  lines.push(row(name, counts));
  for (const key of Object.keys(total)) total[key] += counts[key];
}
console.log(['', ...lines, row('all', total)].join('\n'));

function row(name, { found, planted, failed }) {
  const share = ((100 * found) / planted).toFixed(1);
  const left = failed === 0 ? '' : `; ${failed} more stopped the test runner`;
  return `${name.padEnd(10)} ${found} of ${planted} faults found (${share} %)${left}`;
}
