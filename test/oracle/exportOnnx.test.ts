import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { onnxMatrices } from '../../src/exporter/onnx/matrices';
import { methodChoice } from '../../src/exporter/onnx/methodChoice';
import type { OnnxOptions } from '../../src/exporter/onnx/planOnnx';
import type { CodeStorage, MatrixChoice } from '../../src/exporter/onnx/storage';
import { writeOnnx } from '../../src/exporter/onnx/writeOnnx';
import { exportGguf } from '../../src/exporter/exportGguf';
import { writeSafetensors } from '../../src/exporter/writeSafetensors';
import { openModel } from '../../src/layouts/openModel';
import type { Grid } from '../../src/protocol/grids';
import { decodeRows } from '../../src/quant/grids/roundToNearest';
import { rtn } from '../../src/quant/methods/rtn';
import { attendingCheckpoints, checkpoints, runnableCheckpoints } from '../support/checkpoints';
import { ownLogits } from '../support/decoderLogits';
import { withDigests } from '../support/digests';
import { sampleFolder, temporaryFolder } from '../support/files';
import { fuseExperts } from '../support/fuseExperts';
import { decodedRows, nearestChoice } from '../support/nearestCodes';
import { decodeOnnx } from '../support/onnxProto';
import { farthest, openOnnx, OnnxText } from '../support/onnxRun';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 24 }, (_, i) => (i * 389 + 17) % 1024);
/** Logits are of the size of 1 to 10. */
const bound = 1e-4;

/** Expects the logits of a file with default session options, at once and step by step. */
async function expectLogits(file: string, logits: readonly Float32Array[]): Promise<void> {
  const session = await openOnnx(file);
  expect(farthest(await new OnnxText(session).next(tokens), logits)).toBeLessThan(bound);
  const stepwise = new OnnxText(session);
  const rows = await stepwise.next(tokens.slice(0, 8));
  for (const token of tokens.slice(8)) rows.push(...(await stepwise.next([token])));
  expect(farthest(rows, logits), 'step by step').toBeLessThan(bound);
  await session.release();
}

async function written(
  path: string,
  out: string,
  options: OnnxOptions = {},
  notes: readonly unknown[] = [],
): Promise<string> {
  const model = await openModel(path);
  const result = await writeOnnx(model, new Map(), out, options);
  expect(result.notes).toEqual(notes);
  await model.close();
  for (const { name, bytes } of result.files) expect(statSync(join(out, name)).size, name).toBe(bytes);
  return join(out, 'model.onnx');
}

