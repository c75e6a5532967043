import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import type { ExportedAdapter } from '../../../src/protocol/adapters';
import type { PreviewResult } from '../../../src/protocol/preview';
import type { ModelComparison } from '../../../src/protocol/compare';
import { writeAdapter } from '../../support/adapters';
import { flipByte } from '../../support/damage';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended } from '../../support/programs';

const folder = temporaryFolder();
const adapter = join(folder, 'style');
const query = 'model.layers.0.self_attn.q_proj';
let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
  await writeAdapter(adapter, { modules: { [query]: [256, 256], 'model.layers.3.mlp.up_proj': [768, 256] } });
});

const run = (...args: string[]): Promise<Ended> => runProgram(cli, args, { cache: join(folder, 'cache') });

describe('--lora', () => {
  it('merges adapters with weights into what commands read', async () => {
    const { stdout, stderr } = await run(
      'inspect',
      sampleFolder,
      '--lora',
      adapter,
      '--lora',
      `${adapter}=-0.5`,
    );
    expect(stderr).toMatch(/The adapter style is merged with weight 1: 2 low-rank changes/);
    expect(stderr).toMatch(/The adapter style is merged with weight -0\.5/);
    expect(stdout).toMatch(new RegExp(`${query}\\.weight +F32 `));
    const statistics = async (...args: string[]): Promise<string> =>
      (await run('stats', sampleFolder, '--tensor', `${query}.weight`, ...args)).stdout;
    const [base, merged, undone] = [
      await statistics(),
      await statistics('--lora', adapter),
      await statistics('--lora', adapter, '--lora', `${adapter}=-1`),
    ];
    expect(merged).not.toBe(base);
    expect(undone.split('\n').slice(0, 8)).toEqual(base.split('\n').slice(0, 8));
  });

  it('exports the merged model, which compares as equal to it', async () => {
    const out = join(folder, 'merged.gguf');
    const { code, stderr } = await run(
      'export',
      sampleFolder,
      '--lora',
      adapter,
      '--type',
      'F32',
      '--out',
      out,
    );
    expect(code, stderr).toBe(0);
    const compared = await run('compare', sampleFolder, out, '--lora', adapter, '--json');
    const { relativeError } = JSON.parse(compared.stdout) as ModelComparison;
    expect(relativeError).toBe(0);
    const without = await run('compare', sampleFolder, out, '--fail-above', '0');
    expect(without.code).toBe(1);
    const again = await run('inspect', out, '--lora', adapter);
    expect(again.stderr).toMatch(/names of a checkpoint, and the model is a GGUF file/);
  });

  it('keeps measurements and plans of a merged model apart from those of its base', async () => {
    const plan = join(folder, 'tuned.ampq.json');
    const made = await run(
      ...[
        'recommend',
        sampleFolder,
        '--lora',
        adapter,
        '--budget',
        '4.5bpw',
        '--weights-only',
        '--out',
        plan,
      ],
    );
    expect(made.code, made.stderr).toBe(0);
    const dry = (...args: string[]): Promise<Ended> =>
      run('export', sampleFolder, '--plan', plan, '--dry-run', ...args);
    const own = await dry('--lora', adapter);
    expect(own.code, own.stderr).toBe(0);
    const other = await dry();
    expect(`${other.stdout}${other.stderr}`).toMatch(/another model|was made for|other weights/i);
  });

  it('names what is wrong, and never writes over an adapter', async () => {
    const absent = await run('inspect', sampleFolder, '--lora', join(folder, 'absent=x'));
    expect([absent.code, absent.stderr.includes('absent=x')]).toEqual([1, true]);
    const file = join(adapter, 'adapter_model.safetensors');
    const before = readFileSync(file);
    const over = await run('export', sampleFolder, '--lora', adapter, '--type', 'F16', '--out', file);
    expect(over.stderr).toMatch(/would replace an input file/);
    expect(readFileSync(file)).toEqual(before);
    const into = await run('convert', sampleFolder, '--lora', adapter, '--out', file);
    expect(into.stderr).toMatch(/would replace an input file/);
    expect(readFileSync(file)).toEqual(before);
  });
});

