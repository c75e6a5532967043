import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufView } from '../../../../src/architectures/ggufView';
import { Weights, type WeightChanges } from '../../../../src/graph/transformer/weights';
import { openModel } from '../../../../src/layouts/openModel';
import type { Model } from '../../../../src/model/model';
import { formatById } from '../../../../src/quant/catalogue';
import { fakeQuantize } from '../../../../src/quant/fakeQuantize';
import { exportGguf } from '../../../../src/exporter/exportGguf';
import { temporaryFolder } from '../../../support/files';
import { Random } from '../../../support/random';
import { Checkpoint } from '../../../support/reference/checkpoint';
import { writeTorchSample } from '../../../support/torchSample';
import { writeCheckpoint } from '../../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);
const opened = new Map<string, Model>();
const range = { min: Infinity, max: -Infinity };

beforeAll(async () => {
  for (const packing of ['zip', 'legacy'] as const) {
    await writeTorchSample(path(packing), packing);
    opened.set(packing, await openModel(path(packing)));
  }
  for (const name of ['llama', 'mixtral', 'phi3']) {
    await writeCheckpoint(path(name), name);
    opened.set(name, await openModel(path(name)));
  }
  await exportGguf(opened.get('llama')!, { type: 'Q8_0' }, path('llama.gguf'));
  opened.set('llama.gguf', await openModel(path('llama.gguf')));
});
afterAll(async () => {
  for (const model of opened.values()) await model.close();
});

async function weightsOf(name: string, changes?: WeightChanges): Promise<Weights> {
  const model = opened.get(name)!;
  return new Weights(model, await ggufView(model), changes);
}

/** The values of a checkpoint's tensors, one below the other, read without the project's reader. */
const valuesOf = (name: string, ...tensors: string[]): Float32Array => {
  const checkpoint = new Checkpoint(path(name));
  return Float32Array.from(tensors.flatMap((tensor) => [...checkpoint.vector(tensor)]));
};

async function loaded(weights: Weights, name: string, size: number, first?: number, count?: number) {
  const target = new Float32Array(size);
  const rows = first === undefined || count === undefined ? {} : { rows: { first, count } };
  await weights.load(name, target, rows);
  return target;
}

const experts = (block: number, part: string): string[] =>
  [0, 1, 2, 3].map((i) => `model.layers.${block}.block_sparse_moe.experts.${i}.${part}.weight`);

