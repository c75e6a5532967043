import { fork } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type {
  QuantizeModelResult,
  QuantizePreview,
  RecipeChoices,
} from '../../../src/protocol/quantizeModel';
import type { Recipe } from '../../../src/protocol/recipe';
import { presetById } from '../../../src/recipes/resolveRecipe';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { killAtRenameTo } from '../../support/killers';
import { buildPrograms, runProgram, type Ended, type RunOptions } from '../../support/programs';

const cache = temporaryFolder();
const folder = temporaryFolder();
const here = (name: string): string => join(folder, name);
const calibration = join(sampleFolder, 'generated-calibration.txt');
let cli: string;
/** The process that works, not the one that supervises it. */
let command: string;

beforeAll(async () => {
  ({ cli, command } = await buildPrograms());
});

const quantscope = (args: readonly string[], options: Partial<RunOptions> = {}): Promise<Ended> =>
  runProgram(cli, args, { cache, ...options });
const quantize = (...args: string[]): Promise<Ended> => quantscope(['quantize-model', sampleFolder, ...args]);

/** The one JSON document on stdout of a command that must succeed. */
async function jsonOf<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await quantscope([...args, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

describe('quantscope recipes', () => {
  it('lists recipes, methods and layouts, and prints one as a file', async () => {
    const choices = await jsonOf<RecipeChoices>('recipes');
    expect(choices.recipes.map(({ recipe }) => recipe.id)).toContain('bnb-nf4-dq');
    expect(choices.layouts.map(({ id }) => id)).toContain('gptq');
    expect(choices.methods.map(({ id }) => id)).toEqual(expect.arrayContaining(['rtn', 'gptq', 'awq']));
    expect((await quantscope(['recipes'])).stdout).toMatch(
      /^w4a16 +4\.1250 +no data +compressed-tensors-pack/m,
    );
    const { stdout } = await quantscope(['recipes', 'w4a16']);
    expect((JSON.parse(stdout) as Recipe).layout).toBe('compressed-tensors-pack');
    const { code, stderr } = await quantscope(['recipes', 'w4a17']);
    expect(code).toBe(1);
    expect(stderr).toContain('Did you mean "w4a16"?');
  });
});

/** A model of one matrix `[4096, 4096]`, of zeros but for one weight. */
function largeModel(): string {
  const model = temporaryFolder();
  copyFileSync(join(sampleFolder, 'config.json'), join(model, 'config.json'));
  const size = 2 * 4096 * 4096;
  const header = {
    'model.layers.0.mlp.up_proj.weight': { dtype: 'BF16', shape: [4096, 4096], data_offsets: [0, size] },
  };
  const bytes = safetensorsBytes(header, size);
  bytes.writeUInt16LE(0x3f80, bytes.length - 2);
  writeFileSync(join(model, 'model.safetensors'), bytes);
  return model;
}

describe('quantscope quantize-model', () => {
  it('shows what it would do without writing anything', async () => {
    const args = ['quantize-model', sampleFolder, '--recipe', 'w4a16', '--group', '32', '--dry-run'];
    const preview = await jsonOf<QuantizePreview>(...args);
    expect(preview.tensors.filter(({ quantized }) => quantized)).toHaveLength(42);
    expect(preview.tensors.find(({ name }) => name === 'lm_head.weight')?.reason).toBe(
      'kept: skipped by default',
    );
    expect(preview.bitsPerWeight).toBeCloseTo(5.658, 3);
    const { stdout } = await quantscope(args);
    expect(stdout).toMatch(
      /^model\.layers\.0\.mlp\.down_proj\.weight +BF16 +int4, group 32 +rtn +110\.61 kB +linear layer$/m,
    );
    expect(stdout).toMatch(
      /Dry run, nothing was written \(42 matrices quantized, 3\.7\d MB, 5\.658 bits per weight\)\. A run takes about/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('estimates the memory that a run then takes, of small matrices and of large ones', async () => {
    const large = largeModel();
    for (const [model, recipe, ...options] of [
      [sampleFolder, 'w4a16'],
      [large, 'w4a16'],
      [large, 'marlin-int4-g128', '--method', 'rtn'],
    ] as const) {
      const out = join(temporaryFolder(), 'out');
      const args = ['quantize-model', model, '--recipe', recipe, ...options, '--out', out];
      const { estimate, peakMemory } = await jsonOf<QuantizeModelResult>(...args);
      const ratio = peakMemory / estimate.memoryBytes;
      expect(ratio, `${recipe}: ${peakMemory} bytes`).toBeGreaterThan(0.6);
      expect(ratio, `${recipe}: ${peakMemory} bytes`).toBeLessThan(1.5);
    }
  });

  it('cuts a GGUF file as it is told, and an ONNX model not', async () => {
    const out = join(temporaryFolder(), 'a.gguf');
    const size = ['--max-shard-size', '1M'];
    const args = ['quantize-model', sampleFolder, '--recipe', 'gguf-q4_k_m', ...size, '--out', out];
    const { files } = await jsonOf<QuantizeModelResult>(...args);
    const written = readdirSync(join(out, '..')).filter((name) => name.endsWith('.gguf'));
    expect(files.map(({ name }) => name)).toEqual(written.sort());
    expect(files.length).toBeGreaterThan(2);
    expect(files[0]!.name).toMatch(/^a-00001-of-0000\d\.gguf$/);
    const onnx = { ...presetById('w8a16'), target: 'onnx', layout: 'qdq', rules: [{ grid: 'int8-row' }] };
    const file = join(temporaryFolder(), 'onnx.recipe.json');
    writeFileSync(file, JSON.stringify(onnx));
    const { code, stderr } = await quantize('--recipe', file, ...size, '--dry-run');
    expect([code, stderr]).toEqual([1, expect.stringContaining('it is not cut into shards') as string]);
  });

  it('applies a recipe file with changes, and reports each matrix', async () => {
    const preset = (await quantscope(['recipes', 'w4a16'])).stdout;
    writeFileSync(here('mine.recipe.json'), preset);
    const out = here('out');
    const result = await jsonOf<QuantizeModelResult>(
      ...['quantize-model', sampleFolder, '--recipe', here('mine.recipe.json'), '--bits', '8', '--out', out],
      ...['--skip', 'lm_head', '--skip', 're:.*layers\\.0\\.'],
    );
    expect(result.out).toBe(out);
    expect(result.weights).toHaveLength(35);
    expect(result.relativeError).toBeLessThan(1e-4);
    expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
    const { code, stderr } = await quantize('--recipe', 'bnb-nf4', '--out', out);
    expect(code).toBe(1);
    expect(stderr).toContain('--overwrite');
  });

  it('says how to give the evidence that a method needs, and uses it', async () => {
    const args = ['--recipe', 'gptq-int4-g32', '--out', here('gptq')];
    const { code, stderr } = await quantize(...args);
    expect(code).toBe(1);
    expect(stderr).toContain('give a text to run the model over (--calibration FILE)');
    const given = ['--calibration', calibration, '--tokens', '2048'];
    const result = await jsonOf<QuantizeModelResult>('quantize-model', sampleFolder, ...args, ...given);
    expect(result.evidence).toEqual({ kind: 'hessian', usable: 'hessian', text: calibration });
    expect(result.weights.every(({ evidence }) => evidence === 'hessian')).toBe(true);
    const readme = readFileSync(here('gptq/README.md'), 'utf8');
    expect(readme).toContain(
      'Evidence: Hessian of the inputs, measured over 2048 tokens of `generated-calibration.txt`.',
    );
    // It is kept for the next run.
    const again = await jsonOf<QuantizeModelResult>('quantize-model', sampleFolder, ...args, '--overwrite');
    expect(again.evidence).toEqual(result.evidence);
    expect(again.weights.map(({ relativeError }) => relativeError)).toEqual(
      result.weights.map(({ relativeError }) => relativeError),
    );
  });

  it('writes GGUF by the same command', async () => {
    const result = await jsonOf<QuantizeModelResult>(
      ...['quantize-model', sampleFolder, '--recipe', 'gguf-q4_k_m', '--out', here('tiny.gguf')],
    );
    expect(readFileSync(here('tiny.gguf')).length).toBe(result.fileBytes);
    expect(result.evidence).toEqual({ kind: 'none', usable: 'none' });
  });

  it('writes GGUF with optimised codes as a recipe says', async () => {
    const given = ['--calibration', calibration, '--tokens', '2048'];
    const args = ['--recipe', 'gguf-q4_k_m', '--method', 'gptq-cd', '--out', here('codes.gguf')];
    const dry = await jsonOf<QuantizePreview>('quantize-model', sampleFolder, ...args, ...given, '--dry-run');
    expect(dry.evidence).toEqual({ kind: 'gradients', usable: 'gradients', text: calibration });
    expect(dry.estimate.seconds).toBeGreaterThan(0);
    const { fileBytes, notes, evidence } = await jsonOf<QuantizeModelResult>(
      ...['quantize-model', sampleFolder, ...args, ...given],
    );
    expect(evidence).toEqual(dry.evidence);
    expect(notes).toContainEqual(
      expect.stringMatching(/^Codes of 4\d tensors are optimised \(gptq-cd \d, objective two-sided\)\.$/),
    );
    const file = readFileSync(here('codes.gguf'));
    expect(file.length).toBe(fileBytes);
    expect(file.includes('quantscope.codes.objective')).toBe(true);
  });

  it('leaves nothing when it is interrupted', async () => {
    const { code } = await quantscope(
      [
        'quantize-model',
        sampleFolder,
        '--recipe',
        'gptq-int4-g32',
        '--calibration',
        join(sampleFolder, 'generated-eval.txt'),
        '--out',
        here('none'),
      ],
      { interruptAt: 'calibration: block 1' },
    );
    expect(code).toBe(130);
    expect(readdirSync(folder).filter((name) => /none/.test(name))).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')(
    'leaves nothing after the next start when it is killed',
    async () => {
      const out = here('killed');
      const args = ['--supervised', 'quantize-model', sampleFolder, '--recipe', 'bnb-nf4-dq', '--out', out];
      const child = fork(command, args, {
        env: { ...process.env, QUANTSCOPE_CACHE: cache },
        execArgv: ['--require', writeFile(folder, 'preload.cjs', killAtRenameTo(out))],
        silent: true,
      });
      const temporary = (): string[] => readdirSync(folder).filter((name) => name.startsWith('.killed.'));
      expect(await new Promise((resolve) => child.on('close', (_, signal) => resolve(signal)))).toBe(
        'SIGKILL',
      );
      expect(temporary()).toHaveLength(1);
      await quantscope(['recipes']);
      expect(readdirSync(folder).filter((name) => name.includes('killed'))).toEqual([]);
    },
  );

  it.each([
    [['--out', 'x'], '--recipe is missing.'],
    [['--recipe', 'w4a16'], '--out is missing.'],
    [
      ['--recipe', 'w4a16', '--group', 'rows', '--out', 'x'],
      '--group takes a number of weights, row or tensor',
    ],
    [['--recipe', 'w4a16', '--option', 'damping', '--out', 'x'], '--option takes NAME=VALUE'],
  ])('is explained for %j', async (args, message) => {
    const { code, stderr } = await quantize(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
