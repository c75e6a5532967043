// Checks of the kernels outside Node: AddressSanitizer and UndefinedBehaviorSanitizer over every kernel, a bounded
// libFuzzer run per decoder, arm64 under qemu against this machine's results, and no function shared between objects of
// different instruction sets. Writes its counts to test-results/native.json, like the other suites.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { arch, argv, env, execPath, exit, platform } from 'node:process';
import { root } from './prepare.mjs';

const native = join(root, 'native');
const kernels = join(native, 'kernels');
const out = join(root, 'build', 'checks');
const fuzzSeconds = Number(env.QUANTSCOPE_FUZZ_SECONDS ?? 1);

/** A list of sources of binding.gyp. */
function listAfter(key) {
  const text = readFileSync(join(root, 'binding.gyp'), 'utf8');
  const list = text.slice(text.indexOf(key)).split(']')[0];
  return [...list.matchAll(/native\/[\w/]+\.cc/g)].map(([path]) => path);
}

const addonSources = () => listAfter('"target_name": "quantscope"');

/** Names of the kernel sources in such a list. */
const sourcesAfter = (key) =>
  listAfter(key)
    .filter((path) => path.startsWith('native/kernels/'))
    .map((path) => basename(path, '.cc'));

const perTarget = sourcesAfter('"kernel_sources"');
const shared = sourcesAfter('"target_name": "quantscope"');
/** Sources of what runs kernels on the thread pool. */
const poolSources = addonSources().filter(
  (path) => !path.startsWith('native/binding/') && !shared.includes(basename(path, '.cc')),
);

const wide = ['-mf16c', '-mbmi', '-mbmi2', '-mlzcnt', '-mpopcnt'];
const targets = {
  x64: {
    scalar: [],
    avx2: ['-DQS_AVX2', '-mavx2', ...wide],
    avx512: ['-DQS_AVX512', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', ...wide],
  },
  arm64: { scalar: [], neon: ['-DQS_NEON'] },
};
const exact = ['-std=c++20', '-ffp-contract=off', '-fno-math-errno'];

const results = { tests: [], skipped: 0 };

function report(name, error) {
  results.tests.push({ title: name, error: error === undefined ? undefined : String(error) });
  console.log(`${error === undefined ? '✓' : '✗'} ${name}`);
  if (error !== undefined) console.log(String(error).slice(-4000));
}

function skip(name, reason) {
  results.skipped += 1;
  console.log(`- ${name}: ${reason}`);
}

const has = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

function run(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (data) => (output.stdout += data));
    child.stderr.on('data', (data) => (output.stderr += data));
    child.on('error', (error) => resolve({ ...output, status: 1, stderr: String(error) }));
    child.on('close', (status) => resolve({ ...output, status }));
  });
}

/** Runs the jobs, as many at a time as there are processors; returns their results in order. */
async function pooled(jobs) {
  const done = [];
  let next = 0;
  const worker = async () => {
    while (next < jobs.length) {
      const index = next++;
      done[index] = await jobs[index]();
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, cpus().length) }, worker));
  return done;
}

/** All kernels of an architecture, each with the object that it is compiled to and flags of its own. */
function kernelUnits(architecture, scalarFlags = []) {
  const unit = (name, object, flags) => ({ source: join(kernels, `${name}.cc`), object, flags });
  return [
    ...Object.entries(targets[architecture]).flatMap(([target, flags]) => {
      const own = target === 'scalar' ? scalarFlags : flags;
      return perTarget.map((name) => unit(name, `${target}-${name}.o`, own));
    }),
    ...shared.map((name) => unit(name, `${name}.o`, [])),
  ];
}

/** What runs kernels on the thread pool. */
const poolUnits = () =>
  poolSources.map((path) => ({
    source: join(root, path),
    object: `${path.slice('native/'.length, -'.cc'.length).replaceAll('/', '-')}-pool.o`,
    flags: [],
  }));