describe('a model as ONNX, loaded by ONNX Runtime', () => {
  it.each(attendingCheckpoints)(
    '%s: the logits of the forward pass, at once and step by step',
    async (name) => {
      const source = join(folder, name);
      await writeCheckpoint(source, name);
      const logits = await ownLogits(source, tokens);
      const hasTwoRotations = JSON.stringify(checkpoints[name]!.config).includes('short_factor');
      const notes = hasTwoRotations ? [expect.stringMatching(/with 24 positions it has those for/)] : [];
      const context = hasTwoRotations ? tokens.length : undefined;
      await expectLogits(await written(source, join(folder, `${name} onnx`), { context }, notes), logits);
    },
  );

  it.each(runnableCheckpoints.filter((name) => !attendingCheckpoints.includes(name)))(
    '%s: rejected with a reason, and nothing is written',
    async (name) => {
      const source = join(folder, name);
      await writeCheckpoint(source, name);
      const model = await openModel(source);
      const out = join(folder, `${name} onnx`);
      await expect(writeOnnx(model, new Map(), out)).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(
          /keep other states of a text|hand on more than hidden states/,
        ) as string,
      });
      expect(existsSync(out)).toBe(false);
      await model.close();
    },
  );

  it('the sample: names, sizes and types of inputs and outputs are those of generation tools', async () => {
    const session = await openOnnx(await written(sampleFolder, join(folder, 'names')));
    const cache = (prefix: string): string[] =>
      Array.from({ length: 6 }, (_, i) => [`${prefix}.${i}.key`, `${prefix}.${i}.value`]).flat();
    expect([...session.inputNames].sort()).toEqual(
      ['input_ids', 'attention_mask', 'position_ids', ...cache('past_key_values')].sort(),
    );
    expect([...session.outputNames].sort()).toEqual(['logits', ...cache('present')].sort());
    expect(session.inputMetadata.find(({ name }) => name === 'past_key_values.5.value')).toMatchObject({
      type: 'float32',
      shape: ['batch_size', 2, 'past_sequence_length', 64],
    });
    expect(session.inputMetadata.find(({ name }) => name === 'input_ids')).toMatchObject({
      type: 'int64',
      shape: ['batch_size', 'sequence_length'],
    });
    await session.release();
  });

  it.each(['F16', 'BF16'] as const)('weights as %s, in a file beside the graph', async (floats) => {
    const logits = await ownLogits(sampleFolder, tokens);
    const out = join(folder, `external ${floats}`);
    const session = await openOnnx(await written(sampleFolder, out, { floats, external: true }));
    expect(readdirSync(out).sort()).toEqual([
      ...['config.json', 'genai_config.json', 'generation_config.json'],
      ...withDigests('model.onnx', 'model.onnx_data'),
      ...['tokenizer.json', 'tokenizer_config.json'],
    ]);
    // The sample's weights are BF16, of which F16 loses only what is very small.
    const limit = floats === 'BF16' ? bound : 5e-3;
    expect(farthest(await new OnnxText(session).next(tokens), logits)).toBeLessThan(limit);
    await session.release();
  });

  it('without keys and values, and with padding on the left', async () => {
    const logits = await ownLogits(sampleFolder, tokens);
    const session = await openOnnx(await written(sampleFolder, join(folder, 'plain'), { withoutPast: true }));
    expect([...session.inputNames].sort()).toEqual(['attention_mask', 'input_ids', 'position_ids']);
    expect(session.outputNames).toEqual(['logits']);
    const padded = await new OnnxText(session).next([undefined, undefined, undefined, ...tokens]);
    expect(farthest(padded.slice(3), logits)).toBeLessThan(bound);
    await session.release();
  });

  it('experts that are fused in the checkpoint, and from GGUF', async () => {
    const [apart, fused, gguf] = ['apart', 'fused', 'mixture.gguf'].map((name) => join(folder, name));
    await writeCheckpoint(apart!, 'qwen3moe');
    await fuseExperts(apart!, fused!);
    const own = await ownLogits(fused!, tokens);
    await expectLogits(await written(fused!, join(folder, 'fused onnx')), own);
    const model = await openModel(fused!);
    await exportGguf(model, { type: 'F32' }, gguf!);
    await model.close();
    await expectLogits(await written(gguf!, join(folder, 'mixture gguf onnx')), own);
  });

  it('a GGUF file, whose rows of queries and keys are in another order', async () => {
    const gguf = join(folder, 'sample.gguf');
    const model = await openModel(sampleFolder);
    await exportGguf(model, { type: 'Q8_0' }, gguf);
    await model.close();
    const logits = await ownLogits(gguf, tokens);
    const session = await openOnnx(await written(gguf, join(folder, 'from gguf')));
    expect(farthest(await new OnnxText(session).next(tokens), logits)).toBeLessThan(bound);
    await session.release();
  });
});

/** A checkpoint with the weights that the codes of a choice stand for, and the ONNX file of those codes. */
async function quantized(source: string, name: string, choiceFor: (name: string) => MatrixChoice) {
  const model = await openModel(source);
  const decoded = new Map<string, Float32Array>();
  const choices = new Map<string, MatrixChoice>();
  for (const { name: matrix, source: tensor, shape } of await onnxMatrices(model)) {
    const choice = choiceFor(matrix);
    const values = new Float32Array(shape[0] * shape[1]);
    decoded.set(tensor, values);
    const open: MatrixChoice['open'] = async (rows) => {
      const quantizer = await choice.open(rows);
      let at = 0;
      return {
        async quantize(slab) {
          const codes = await quantizer.quantize(slab);
          values.set(codes.grid.levels.kind === 'float' ? await decodeRows(codes) : decodedRows(codes), at);
          at += slab.length;
          return codes;
        },
      };
    };
    choices.set(matrix, { ...choice, open });
  }
  const out = join(folder, `${name} onnx`);
  const result = await writeOnnx(model, choices, out);
  const copy = join(folder, `${name} decoded`);
  mkdirSync(copy);
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(source, file), join(copy, file));
  const parts = [];
  for (const tensor of model.description.tensors) {
    const values = decoded.get(tensor.name);
    const bytes = values ? new Uint8Array(values.buffer) : await model.read(tensor, 0, tensor.byteLength);
    const { shape } = tensor;
    parts.push({ name: tensor.name, dtype: values ? 'F32' : tensor.dtype, shape, data: () => [bytes] });
  }
  await writeSafetensors(join(copy, 'model.safetensors'), parts, {});
  await model.close();
  return { result, copy, file: join(out, 'model.onnx') };
}

