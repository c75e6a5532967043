import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const root = temporaryFolder();
const cache = temporaryFolder();
const tensor = 'model.layers.0.self_attn.q_proj.weight';
let cli: string;
let folder: string;
let tests = 0;
const here = (name: string): string => join(folder, name);

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

/** A copy of the sample, with other names of its files. */
beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(folder);
  for (const name of readdirSync(sampleFolder)) cpSync(join(sampleFolder, name), here(name));
  writeFileSync(here('rules.txt'), '^blk\\.0\\.ffn_up\\.weight$=Q8_0');
  writeFileSync(here('model.safetensors.digests.json'), 'the digests of the model');
  linkSync(here('model.safetensors'), here('hard.gguf'));
  symlinkSync('model.safetensors', here('symbolic.gguf'));
  symlinkSync('config.json', here('settings.gguf'));
});

const run = (args: readonly string[], env = {}): Promise<Ended> => runProgram(cli, args, { cache, env });

/** Content of every file, and what the links are. */
function contents(): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => {
      const link = lstatSync(here(name)).isSymbolicLink() ? 'link to ' : '';
      return [
        name,
        link +
          createHash('sha256')
            .update(readFileSync(here(name)))
            .digest('hex'),
      ];
    }),
  );
}

const exportAs = ['export', '@', '--type', 'Q8_0', '--out'];
const quantize = ['quantize', '@', '--tensor', tensor, '--format', 'nf4', '--out'];
const text = 'generated-calibration.txt';
const optimised = ['--codes', 'optimised', '--calibration', text];
const gptq = [
  ...['quantize', '@', '--tensor', tensor, '--format', 'int4-g64', '--method', 'gptq', '--layout', 'gptq'],
  ...['--calibration', text, '--out'],
];
const imatrix = ['imatrix', '@', '--text', text, '--windows', '1', '--device', 'cpu', '--out'];
const recommend = ['recommend', '@', '--budget', '5bpw', '--device', 'cpu', '--out'];

describe('an output that is an input', () => {
  const cases: readonly string[][] = [
    ...[
      'model.safetensors',
      'hard.gguf',
      'symbolic.gguf',
      'settings.gguf',
      'config.json',
      'tokenizer.json',
    ].map((out) => [...exportAs, out]),
    ...['model.safetensors', 'hard.gguf', 'config.json'].map((out) => [...quantize, out]),
    ...['hard.gguf', 'symbolic.gguf'].map((out) => [...imatrix, out]),
    [...imatrix, 'new.gguf', '--statistics', 'model.safetensors'],
    [...imatrix, 'new.gguf', '--statistics', text],
    [...imatrix, 'new.gguf', '--statistics', 'new.gguf'],
    ...['model.safetensors', 'config.json', 'tokenizer.json'].map((out) => [...recommend, out]),
    [...recommend, text, '--text', text],
    [...exportAs, 'new.gguf', '--save-tensor-types', 'config.json'],
    [...exportAs, 'new.gguf', '--save-tensor-types', 'new.gguf'],
    [...exportAs, 'new.gguf', '--tensor-type-file', 'rules.txt', '--save-tensor-types', 'rules.txt'],
    [...exportAs, 'rules.txt', '--tensor-type-file', 'rules.txt'],
    [...exportAs, 'new.gguf', ...optimised, '--save-tensor-types', text],
    [...exportAs, 'model.safetensors.digests.json'],
    [...gptq, text],
    [...exportAs, 'new.gguf', '--dry-run', '--save-tensor-types', 'model.safetensors'],
    [...exportAs, 'config.json', '--dry-run'],
  ];
  it.each(cases.map((args) => [args.join(' '), args] as const))(
    'is rejected before any work: %s',
    async (_, args) => {
      const before = contents();
      const files = new Set(Object.keys(before).concat('new.gguf'));
      const { code, stderr } = await run(
        args.map((word) => (word === '@' ? folder : files.has(word) ? here(word) : word)),
      );
      expect(stderr).toMatch(/^quantscope: (The output would replace an input file|Two outputs would be)/m);
      expect(code).toBe(1);
      expect(contents()).toEqual(before);
    },
  );

  it('may be an unrelated file next to the model', async () => {
    const out = here('old.gguf');
    writeFileSync(out, 'an earlier export');
    const { code, stderr } = await run(['export', folder, '--type', 'Q8_0', '--out', out]);
    expect(code, stderr).toBe(0);
    expect(readFileSync(out).subarray(0, 4).toString()).toBe('GGUF');
  });
});

describe.skipIf(process.platform === 'win32')('a special output', () => {
  const pipe = (): string => {
    execFileSync('mkfifo', [here('pipe.gguf')]);
    return here('pipe.gguf');
  };
  it.each([
    // Not /dev/null: a fault would cost the machine its own.
    ['a pipe', (): string => pipe()],
    ['a link to a pipe', (): string => (symlinkSync(pipe(), here('link.gguf')), here('link.gguf'))],
    ['a folder', (): string => folder],
  ])('is rejected: %s', async (_, make) => {
    const out = make();
    const { ino, mode } = lstatSync(out);
    const { code, stderr } = await run(['export', folder, '--type', 'Q8_0', '--out', out]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/The output (is a folder|exists and is not a regular file)/);
    expect(lstatSync(out)).toMatchObject({ ino, mode });
  });
});

describe('without a place for the cache', () => {
  const evaluate = (): string[] => [
    ...['eval', folder, '--text', here('generated-eval.txt')],
    ...['--windows', '1', '--context', '32', '--device', 'cpu', '--json'],
  ];
  it.each([
    [
      'no home directory',
      { HOME: '', USERPROFILE: '', QUANTSCOPE_CACHE: undefined, XDG_CACHE_HOME: undefined },
    ],
    ['a cache that cannot be made', { QUANTSCOPE_CACHE: join('/dev/null', 'cache') }],
  ])('commands work and report that nothing is kept: %s', async (_, env) => {
    const tmp = temporaryFolder();
    const { code, stdout, stderr } = await run(evaluate(), { ...env, TMPDIR: tmp, TEMP: tmp });
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Warning: Results are not kept after this run: .* Set QUANTSCOPE_CACHE/m);
    expect(JSON.parse(stdout)).toMatchObject({ text: { windows: 1 } });
    expect(readdirSync(tmp)).toEqual([]);
    const exported = await run(['export', folder, '--type', 'Q8_0', '--out', here('new.gguf')], env);
    expect(exported.code, exported.stderr).toBe(0);
    expect(exported.stderr).not.toContain('Warning');
  });
});