/** Compiles units, as many at a time as there are processors. @returns their object files in order. */
async function compile(folder, compiler, flags, units) {
  const directory = join(out, folder);
  mkdirSync(directory, { recursive: true });
  const compiled = await pooled(
    units.map(({ source, object, flags: own }) => async () => {
      const path = join(directory, object);
      return { path, ...(await run(compiler, [...exact, ...flags, ...own, '-c', source, '-o', path])) };
    }),
  );
  const failed = compiled.find(({ status }) => status !== 0);
  if (failed) throw new Error(failed.stderr);
  return compiled.map(({ path }) => path);
}

async function link(compiler, flags, source, objects, program) {
  const args = [...exact, ...flags, source, ...objects, '-o', program];
  const { status, stderr } = await run(compiler, args);
  if (status !== 0) throw new Error(stderr);
  return program;
}

/** Returns the digests that the sanitized program printed, for `arm64`. */
async function sanitizers() {
  const flags = ['-O1', '-gline-tables-only', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  // Coverage is for the fuzzer alone. Optimizing the sanitized lanes of the scalar kernels takes minutes.
  const fuzzed = kernelUnits(arch, ['-O0']).map((unit) => ({
    ...unit,
    flags: [...unit.flags, '-fsanitize=fuzzer-no-link'],
  }));
  let objects;
  let pool;
  let program;
  try {
    const compiled = await compile('sanitized', 'clang++', flags, [...fuzzed, ...poolUnits()]);
    [objects, pool] = [compiled.slice(0, fuzzed.length), compiled.slice(fuzzed.length)];
    const source = join(native, 'test', 'vectors.cc');
    program = await link('clang++', flags, source, objects, join(out, 'vectors-sanitized'));
  } catch (error) {
    return report('the kernels and what runs them compile with sanitizers', error);
  }
  // The programs take turns on the processors while the vectors, which use one of them, are computed.
  const jobs = Object.keys(programs).map((test) => () => onPool(test, [...objects, ...pool], flags));
  const [vectors, ...ended] = await pooled([() => run(program, []), ...jobs]);
  report(
    'every kernel stays within its buffers and defined behaviour, with the same results in all instruction sets',
    vectors.status === 0 ? undefined : vectors.stderr,
  );
  for (const [index, name] of Object.values(programs).entries()) report(name, ended[index]);
  await fuzz(objects, flags, vectors.stdout);
  return vectors.stdout;
}

/** Everything on the thread pool, with pieces of all kinds; those that take longest first. */
const programs = {
  solvers: 'grids and solvers stay within their buffers and give the results of simple loops',
  descents: 'coordinate descents stay within their buffers and leave smaller errors by simple loops',
  operations: 'operations on whole matrices stay within their buffers and give the results of simple loops',
  levels: 'levels and scales of blocks are read within their buffers and give what decoders give',
};

/** Links a program with what runs kernels, and runs it. @returns what it found; undefined where that is nothing. */
async function onPool(test, objects, flags) {
  try {
    const source = join(native, 'test', `${test}.cc`);
    const program = await link('clang++', flags, source, objects, join(out, `${test}-sanitized`));
    const { status, stderr } = await run(program, []);
    return status === 0 ? undefined : stderr;
  } catch (error) {
    return error;
  }
}

async function fuzz(objects, flags, digests) {
  let fuzzer;
  try {
    const source = join(native, 'test', 'fuzz_decode.cc');
    fuzzer = await link(
      'clang++',
      [...flags, '-fsanitize=fuzzer'],
      source,
      objects,
      join(out, 'fuzz-decode'),
    );
  } catch (error) {
    return report('the fuzzer links', error);
  }
  const decoders = [
    ...new Set(
      digests
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(' ')[0]),
    ),
  ];
  const jobs = decoders.map((decoder) => async () => {
    const corpus = join(out, 'corpus', decoder);
    mkdirSync(corpus, { recursive: true });
    const limits = [`-max_total_time=${fuzzSeconds}`, '-max_len=1100', '-rss_limit_mb=2048', '-timeout=60'];
    const artifacts = `-artifact_prefix=${corpus}/`;
    const child = { env: { ...env, QUANTSCOPE_FUZZ: decoder } };
    return { decoder, ...(await run(fuzzer, [corpus, ...limits, artifacts], child)) };
  });
  for (const { decoder, status, stderr } of await pooled(jobs)) {
    report(`${decoder}: the decoder survives ${fuzzSeconds} s of fuzzing`, status === 0 ? undefined : stderr);
  }
}