describe('quantized weights', () => {
  const integers = (bits: number, signed: boolean): Grid['levels'] => ({ kind: 'integer', bits, signed });
  const e4m3 = { kind: 'float', exponent: 4, mantissa: 3, special: 'nan' } as const;
  const affine = { rule: { kind: 'range', widened: true }, zero: 'integer', scale: 'F32' } as const;
  const symmetric = (divisor: number) => ({ rule: { kind: 'absmax', divisor }, scale: 'F32' }) as const;
  const table = (name: 'nf4' | 'fp4'): Grid => ({
    ...{ levels: { kind: 'table', table: name }, group: { flat: 64 } },
    ...symmetric(1),
  });
  const forms: readonly (readonly [string, Grid, CodeStorage])[] = [
    ['QDQ int8 per row', { levels: integers(8, true), group: 'row', ...symmetric(127) }, 'qdq'],
    ['QDQ int8 per tensor', { levels: integers(8, true), group: 'tensor', ...symmetric(127) }, 'qdq'],
    ['QDQ uint8 per row with zero points', { levels: integers(8, false), group: 'row', ...affine }, 'qdq'],
    ['QDQ int4 in groups', { levels: integers(4, true), group: 32, ...symmetric(7) }, 'qdq'],
    ['QDQ uint4 in groups', { levels: integers(4, false), group: 64, ...affine }, 'qdq'],
    ['QDQ int4 per row', { levels: integers(4, true), group: 'row', ...symmetric(7) }, 'qdq'],
    ['QDQ uint4 per tensor', { levels: integers(4, false), group: 'tensor', ...affine }, 'qdq'],
    ['QDQ int8 in groups', { levels: integers(8, true), group: 32, ...symmetric(127) }, 'qdq'],
    ['QDQ E4M3 per row', { levels: e4m3, group: 'row', ...symmetric(448) }, 'qdq'],
    ['QDQ E4M3 per tensor', { levels: e4m3, group: 'tensor', ...symmetric(448) }, 'qdq'],
    ['QDQ E4M3 in groups', { levels: e4m3, group: 64, ...symmetric(448) }, 'qdq'],
    ['MatMulNBits 2', { levels: integers(2, false), group: 16, ...affine }, 'matmulnbits'],
    ['MatMulNBits 4', { levels: integers(4, true), group: 32, ...symmetric(7) }, 'matmulnbits'],
    ['MatMulNBits 4 with zero points', { levels: integers(4, false), group: 128, ...affine }, 'matmulnbits'],
    ['MatMulNBits 8', { levels: integers(8, true), group: 64, ...symmetric(127) }, 'matmulnbits'],
    ['MatMulBnb4 NF4', table('nf4'), 'matmulbnb4'],
    ['MatMulBnb4 FP4', table('fp4'), 'matmulbnb4'],
  ];

  it.each(forms)('%s: by default options the logits of the decoded weights', async (name, grid, storage) => {
    const { result, copy, file } = await quantized(sampleFolder, name, () =>
      grid.levels.kind === 'float' ? methodChoice(rtn, grid, storage) : nearestChoice(grid, storage),
    );
    expect(result.notes).toEqual([]);
    expect(result.bitsPerWeight).toBeLessThan(
      grid.levels.kind === 'integer' && grid.levels.bits <= 4 ? 9 : 12,
    );
    await expectLogits(file, await ownLogits(copy, tokens));
  });

  it('fusable QDQ: ONNX Runtime rounds inputs to 8 bits unless it is told not to, which notes and file say', async () => {
    const grid: Grid = { levels: integers(4, true), group: 32, ...symmetric(7) };
    const { result, copy, file } = await quantized(sampleFolder, 'fusable', () =>
      nearestChoice(grid, 'qdq-fusable'),
    );
    const note = expect.stringContaining('session.qdq_matmulnbits_accuracy_level = 1') as string;
    expect(result.notes).toEqual([note]);
    const { metadataProps } = decodeOnnx(readFileSync(file));
    expect(metadataProps).toEqual([
      { key: 'quantscope.weights', value: 'F32; QDQ I4 in groups of 32, fusable' },
      { key: 'quantscope.notes', value: note },
    ]);
    const logits = await ownLogits(copy, tokens);
    const differenceOf = async (options: Parameters<typeof openOnnx>[1]): Promise<number> => {
      const session = await openOnnx(file, options);
      const found = farthest(await new OnnxText(session).next(tokens), logits);
      await session.release();
      return found;
    };
    expect(await differenceOf({ exact: true })).toBeLessThan(bound);
    const rounded = await differenceOf({});
    expect(rounded).toBeGreaterThan(0.01);
    expect(rounded).toBeLessThan(0.5);
  });

  const int8 = { levels: integers(8, true), input: 'I8' } as const;
  it.each([
    ['int8 per row', { levels: integers(8, true), group: 'row', ...symmetric(127) }, int8],
    ['int8 per tensor', { levels: integers(8, true), group: 'tensor', ...symmetric(127) }, int8],
    ['int8 in groups', { levels: integers(8, true), group: 32, ...symmetric(127) }, int8],
    ['uint8 per row with zero points', { levels: integers(8, false), group: 'row', ...affine }, int8],
    ['int4 in groups', { levels: integers(4, true), group: 32, ...symmetric(7) }, int8],
    ['E4M3', { levels: e4m3, group: 'tensor', ...symmetric(448) }, { levels: e4m3, input: 'F8_E4M3' }],
  ] as const)(
    '%s and rounded inputs: by default options the logits of the same rounding',
    async (name, grid, { levels, input }) => {
      const largest = 16;
      const scale = largest / (input === 'I8' ? 127 : 448);
      const { copy, file } = await quantized(sampleFolder, `rounded ${name}`, () => ({
        ...methodChoice(rtn, grid, 'qdq', { input: { type: input, scale, zero: 0 } }),
      }));
      const logits = await ownLogits(copy, tokens, () => ({ levels, scale: 'static', largest }));
      const session = await openOnnx(file);
      const found = await new OnnxText(session).next(tokens);
      expect(farthest(found, logits)).toBeLessThan(bound);
      const unrounded = await ownLogits(copy, tokens);
      expect(farthest(found, unrounded), 'rounding changes logits').toBeGreaterThan(1e-2);
      await session.release();
    },
  );

  const mixtures = forms.filter(([name]) => /int8 per row|int4 in groups|per row$|Bits 4$|NF4/.test(name));
  it.each(mixtures)(
    '%s: the logits of experts, of which most tokens reach only some',
    async (name, grid, storage) => {
      const source = join(folder, `mixture ${name}`);
      await writeCheckpoint(source, 'mixtral');
      const choice =
        grid.levels.kind === 'float' ? methodChoice(rtn, grid, storage) : nearestChoice(grid, storage);
      const { result, copy, file } = await quantized(source, `experts ${name}`, () => choice);
      const stored = new Map(result.tensors.map((tensor) => [tensor.name, tensor]));
      expect(stored.get('blk.1.ffn_up_exps.3.weight')!.to).not.toBe('F32');
      expect(stored.get('blk.1.ffn_gate_inp.weight')).toMatchObject({ to: 'F32', shape: [4, 64] });
      await expectLogits(file, await ownLogits(copy, tokens));
    },
  );

  it('a tied output is quantized beside the embedding, which stays', async () => {
    const source = join(folder, 'tied');
    await writeCheckpoint(source, 'gemma');
    const model = await openModel(source);
    const grid: Grid = { levels: integers(4, true), group: 32, ...symmetric(7) };
    const out = join(folder, 'tied onnx');
    const choices = new Map([['output.weight', nearestChoice(grid, 'matmulnbits')]]);
    const { tensors } = await writeOnnx(model, choices, out);
    await model.close();
    const listed = tensors.filter(({ name }) => /^(token_embd|output)\.weight/.test(name));
    expect(listed.map(({ name, to }) => [name, to])).toEqual([
      ['token_embd.weight', 'F32'],
      ['output.weight', 'MatMulNBits 4 bit in groups of 32'],
    ]);
    const session = await openOnnx(join(out, 'model.onnx'));
    expect(session.outputNames[0]).toBe('logits');
    await session.release();
  });

  it.each([
    [{ levels: integers(3, true), group: 32, ...symmetric(3) }, 'matmulnbits', /integers of 2, 4 and 8 bits/],
    [{ levels: integers(4, true), group: 'row', ...symmetric(7) }, 'matmulnbits', /groups of 16, 32/],
    [table('nf4'), 'qdq', /no table of values; MatMulBnb4/],
    [{ levels: integers(4, true), group: 32, ...symmetric(7) }, 'matmulbnb4', /holds NF4 and FP4/],
    [{ levels: integers(8, true), group: { rows: 128, columns: 128 }, ...symmetric(127) }, 'qdq', /per row/],
  ] as readonly (readonly [Grid, CodeStorage, RegExp])[])(
    'a grid that the operator does not express is rejected with the reason: %j as %s',
    async (grid, storage, reason) => {
      const model = await openModel(sampleFolder);
      const out = join(folder, 'rejected');
      const choices = new Map([['blk.0.attn_q.weight', nearestChoice(grid, storage)]]);
      const written = writeOnnx(model, choices, out);
      await expect(written).rejects.toThrow(reason);
      await expect(written).rejects.toThrow(/tensor "blk\.0\.attn_q\.weight"/);
      expect(existsSync(out)).toBe(false);
      await model.close();
    },
  );
});