describe('--lora with commands that write or run a model', () => {
  const here = (name: string): string => join(folder, name);
  const lora = ['--lora', adapter, '--lora', `${adapter}=-0.25`];
  const bytesOf = async (path: string): Promise<Map<string, string>> => {
    const model = await openModel(path);
    const found = new Map<string, string>();
    for (const tensor of model.description.tensors) {
      const bytes = await model.read(tensor, 0, tensor.byteLength);
      found.set(`${tensor.name} ${tensor.dtype}`, Buffer.from(bytes).toString('base64'));
    }
    await model.close();
    return found;
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(...args);
    expect(code, stderr).toBe(0);
    return stdout;
  };

  beforeAll(async () => {
    await ok('convert', sampleFolder, '--dtype', 'f32', '--out', here('base'));
    await ok('convert', here('base'), ...lora, '--out', here('base-merged'));
    await ok('convert', sampleFolder, ...lora, '--out', here('merged'));
  });

  it('convert writes merged weights in float32, states that, and rounds them when told to', async () => {
    const model = await openModel({
      path: sampleFolder,
      adapters: [
        { path: adapter, weight: 1 },
        { path: adapter, weight: -0.25 },
      ],
    });
    const merged = await openModel(here('merged'));
    const name = `${query}.weight`;
    const [wanted, found] = [model.tensor(name), merged.tensor(name)];
    expect(found.dtype).toBe('F32');
    expect(await merged.read(found, 0, found.byteLength)).toEqual(
      await model.read(wanted, 0, wanted.byteLength),
    );
    await model.close();
    await merged.close();
    expect(JSON.parse(readFileSync(join(here('merged'), 'config.json'), 'utf8'))).toMatchObject({
      torch_dtype: 'float32',
    });
    await ok('convert', sampleFolder, ...lora, '--dtype', 'bf16', '--out', here('merged-bf16'));
    await ok('convert', here('merged'), '--dtype', 'bf16', '--out', here('rounded'));
    expect(await bytesOf(here('merged-bf16'))).toEqual(await bytesOf(here('rounded')));
  });

  it.each([
    ['quantize-model', ['--recipe', 'bnb-nf4'], ''],
    ['export-onnx', ['--weights', 'qdq-int8', '--layer', `${query}.weight`], ''],
    ['quantize', ['--tensor', `${query}.weight`, '--format', 'Q4_K'], '.safetensors'],
  ])('%s writes what it writes of a merged folder', async (command, options, end) => {
    const [own, other] = [here(`${command}-own${end}`), here(`${command}-other${end}`)];
    await ok(command, here('base'), ...lora, ...options, '--out', own);
    await ok(command, here('base-merged'), ...options, '--out', other);
    const filesOf = (path: string): string[] =>
      end === '' ? readdirSync(path).filter((name) => /\.(safetensors|onnx|data)$/.test(name)) : [''];
    expect(filesOf(own).length).toBeGreaterThan(0);
    for (const name of filesOf(own))
      expect(readFileSync(join(own, name)).equals(readFileSync(join(other, name))), name).toBe(true);
    await ok(command, here('base'), ...options, '--out', here(`${command}-base${end}`));
    const [first] = filesOf(own);
    expect(
      readFileSync(join(here(`${command}-base${end}`), first!)).equals(readFileSync(join(own, first!))),
    ).toBe(false);
  });

  it('quantize-model takes merged weights for those of the dtype of their files, where a layout has one for all', async () => {
    await ok('quantize-model', sampleFolder, ...lora, '--recipe', 'bnb-nf4', '--out', here('nf4'));
    const model = await openModel(here('nf4'));
    expect(model.tensor(`${query}.weight`).stored).toMatchObject({ layout: 'bitsandbytes' });
    await model.close();
  });

  it('preview shows the errors of a merged folder', async () => {
    const text = here('text.txt');
    writeFileSync(text, readFileSync(join(sampleFolder, 'generated-eval.txt'), 'utf8').slice(0, 4000));
    const options = [
      '--recipe',
      'bnb-nf4',
      '--text',
      text,
      '--windows',
      '1',
      '--context',
      '64',
      '--device',
      'cpu',
      '--json',
    ];
    const figures = (printed: string): unknown => {
      const { blocks, output, perplexity } = JSON.parse(printed) as PreviewResult;
      return { blocks, output, perplexity };
    };
    const own = figures(await ok('preview', sampleFolder, ...lora, ...options));
    expect(own).toEqual(figures(await ok('preview', here('merged'), ...options)));
    expect(own).not.toEqual(figures(await ok('preview', sampleFolder, ...options)));
  });

  it('verify merges them into the source that damaged tensors are made again from, and into nothing else', async () => {
    const file = join(here('repaired-of'), 'model.safetensors');
    await ok('convert', sampleFolder, ...lora, '--dtype', 'f16', '--out', here('repaired-of'));
    const before = readFileSync(file);
    flipByte(file, before.length - 1000);
    const repair = ['verify', file, '--repair', here('repaired'), '--source', sampleFolder];
    expect((await run(...repair)).stderr).toMatch(/another model|other weights|was made/i);
    await ok(...repair, ...lora);
    expect(readFileSync(join(here('repaired'), 'model.safetensors')).equals(before)).toBe(true);
    const check = await run('verify', file, ...lora);
    expect([check.code, check.stderr]).toEqual([2, expect.stringContaining('--lora is for --source')]);
  });
});