/** Compares the results of arm64 with those of this machine, if cross compiler and emulator are installed. */
async function arm64(expected) {
  const name = 'arm64 gives the same bytes as this machine';
  const compiler = 'aarch64-linux-gnu-g++';
  if (arch === 'arm64' || !has(compiler) || !has('qemu-aarch64'))
    return skip(name, `needs ${compiler} and qemu-aarch64 on another architecture`);
  try {
    const flags = ['-O1', '-static'];
    const objects = await compile('arm64', compiler, flags, kernelUnits('arm64'));
    const program = await link(
      compiler,
      flags,
      join(native, 'test', 'vectors.cc'),
      objects,
      join(out, 'vectors-arm64'),
    );
    const emulated = await run('qemu-aarch64', [program]);
    if (emulated.status !== 0) throw new Error(emulated.stderr);
    report(name, firstDifference(expected, emulated.stdout));
  } catch (error) {
    report(name, error);
  }
}

function firstDifference(expected, found) {
  const theirs = found.split('\n');
  const index = expected.split('\n').findIndex((line, i) => line !== theirs[i]);
  return index < 0 ? undefined : `${theirs[index]} instead of ${expected.split('\n')[index]}`;
}

/**
 * An inline function that two instruction sets share would be linked once, and might then use instructions that the
 * processor does not have. Everything that an object for a wider set defines must be in its own namespace.
 */
function separation() {
  const name = 'no function is shared between instruction sets';
  const release = join(root, 'build', 'Release', 'obj.target');
  if (platform !== 'linux' || !has('nm')) return skip(name, 'needs Linux and nm');
  // An addon from the cache comes without its objects.
  if (!existsSync(release))
    spawnSync(execPath, [join(root, 'scripts', 'native.mjs'), '--force'], { stdio: 'ignore' });
  const strays = [];
  for (const target of Object.keys(targets[arch]).filter((key) => key !== 'scalar')) {
    const folder = join(release, `kernels_${target}`, 'native', 'kernels');
    for (const object of readdirSync(folder).filter((file) => file.endsWith('.o'))) {
      const { stdout } = spawnSync('nm', ['-C', '--defined-only', join(folder, object)], {
        encoding: 'utf8',
      });
      for (const line of stdout.split('\n')) {
        const symbol = /^[0-9a-f]+ [TtWw] (.*)$/.exec(line)?.[1];
        if (symbol !== undefined && !symbol.includes(`qs::${target}::`))
          strays.push(`${basename(object)}: ${symbol}`);
      }
    }
  }
  report(name, strays.length === 0 ? undefined : strays.join('\n'));
}

if (argv[1]?.endsWith('native-checks.mjs')) {
  separation();
  if (!has('clang++')) skip('sanitizers, fuzzing and arm64', 'clang++ is not installed');
  else {
    const digests = await sanitizers();
    if (digests !== undefined) await arm64(digests);
  }
  const folder = join(root, 'test-results');
  mkdirSync(folder, { recursive: true });
  const { tests, skipped } = results;
  const failed = tests.filter(({ error }) => error !== undefined).length;
  const counts = { numPassedTests: tests.length - failed, numFailedTests: failed, numPendingTests: skipped };
  writeFileSync(join(folder, 'native.json'), JSON.stringify({ ...counts, tests }));
  exit(failed === 0 ? 0 : 1);
}
