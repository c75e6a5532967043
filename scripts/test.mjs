// npm test: sets everything up, then runs the suites: unit, oracle, native (the kernels under sanitizers, a fuzzer and an
// emulator), host (inside VS Code), ui (VS Code in a browser).
// `npm test -- unit oracle` runs some of them. The last line counts the tests.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath, exit } from 'node:process';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';

const results = join(root, 'test-results');

/** Each suite: the command that runs it, and the JSON file in which it leaves its counts. */
const suites = {
  unit: vitest('unit'),
  oracle: vitest('oracle'),
  native: { args: ['scripts/native-checks.mjs'], report: join(results, 'native.json') },
  host: { args: ['test/host/run.mjs'], report: join(results, 'host.json') },
  ui: vitest('ui'),
};

function vitest(project) {
  const report = join(results, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return { args: ['node_modules/vitest/vitest.mjs', 'run', '--project', project, ...reporters], report };
}

function run(args) {
  return new Promise((resolve) => {
    spawn(execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).on('close', resolve);
  });
}

/** Both runners write numPassedTests and numFailedTests; a file that did not load fails without a test. */
function counts(report, code) {
  const json = readJson(report);
  if (!json) return { passed: 0, failed: 1, skipped: 0 };
  const unloaded = (json.testResults ?? []).filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  const failed = json.numFailedTests + unloaded.length;
  return {
    passed: json.numPassedTests,
    failed: code !== 0 && failed === 0 ? 1 : failed,
    skipped: json.numPendingTests ?? 0,
  };
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

export async function runTests(names) {
  await ensureDependencies();
  await ensureAddon();
  await ensureBundles();
  const { ensureTestTools } = await import('./setup-tests.mjs');
  await ensureTestTools();
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    console.log(`\n== ${name} tests`);
    const started = Date.now();
    const code = await run(suites[name].args);
    const suite = counts(suites[name].report, code);
    for (const key of Object.keys(total)) total[key] += suite[key];
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    console.log(
      `== ${name}: ${suite.passed} passed, ${suite.failed} failed, ${suite.skipped} skipped in ${seconds} s`,
    );
  }
  return total;
}

export function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

if (argv[1] === import.meta.filename || argv[1]?.endsWith('scripts/test.mjs')) {
  const names = argv.length > 2 ? argv.slice(2) : Object.keys(suites);
  const unknown = names.filter((name) => !(name in suites));
  if (unknown.length > 0) {
    console.error(`Unknown suite: ${unknown.join(', ')}. There are: ${Object.keys(suites).join(', ')}.`);
    exit(2);
  }
  const total = await runTests(names);
  console.log(`\n${summary(total)}`);
  exit(total.failed === 0 ? 0 : 1);
}