describe('weights of a model', () => {
  it('are multiplied by the factor of their matrix, that of an expert by its own', async () => {
    const model = opened.get('mixtral')!;
    const view = await ggufView(model);
    const norm = { tensor: model.tensor('model.norm.weight'), firstRow: 0, rows: 4 };
    const factors = { name: 'blk.0.ffn_up_exps.scale', shape: [4], columns: 1, pieces: [norm] };
    const weights = new Weights(model, { ...view, tensors: [...view.tensors, factors] });
    const values = valuesOf('mixtral', 'model.norm.weight');
    const plain = valuesOf('mixtral', ...experts(0, 'w3'));
    const each = plain.length / 4;
    const expected = plain.map((value, i) => value * values[Math.floor(i / each)]!);
    expect(await loaded(weights, 'blk.0.ffn_up_exps.weight', plain.length)).toEqual(expected);
    const columns = view.tensors.find(({ name }) => name === 'blk.0.ffn_up_exps.weight')!.shape.at(-1)!;
    const [first, count] = [(2 * each) / columns - 1, 2];
    expect(await loaded(weights, 'blk.0.ffn_up_exps.weight', count * columns, first, count)).toEqual(
      expected.subarray(first * columns, (first + count) * columns),
    );
  });

  it('are those of the checkpoint, rows of queries in its order', async () => {
    const weights = await weightsOf('llama');
    expect(weights.halvesRotate).toBe(true);
    const expected = valuesOf('llama', 'model.layers.1.self_attn.q_proj.weight');
    expect(await loaded(weights, 'blk.1.attn_q.weight', 64 * 64)).toEqual(expected);
  });

  it('of a GGUF file are in the file’s own order', async () => {
    const weights = await weightsOf('llama.gguf');
    expect(weights.halvesRotate).toBe(false);
    const expected = valuesOf('llama', 'model.layers.1.self_attn.q_proj.weight');
    const row = (values: Float32Array, i: number) => values.subarray(i * 64, (i + 1) * 64);
    const found = await loaded(weights, 'blk.1.attn_q.weight', 64 * 64);
    // A head of 16: GGUF has rows 0, 8, 1, 9, …
    for (const [i, source] of [0, 8, 1, 9].entries()) {
      const difference = row(found, i).map((value, j) => Math.abs(value - row(expected, source)[j]!));
      expect(Math.max(...difference), `row ${i}`).toBeLessThan(0.002);
    }
  });

  it('come row by row, across the borders of what a tensor is merged from', async () => {
    const all = valuesOf('mixtral', ...experts(0, 'w1'));
    expect(await loaded(await weightsOf('mixtral'), 'blk.0.ffn_gate_exps.weight', all.length)).toEqual(all);
    const [first, count] = [90, 110]; // the end of one expert of 96 rows, all of the next, and 8 rows of a third
    const rows = await loaded(
      await weightsOf('mixtral'),
      'blk.0.ffn_gate_exps.weight',
      count * 64,
      first,
      count,
    );
    expect(rows).toEqual(all.subarray(first * 64, (first + count) * 64));
  });

  it('are looked up by token, each once', async () => {
    const table = valuesOf('llama', 'model.embed_tokens.weight');
    const known = new Float32Array(64);
    const found = new Map([[5, known]]);
    await (await weightsOf('llama')).lookUp('token_embd.weight', [7, 1023, 5, 7, 0], found);
    expect([...found.keys()]).toEqual([5, 7, 1023, 0]);
    expect(found.get(5)).toBe(known);
    found.delete(5);
    for (const [id, row] of found) expect(row).toEqual(table.subarray(id * 64, (id + 1) * 64));
  });

  it('that the model lacks are named', async () => {
    await expect(loaded(await weightsOf('llama'), 'blk.9.attn_q.weight', 1)).rejects.toMatchObject({
      code: 'MODEL_FILE',
      place: { file: path('llama'), tensor: 'blk.9.attn_q.weight' },
    });
  });
});

describe('changed weights', () => {
  const name = 'blk.0.ffn_down.weight';
  const source = 'model.layers.0.mlp.down_proj.weight';
  const changed = (format: string, importance?: Float32Array): WeightChanges =>
    new Map([[name, { format: formatById(format), ...(importance ? { importance } : {}) }]]);

  it('are what the format stores, and only those of the named tensor', async () => {
    const weights = await weightsOf('llama', changed('Q4_0'));
    const expected = valuesOf('llama', source);
    await fakeQuantize(formatById('Q4_0'), expected, 96, range);
    expect(await loaded(weights, name, 64 * 96)).toEqual(expected);
    expect(await loaded(weights, 'blk.1.ffn_down.weight', 64 * 96)).toEqual(
      valuesOf('llama', 'model.layers.1.mlp.down_proj.weight'),
    );
    expect([weights.typeOf(name), weights.typeOf('blk.1.ffn_down.weight')]).toEqual(['Q4_0', 'BF16']);
  });

  it('of a tensor-wide format have the scale of the whole tensor, also when only some rows are asked for', async () => {
    const weights = await weightsOf('llama', changed('absmax-int8'));
    const expected = valuesOf('llama', source);
    const whole = { min: Math.min(...expected), max: Math.max(...expected) };
    await fakeQuantize(formatById('absmax-int8'), expected, 96, whole);
    expect(await loaded(weights, name, 5 * 96, 20, 5)).toEqual(expected.subarray(20 * 96, 25 * 96));
    expect(await loaded(weights, name, 64 * 96)).toEqual(expected);
  });

  it('of experts follow each expert’s own importance, whichever rows are asked for', async () => {
    const tensor = 'blk.0.ffn_up_exps.weight';
    const importance = new Random(3).fill(4 * 64, (random) => random.normal() ** 2 + 0.001);
    const format = formatById('Q4_0');
    const weights = await weightsOf('mixtral', new Map([[tensor, { format, importance }]]));
    const expected = valuesOf('mixtral', ...experts(0, 'w3'));
    for (let expert = 0; expert < 4; expert++) {
      const ofExpert = { importance: importance.subarray(expert * 64, (expert + 1) * 64) };
      const rows = expected.subarray(expert * 96 * 64, (expert + 1) * 96 * 64);
      await fakeQuantize(format, rows, 64, range, ofExpert);
    }
    expect(await loaded(weights, tensor, expected.length)).toEqual(expected);
    expect(await loaded(weights, tensor, 20 * 64, 180, 20)).toEqual(expected.subarray(180 * 64, 200 * 64));
    const byFirst = valuesOf('mixtral', ...experts(0, 'w3'));
    await fakeQuantize(format, byFirst, 64, range, { importance: importance.subarray(0, 64) });
    expect(byFirst).not.toEqual(expected);
  });

  it('that do not fit the format are named', async () => {
    await expect(loaded(await weightsOf('llama', changed('IQ2_XXS')), name, 64 * 96)).rejects.toMatchObject({
      place: { tensor: name, file: path('llama') },
    });
  });
});

