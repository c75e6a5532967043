// What CI runs: types, lint and import rules, packaging, the demo, all tests, and the unit tests of what depends on Node again on the
// oldest supported one. Ends with what failed and the test counts.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exit } from 'node:process';
import { installedNode } from './node.mjs';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';
import { runTests, summarize } from './test.mjs';

/**
 * Unit tests that are run on the newest Node only: what they test computes, by the language and the addon, which is the same file for every
 * Node. On the oldest one it runs within the tests of the command line and of the engine's processes.
 */
const computing = [
  ...['adapters', 'ampq', 'analysis', 'architectures', 'evaluation', 'exporter', 'graph/transformer'],
  ...['layouts', 'quant', 'recipes', 'refinement', 'tokenizer', 'webview'],
].map((folder) => `${folder}/**`);
/** The engine's jobs without a process of theirs: passes over models and the figures of these. */
const jobs = [
  ...['calibration', 'certifyPlan', 'chat', 'chooseGains', 'embedding*', 'evaluation', 'evaluationResults'],
  ...['evidence', 'gains', 'optimised*', 'planImatrix', 'preview', 'recipeEvaluation', 'refinement'],
  ...['sampledGains', 'twoSidedExport'],
].map((name) => `engine/${name}.test.ts`);

const packages = mkdtempSync(join(tmpdir(), 'quantscope-package-'));
/** Each list runs beside the others, as every check uses one processor: packaging builds what the demo runs. */
const checks = [
  [{ name: 'lint and import rules', command: ['npm', 'run', '--silent', 'lint'] }],
  [
    { name: 'types', command: ['npm', 'run', '--silent', 'typecheck'] },
    { name: 'packaging', command: ['node', 'scripts/package.mjs', '--out', packages] },
    { name: 'demo', command: ['node', 'scripts/demo.mjs'] },
  ],
];

/** Runs a check, then prints what it wrote. @returns whether it passed. */
async function passes({ name, command }) {
  const started = Date.now();
  let output = '';
  const child = spawn(command[0], command.slice(1), { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  const status = await new Promise((resolve) => {
    child.on('error', (error) => resolve(String(error)));
    child.on('close', resolve);
  });
  const passed = status === 0;
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  console.log(`== ${name}: ${passed ? 'passed' : `FAILED (${status})`} in ${seconds} s\n${output}`);
  return passed;
}

ensureDependencies();
ensureAddon();
ensureBundles();
const broken = [];
const inOrder = async (list) => {
  for (const check of list) if (!(await passes(check))) broken.push(check.name);
};
await Promise.all(checks.map(inOrder));
rmSync(packages, { recursive: true, force: true });
const oldest = await runTests(['unit'], { node: installedNode(22), without: [...computing, ...jobs] });
const newest = await runTests(['unit', 'oracle', 'native', 'host', 'ui']);
exit(
  summarize({
    passed: oldest.passed + newest.passed + checks.flat().length - broken.length,
    failures: [...broken, ...oldest.failures.map((failure) => `oldest Node: ${failure}`), ...newest.failures],
    skipped: newest.skipped,
  }),
);
