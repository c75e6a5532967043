import { copyFileSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRegion } from '../../../src/analysis/region';
import { analyseTensor } from '../../../src/analysis/analyse';
import { compareFormats } from '../../../src/analysis/compare';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { quantizeTensors } from '../../../src/exporter/quantizeTensors';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { fakeQuantize } from '../../../src/quant/fakeQuantize';
import { formatById, formats } from '../../../src/quant/catalogue';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();
const random = new Random(21);
const shape = [12, 512];
const weights = Float32Array.from({ length: 12 * 512 }, () => random.normal());

const source = writeFile(
  folder,
  'source.safetensors',
  Buffer.concat([
    safetensorsBytes(
      {
        a: { dtype: 'F32', shape, data_offsets: [0, weights.byteLength] },
        b: { dtype: 'F32', shape: [4, 3, 512], data_offsets: [weights.byteLength, 2 * weights.byteLength] },
        'c.weight': { dtype: 'F32', shape, data_offsets: [2 * weights.byteLength, 3 * weights.byteLength] },
      },
      0,
    ),
    ...new Array<Buffer>(3).fill(Buffer.from(weights.buffer)),
  ]),
);

const usable = formats.filter((format) => format.refuse(shape) === undefined).map(({ id }) => id);
/** Grids by their names: codes of 2 to 8 bits, scales in each dtype. */
const grids = [
  ...[
    'int2-g16',
    'int3-g128',
    'int4-g128',
    'uint5-g128-zp',
    'int6-row',
    'int7-g64-bf16',
    'uint8-tensor-zp-f32',
  ],
  ...['int5-row-e8m0', 'int3-g32-e4m3', 'e3m4-row', 'e2m1-g16-e4m3-global', 'e2m1-g32-e8m0', 'fp4-b64'],
];

/** Writes tensors in formats. @returns the path of the file. */
async function saved(name: string, choices: Readonly<Record<string, string>>): Promise<string> {
  const out = join(folder, name);
  const model = await openModel(source);
  const asked = Object.entries(choices).map(([tensor, id]) => ({
    ...{ tensor: model.tensor(tensor), format: formatById(id) },
  }));
  await quantizeTensors(model, asked, out);
  await model.close();
  return out;
}

async function opened<T>(path: string, work: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(path);
  try {
    return await work(model);
  } finally {
    await model.close();
  }
}

async function valuesOf(model: Model, name: string): Promise<number[]> {
  const values: number[] = [];
  for await (const slab of new TensorReader(model, model.tensor(name)).values())
    for (const value of slab.values) values.push(value);
  return values;
}

/** What a format makes of the weights. */
async function expected(id: string): Promise<number[]> {
  const values = weights.slice();
  const range = { min: Math.min(...values), max: Math.max(...values) };
  await fakeQuantize(formatById(id), values, 512, range);
  return [...values];
}