describe('where rows lie in files', () => {
  const bytesAt = (file: string, offset: number, bytes: number) =>
    readFileSync(file).subarray(offset, offset + bytes);

  it('is known for floats, and the rows are there', async () => {
    const { dtype, parts } = (await weightsOf('mixtral')).stored('blk.1.ffn_down_exps.weight', {
      first: 60,
      count: 10,
    })!;
    expect([dtype, parts.map(({ rows }) => rows)]).toEqual(['BF16', [4, 6]]); // experts have 64 rows
    const found = parts.flatMap(({ file, offset, bytes }) => {
      const words = bytesAt(file, offset, bytes);
      return Array.from({ length: bytes / 2 }, (_, i) => words.readUInt16LE(2 * i));
    });
    const expected = valuesOf('mixtral', ...experts(1, 'w2')).subarray(60 * 96, 70 * 96);
    expect(found).toEqual(
      [...new Uint32Array(expected.buffer, expected.byteOffset, expected.length)].map((w) => w >>> 16),
    );
  });

  it('is known for rows of a fused matrix, from their beginning', async () => {
    const checkpoint = await weightsOf('phi3');
    const whole = checkpoint.stored('blk.0.attn_qkv.weight')!;
    const some = checkpoint.stored('blk.0.attn_qkv.weight', { first: 3, count: 2 })!;
    expect(some.parts[0]!.offset).toBe(whole.parts[0]!.offset + 3 * 64 * 2);
    expect(some.parts[0]).toMatchObject({ file: whole.parts[0]!.file, bytes: 2 * 64 * 2, rows: 2 });
  });

  it('is unknown where weights must be decoded or changed', async () => {
    const changes: WeightChanges = new Map([['blk.0.attn_v.weight', { format: formatById('Q8_0') }]]);
    expect((await weightsOf('llama', changes)).stored('blk.0.attn_v.weight')).toBeUndefined();
    expect((await weightsOf('llama')).stored('blk.0.attn_v.weight')!.parts).toHaveLength(1);
    expect((await weightsOf('llama.gguf')).stored('blk.0.attn_v.weight')).toBeUndefined(); // Q8_0
    expect((await weightsOf('llama')).stored('blk.0.nothing.weight')).toBeUndefined();
  });

  it('is unknown where rows lie in another order, or not at multiples of their numbers', async () => {
    const torch = await weightsOf('zip');
    expect(torch.stored('blk.0.attn_v.weight')!.parts).toHaveLength(1);
    expect(torch.stored('blk.0.attn_output.weight')).toBeUndefined();
    const { tensors } = opened.get('legacy')!.description;
    expect(tensors.some(({ offset }) => offset % 2 === 1)).toBe(true);
    expect((await weightsOf('legacy')).stored('blk.0.attn_v.weight')).toBeUndefined();
  });
});