describe('quantscope export-lora', () => {
  it("writes factors under the names of the base's GGUF file", async () => {
    const out = join(folder, 'style.gguf');
    const { code, stdout, stderr } = await run(
      'export-lora',
      adapter,
      '--base',
      sampleFolder,
      '--out',
      out,
      '--json',
    );
    expect(code, stderr).toBe(0);
    const { tensors, alpha } = JSON.parse(stdout) as ExportedAdapter;
    expect(alpha).toBe(8);
    expect(tensors).toEqual([
      { name: 'blk.0.attn_q.weight', rank: 4, shapeA: [4, 256], shapeB: [256, 4] },
      { name: 'blk.3.ffn_up.weight', rank: 4, shapeA: [4, 256], shapeB: [768, 4] },
    ]);
    const written = await openModel(out);
    expect(written.description.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['blk.0.attn_q.weight.lora_a', [4, 256]],
      ['blk.0.attn_q.weight.lora_b', [256, 4]],
      ['blk.3.ffn_up.weight.lora_a', [4, 256]],
      ['blk.3.ffn_up.weight.lora_b', [768, 4]],
    ]);
    expect(written.gguf?.metadata.get('adapter.lora.alpha')?.scalar).toBe(8);
    await written.close();
    expect((await run('verify', out)).code).toBe(0);
  });

  it('refuses what llama.cpp would ignore, and writes nothing', async () => {
    const saved = join(folder, 'saved');
    await writeAdapter(saved, { modules: { [query]: [256, 256] }, whole: { 'model.norm.weight': [256] } });
    const out = join(folder, 'saved.gguf');
    const { code, stderr } = await run('export-lora', saved, '--base', sampleFolder, '--out', out);
    expect([code, existsSync(out)]).toEqual([1, false]);
    expect(stderr).toMatch(/replaces "model\.norm\.weight".*Merge the adapter on export/);
    const over = join(adapter, 'adapter_config.json');
    expect((await run('export-lora', adapter, '--base', sampleFolder, '--out', over)).stderr).toMatch(
      /would replace an input file/,
    );
  });
});