describe('tensors that were saved quantized', () => {
  it.each([...usable, ...grids])('open again as weights in %s', async (id) => {
    const path = await saved(`${id}.safetensors`, { a: id });
    await opened(path, async (model) => {
      const { tensors, warnings, parameters, dataBytes } = model.description;
      const bytes = formatById(id).bytes(shape);
      expect(tensors).toMatchObject([
        { name: 'a', dtype: id, shape, elements: 6144, byteLength: bytes, readable: true },
      ]);
      expect({ warnings, parameters, dataBytes }).toEqual({
        warnings: [],
        parameters: 6144,
        dataBytes: bytes,
      });
      expect(await valuesOf(model, 'a')).toEqual(await expected(id));
    });
  });

  it('may have a format each in one file, and shapes of any number of dimensions', async () => {
    const path = await saved('mixed.safetensors', { a: 'nf4', b: 'Q4_K' });
    await opened(path, async (model) => {
      expect(model.description.tensors.map(({ name, dtype, shape: its }) => ({ name, dtype, its }))).toEqual([
        { name: 'a', dtype: 'nf4', its: shape },
        { name: 'b', dtype: 'Q4_K', its: [4, 3, 512] },
      ]);
      expect(await valuesOf(model, 'a')).toEqual(await expected('nf4'));
      expect(await valuesOf(model, 'b')).toEqual(await expected('Q4_K'));
    });
  });

  it('are inspected and compared like any other', async () => {
    const path = await saved('looked.safetensors', { a: 'rowwise-int8' });
    const decoded = await expected('rowwise-int8');
    await opened(path, async (model) => {
      const tensor = model.tensor('a');
      const { statistics } = await analyseTensor(model, tensor);
      expect(statistics.max).toBe(decoded.reduce((a, b) => Math.max(a, b)));
      const region = { firstRow: 3, firstColumn: 100, rows: 2, columns: 5 };
      const { values } = await readRegion(model, tensor, region);
      expect(values).toEqual([3, 4].flatMap((row) => decoded.slice(row * 512 + 100, row * 512 + 105)));
      const { formats: errors } = await compareFormats(model, tensor, [formatById('F16')], {});
      expect(errors[0]!.error.relativeError).toBeLessThan(1e-3);
    });
  });

  it('are exported like any other, and the loss is stated', async () => {
    const checkpoint = join(folder, 'checkpoint');
    mkdirSync(checkpoint);
    for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
      copyFileSync(join(sampleFolder, file), join(checkpoint, file));
    const name = 'lm_head.weight';
    const kept = await opened(sampleFolder, async (model) => {
      const asked = [{ tensor: model.tensor(name), format: formatById('nf4') }];
      await quantizeTensors(model, asked, join(checkpoint, 'saved.safetensors'));
      const others = model.description.tensors.filter((tensor) => tensor.name !== name);
      const parts = others.map(async (tensor) => {
        const bytes = await model.read(tensor, 0, tensor.byteLength);
        return { name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, data: () => [bytes] };
      });
      await writeSafetensors(join(checkpoint, 'model.safetensors'), await Promise.all(parts), {});
      return others.map((tensor): [string, string] => [tensor.name, 'model.safetensors']);
    });
    const index = { weight_map: { ...Object.fromEntries(kept), [name]: 'saved.safetensors' } };
    writeFile(checkpoint, 'model.safetensors.index.json', JSON.stringify(index));
    const out = join(folder, 'exported.gguf');
    const decoded = await opened(join(checkpoint, 'model.safetensors.index.json'), async (model) => {
      const { warnings } = await exportGguf(model, { type: 'F32' }, out);
      expect(warnings).toEqual([
        '1 tensor is already quantized (nf4): the existing error remains, and new codes add theirs. The original weights give a more accurate model of the same size.',
      ]);
      return valuesOf(model, name);
    });
    expect(await opened(out, (model) => valuesOf(model, 'output.weight'))).toEqual(decoded);
  });
});

const { scheme } = formatById('nf4');
const grid = scheme.kind === 'grid' ? scheme.grid : undefined;

/** The file with another description of its tensors, of that version. */
async function described(
  name: string,
  description: unknown,
  choices: Record<string, string> = { a: 'nf4' },
  version: string | null = '2',
) {
  const path = await saved('plain.safetensors', choices);
  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, unknown>;
  header['__metadata__'] = {
    format: 'pt',
    ...(version === null ? {} : { 'quantscope.version': version }),
    'quantscope.tensors': typeof description === 'string' ? description : JSON.stringify(description),
  };
  return writeFile(folder, name, Buffer.concat([safetensorsBytes(header, 0), bytes.subarray(8 + length)]));
}

