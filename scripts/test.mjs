// npm test: sets everything up, then runs the suites: unit, oracle, native (the kernels under sanitizers, a fuzzer and an
// emulator), host (inside VS Code), ui (VS Code in a browser).
// `npm test -- unit oracle` runs some of them, `npm test -- unit knapsack plan` only the test files of a suite whose path contains
// one of the words. The last line counts the tests.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath, exit } from 'node:process';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';

const results = join(root, 'test-results');

/** Each suite: the command that runs it, the JSON file to which it writes its counts, and whether it needs more than the addon. */
const suites = {
  unit: vitest('unit', false),
  oracle: vitest('oracle', true),
  native: { args: ['scripts/native-checks.mjs'], report: join(results, 'native.json'), needsTools: true },
  host: { args: ['test/host/run.mjs'], report: join(results, 'host.json'), needsTools: true },
  ui: vitest('ui', true),
};

function vitest(project, needsTools) {
  const report = join(results, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return {
    args: ['node_modules/vitest/vitest.mjs', 'run', '--project', project, ...reporters],
    ...{ report, needsTools, takesFiles: true },
  };
}

function run(program, args) {
  return new Promise((resolve) => {
    spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).on('close', resolve);
  });
}

/** Occurs in tests that start the engine or the command line, or pack the extension. */
const startsOurs = /\b(engine|cli|package)\.mjs\b/;

/** Arguments that skip the test files that load the addon, if it cannot be built. */
async function withoutAddon() {
  const { build } = await import('esbuild');
  const folder = join(root, 'test', 'unit');
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.test.ts'));
  const needing = [];
  for (const name of files) {
    const { metafile } = await build({
      entryPoints: [join(folder, name)],
      ...{
        bundle: true,
        write: false,
        metafile: true,
        platform: 'node',
        packages: 'external',
        logLevel: 'error',
      },
      absWorkingDir: root,
    });
    const inputs = Object.keys(metafile.inputs).filter((file) => !file.includes('node_modules'));
    const startsProgram = () =>
      inputs.some((file) => startsOurs.test(readFileSync(join(root, file), 'utf8')));
    if (inputs.includes('src/native.ts') || startsProgram()) needing.push(name);
  }
  console.log(`Skipped: ${needing.length} of ${files.length} test files need the native addon.`);
  return needing.map((name) => `--exclude=test/unit/${name}`);
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

/**
 * Runs suites one after another and counts their tests.
 * @param names suites
 * @param files words: only test files whose path contains one of them are run; without any, all are
 * @param without folders of unit tests that are left out
 * @param node program that runs the tests
 */
export async function runTests(names, { files = [], without = [], node = execPath } = {}) {
  ensureDependencies();
  const needsTools = names.some((name) => suites[name].needsTools);
  const hasAddon = ensureAddon({ optional: !needsTools });
  ensureBundles();
  if (needsTools) {
    const { ensureTestTools } = await import('./setup-tests.mjs');
    await ensureTestTools();
  }
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const name of names) {
    console.log(`\n== ${name} tests`);
    const started = Date.now();
    const excluded = without.map((folder) => `--exclude=test/unit/${folder}/**`);
    const extra = [...(hasAddon ? [] : await withoutAddon()), ...excluded, ...files];
    const code = await run(node, [...suites[name].args, ...extra]);
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
  const given = argv.slice(2);
  const names = given.filter((name) => name in suites);
  const files = given.filter((name) => !(name in suites));
  if (files.length > 0 && !names.every((name) => suites[name].takesFiles)) {
    console.error(
      `Only these suites accept names of test files: unit, oracle, ui. The suites are: ${Object.keys(suites).join(', ')}.`,
    );
    exit(2);
  }
  const chosen = names.length > 0 ? names : files.length > 0 ? ['unit'] : Object.keys(suites);
  const total = await runTests(chosen, { files });
  console.log(`\n${summary(total)}`);
  exit(total.failed === 0 ? 0 : 1);
}
