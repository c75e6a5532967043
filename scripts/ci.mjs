// What CI runs: types, lint and import rules, packaging, the demo, all tests, and the unit tests of what depends on Node again on the
// oldest supported one. Ends with what failed and the test counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exit } from 'node:process';
import { installedNode } from './node.mjs';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';
import { runTests, summarize } from './test.mjs';

/**
 * Folders of unit tests that are run on the newest Node only: what they test computes, by the language and the addon, which is the same file for every
 * Node. On the oldest one it runs within the tests of the command line and of the engine.
 */
const computing = [
  ...['adapters', 'ampq', 'analysis', 'architectures', 'evaluation', 'exporter', 'layouts'],
  ...['quant', 'recipes', 'refinement', 'tokenizer', 'webview'],
];

const packages = mkdtempSync(join(tmpdir(), 'quantscope-package-'));
const checks = [
  { name: 'types', command: ['npm', 'run', '--silent', 'typecheck'] },
  { name: 'lint and import rules', command: ['npm', 'run', '--silent', 'lint'] },
  { name: 'packaging', command: ['node', 'scripts/package.mjs', '--out', packages] },
  { name: 'demo', command: ['node', 'scripts/demo.mjs'] },
];

ensureDependencies();
ensureAddon();
ensureBundles();
const broken = [];
for (const { name, command } of checks) {
  console.log(`== ${name}`);
  const { status } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error(`== ${name}: FAILED`);
    broken.push(name);
  }
}
rmSync(packages, { recursive: true, force: true });
const oldest = await runTests(['unit'], { node: installedNode(22), without: computing });
const newest = await runTests(['unit', 'oracle', 'native', 'host', 'ui']);
exit(
  summarize({
    passed: oldest.passed + newest.passed + checks.length - broken.length,
    failures: [...broken, ...oldest.failures.map((failure) => `oldest Node: ${failure}`), ...newest.failures],
    skipped: newest.skipped,
  }),
);