describe('a description that does not fit', () => {
  it.each([
    ['is not JSON', '{'],
    ['is not an object', '[]'],
    ['has no shape', { a: { format: 'nf4' } }],
    ['has a shape of other than sizes', { a: { format: 'nf4', grid, shape: [-1, 2] } }],
    ['has no grid', { a: { format: 'nf4', shape } }],
    [
      'has a grid that does not exist',
      { a: { format: 'nf4', shape, grid: { ...grid, rule: { kind: 'no' } } } },
    ],
    ['names a type that does not exist', { a: { format: 'Q4_K', type: 'Q9_K', shape } }],
  ])('%s: the tensors are shown as stored', async (_, description) => {
    await opened(await described('odd.safetensors', description), async (model) => {
      expect(model.description.tensors.map(({ name, dtype }) => [name, dtype])).toEqual([
        ['a', 'U8'],
        ['a_scale', 'F32'],
      ]);
      expect(model.description.warnings.join()).toMatch(/quantscope\.tensors.*cannot be read/);
      expect(await valuesOf(model, 'a_scale')).toHaveLength(12 * 8);
    });
  });

  it('keeps other layouts away, whose scales mean something else', async () => {
    const path = await described('int8.safetensors', '{', { 'c.weight': 'rowwise-int8' });
    await opened(path, (model) => {
      expect(model.description.tensors.map(({ name, dtype }) => [name, dtype])).toEqual([
        ['c.weight', 'I8'],
        ['c.weight_scale', 'F32'],
      ]);
      return Promise.resolve();
    });
  });

  const withZeros = {
    ...grid,
    levels: { kind: 'integer', bits: 8, signed: false },
    rule: { kind: 'range', widened: true },
    zero: 'float',
  };
  it.each([
    ['a tensor that does not exist', { no: { format: 'nf4', grid, shape } }],
    ['a type of another size', { a: { format: 'Q4_K', type: 'Q4_K', shape } }],
    ['a grid with other scales', { a: { format: 'nf4', grid: { ...grid, scale: 'F16' }, shape } }],
    ['a grid with zero points', { a: { format: 'uint8-zp', grid: withZeros, shape } }],
    [
      'a grid whose scales are quantized',
      { a: { format: 'nf4', grid: { ...grid, double: { block: 8 } }, shape } },
    ],
    [
      'blocks across the ends of rows',
      { a: { format: 'nf4', grid: { ...grid, group: { flat: 100 } }, shape } },
    ],
  ])('names %s', async (_, description) => {
    await opened(await described('other.safetensors', description), (model) => {
      expect(model.description.warnings.join()).toMatch(
        /does not match quantscope\.tensors: it is shown as stored/,
      );
      expect(model.description.tensors.map(({ dtype }) => dtype)).toEqual(['U8', 'F32']);
      return Promise.resolve();
    });
  });

  it('is of weights of another size: reading them fails, naming the tensor', async () => {
    const description = { a: { format: 'nf4', grid, shape: [12, 1024] } };
    await opened(await described('wrong.safetensors', description), (model) =>
      expect(valuesOf(model, 'a')).rejects.toThrow(/needs 6144 bytes of codes, but the file has 3072/),
    );
  });

  it('is of a later version: the tensors are shown as stored', async () => {
    const description = { a: { format: 'nf4', grid, shape } };
    await opened(await described('later.safetensors', description, { a: 'nf4' }, '3'), (model) => {
      expect(model.description.warnings.join()).toMatch(/quantscope\.tensors.*cannot be read/);
      expect(model.description.tensors.map(({ dtype }) => dtype)).toEqual(['U8', 'F32']);
      return Promise.resolve();
    });
  });
});

describe('files of version 1, which named formats and described no grid', () => {
  const file = (name: string): string => join(import.meta.dirname, 'savedFiles', name);
  /** In the order of their weights. */
  const old = [
    ...['nf4', 'block-int4-sym', 'block-int4-asym', 'minmax-int4', 'fp8-e4m3', 'fp8-e5m2'],
    ...['fp8-e4m3-row', 'fp8-e5m2-row', 'rowwise-int8', 'absmax-int8', 'zeropoint-int8', 'minmax-int8'],
  ];

  it.each(old)('are read exactly: %s', async (id) => {
    const expected = await opened(file('version1.decoded.safetensors'), (model) => valuesOf(model, id));
    await opened(file('version1.safetensors'), async (model) => {
      expect(model.tensor(id)).toMatchObject({ dtype: id, shape: [3, 75] });
      expect(await valuesOf(model, id)).toEqual(expected);
    });
  });

  it.each(['nf4', 'block-int4-asym', 'minmax-int4', 'minmax-int8'])(
    'hold what a format of the same version encodes today: %s',
    async (id) => {
      const count = 3 * 75;
      const all = new Random(77).fill(old.length * count, (draw) => draw.normal() * 0.1);
      const values = all.subarray(old.indexOf(id) * count, (old.indexOf(id) + 1) * count);
      values.fill(0, 2 * 75);
      const range = { min: Math.min(...values), max: Math.max(...values) };
      await fakeQuantize(formatById(id), values, 75, range);
      await opened(file('version1.safetensors'), async (model) =>
        expect(await valuesOf(model, id)).toEqual([...values]),
      );
    },
  );

  it.each([
    ['a format that there was not', { a: { format: 'nf5', shape } }],
    ['a tensor that does not exist', { no: { format: 'nf4', shape } }],
  ])('name %s: it is shown as stored', async (_, description) => {
    await opened(await described('unknown.safetensors', description, { a: 'nf4' }, null), (model) => {
      expect(model.description.warnings.join()).toMatch(/does not match quantscope\.tensors/);
      expect(model.description.tensors.map(({ dtype }) => dtype)).toEqual(['U8', 'F32']);
      return Promise.resolve();
    });
  });

  it('are of another size than their format has: reading them fails', async () => {
    const description = { a: { format: 'nf4', shape: [12, 1024] } };
    await opened(await described('old.safetensors', description, { a: 'nf4' }, null), (model) =>
      expect(valuesOf(model, 'a')).rejects.toThrow(/needs 6144 bytes of codes, but the file has 3072/),
    );
  });
});
