// npm test: sets everything up, then runs the suites: unit, oracle, native (the kernels under sanitizers, a fuzzer and an
// emulator), host (inside VS Code), ui (VS Code in a browser).
// `npm test -- unit oracle` runs some of them, `npm test -- unit knapsack plan` only the test files of a suite whose path contains
// one of the words. The last line counts the tests.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { argv, execPath, exit } from 'node:process';
import { ensureAddon, ensureBundles, ensureDependencies, root } from './prepare.mjs';

const results = join(root, 'test-results');

/** Each suite: the command that runs it, the JSON file to which it writes its counts, and whether it needs more than the addon. */
const suites = {
  unit: vitest('unit', false),
  oracle: vitest('oracle', true),
  native: { args: ['scripts/native-checks.mjs'], report: join(results, 'native.json'), needsTools: true },
  host: {
    args: ['test/host/run.mjs'],
    ...{ report: join(results, 'host.json'), needsTools: true, takesFiles: true },
  },
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

/** All runners write numPassedTests and numFailedTests; a file that did not load fails without a test. */
function counts(report, code) {
  const json = readJson(report);
  if (!json) return { passed: 0, failures: ['the suite ended without a report'], skipped: 0 };
  const failures = failuresIn(json);
  if (code !== 0 && failures.length === 0) failures.push(`the suite ended with status ${code}`);
  return { passed: json.numPassedTests, failures, skipped: json.numPendingTests ?? 0 };
}

/** A text for each failed test of a report: vitest lists files with their tests, the other runners a list of tests. */
function failuresIn({ testResults = [], tests = [] }) {
  const ofFiles = testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(root, name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (status === 'failed' && failed.length === 0) return [failureText(file, message)];
    return failed.map(({ fullName, failureMessages }) =>
      failureText(`${file}: ${fullName}`, failureMessages.join('\n')),
    );
  });
  const ofList = tests
    .filter(({ error }) => error !== undefined)
    .map(({ title, error }) => failureText(title, error));
  return [...ofFiles, ...ofList];
}

/** What failed, and the beginning of its error without calls of packages. */
function failureText(what, error) {
  const lines = error.split('\n').filter((line) => !/^\s+at .*node_modules/.test(line));
  return [what, ...lines.slice(0, 12).map((line) => `    ${line}`)].join('\n');
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Runs suites one after another.
 * @param names suites
 * @param files words: only test files whose path contains one of them are run; without any, all are
 * @param without patterns of unit tests that are left out, from their folder
 * @param node program that runs the tests
 * @returns how many tests passed and were skipped, and a text for each that failed
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
  const total = { passed: 0, failures: [], skipped: 0 };
  for (const name of names) {
    console.log(`\n== ${name} tests`);
    const started = Date.now();
    const excluded = without.map((pattern) => `--exclude=test/unit/${pattern}`);
    const extra = [...(hasAddon ? [] : await withoutAddon()), ...excluded, ...files];
    const code = await run(node, [...suites[name].args, ...extra]);
    const suite = counts(suites[name].report, code);
    total.passed += suite.passed;
    total.skipped += suite.skipped;
    total.failures.push(...suite.failures.map((failure) => `${name}: ${failure}`));
    const seconds = ((Date.now() - started) / 1000).toFixed(0);
    console.log(
      `== ${name}: ${suite.passed} passed, ${suite.failures.length} failed, ${suite.skipped} skipped in ${seconds} s`,
    );
  }
  return total;
}

/** Prints what failed and, as the last line, the counts. Returns the exit status. */
export function summarize({ passed, failures, skipped }) {
  if (failures.length > 0) console.log(`\n== failed\n${failures.join('\n')}`);
  console.log(`\n${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return failures.length === 0 ? 0 : 1;
}

if (argv[1] === import.meta.filename || argv[1]?.endsWith('scripts/test.mjs')) {
  const given = argv.slice(2);
  const names = given.filter((name) => name in suites);
  const files = given.filter((name) => !(name in suites));
  if (files.length > 0 && !names.every((name) => suites[name].takesFiles)) {
    console.error(
      `Only these suites accept names of test files: unit, oracle, host, ui. The suites are: ${Object.keys(suites).join(', ')}.`,
    );
    exit(2);
  }
  const chosen = names.length > 0 ? names : files.length > 0 ? ['unit'] : Object.keys(suites);
  exit(summarize(await runTests(chosen, { files })));
}
