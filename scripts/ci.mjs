// What CI runs: types, lint and import rules, packaging, the demo, all tests, and the unit tests again on the oldest supported
// Node. Ends with the test counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exit } from 'node:process';
import { installedNode } from './node.mjs';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';
import { runTests, summary } from './test.mjs';

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
let broken = 0;
for (const { name, command } of checks) {
  console.log(`== ${name}`);
  const { status } = spawnSync(command[0], command.slice(1), {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) {
    console.error(`== ${name}: FAILED`);
    broken += 1;
  }
}
rmSync(packages, { recursive: true, force: true });
const oldest = await runTests(['unit'], { node: installedNode(22) });
const newest = await runTests(['unit', 'oracle', 'native', 'host', 'ui']);
const total = {
  passed: oldest.passed + newest.passed + checks.length - broken,
  failed: oldest.failed + newest.failed + broken,
  skipped: newest.skipped,
};
console.log(`\n${summary(total)}`);
exit(total.failed === 0 ? 0 : 1);
