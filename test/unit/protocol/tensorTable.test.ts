import { describe, expect, it } from 'vitest';
import { packTensors } from '../../../src/model/packTensors';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { TensorTable } from '../../../src/protocol/tensorTable';

/** A table on the other side of a boundary that carries JSON. */
const received = (tensors: readonly TensorDescriptor[]): TensorTable =>
  new TensorTable(JSON.parse(JSON.stringify(packTensors(tensors))) as ReturnType<typeof packTensors>);

const shape = [2, 4];
let end = 0;
const tensor = (name: string, more: Partial<TensorDescriptor> = {}): TensorDescriptor => ({
  ...{
    name,
    dtype: 'BF16',
    shape,
    elements: 8,
    file: '/m/1.safetensors',
    offset: (end += 16),
    byteLength: 16,
  },
  ...{ readable: true, ...more },
});

const names = [
  ...['model.embed_tokens.weight', 'model.layers.0.mlp.experts.0.up_proj.weight'],
  ...['model.layers.0.mlp.experts.1.up_proj.weight', 'model.layers.12.mlp.experts.127.up_proj.weight'],
  ...[
    'blk.3',
    '7',
    '7.8',
    '0.weight',
    '00.weight',
    'a.01.b',
    'a.1.b',
    'conv1d.w2',
    'a.1234567890.b',
    'a.999999999.b',
  ],
  ...['z.5', 'z.\0', 'z.\0.5', 'z.5.\0'],
  ...['', '.', 'a..b', 'a.1.', '.1.', 'é.5.weight', 'layers.1x.w', 'layers.x1.w', 'a.1.2.3.b', 'a.1.2.3.b.4'],
];

describe('tensors that cross a boundary', () => {
  it('keep their names, whatever numbers are in them', () => {
    const table = received(names.map((name) => tensor(name)));
    expect(table.all().map(({ name }) => name)).toEqual(names);
    expect(names.map((name) => table.indexOf(name))).toEqual(names.map((_, i) => i));
    expect(table.indexOf('model.layers.1.mlp.experts.0.up_proj.weight')).toBe(-1);
    expect(table.indexOf('other')).toBe(-1);
  });

  it('say which is the first of each pattern of names that is of a kind', () => {
    const table = received([
      tensor('norm.0.weight', { shape: [8] }),
      ...['q.0.weight', 'k.0.weight', 'q.1.weight', 'k.1.weight'].map((name) => tensor(name)),
    ]);
    expect(table.firstsOfPatterns(({ shape }) => shape.length > 1)).toEqual([1, 2]);
  });

  it('share patterns and kinds', () => {
    const many = Array.from({ length: 500 }, (_, i) =>
      tensor(`model.layers.${i}.${i % 2 ? 'q' : 'k'}.weight`),
    );
    const { patterns, kinds, places } = packTensors(many);
    expect([patterns.length, kinds.length, places.length]).toEqual([2, 1, 1]);
  });

  it('come back as they were: gaps, other files, views, layouts, what cannot be read', () => {
    const stored = { layout: 'gptq', parts: [{ ...tensor('part'), role: 'codes' }] };
    const tensors = [
      tensor('a', { offset: 100 }),
      tensor('b', { offset: 116 }),
      tensor('c', { offset: 200, shape: [8], byteLength: 16 }),
      tensor('d', { offset: 0, file: '/m/2.safetensors', dtype: 'F32', byteLength: 32 }),
      tensor('e', { offset: 2 ** 45, shape: [2, 4] }),
      tensor('f', { shape: [4, 2], strides: [1, 4] }),
      tensor('g', { stored: stored, dtype: 'GPTQ 4-bit' }),
      tensor('h', { readable: false, unreadableReason: 'It is gone.', missingBytes: 3 }),
      tensor('i', { shape: [], elements: 1, dtype: 'F64', byteLength: 8 }),
      tensor('j', { shape: [], elements: 0, dtype: '?', byteLength: 0, readable: false }),
    ];
    const table = received(tensors);
    expect(table.all()).toEqual(tensors);
    expect(table.descriptor(3)).toBe(table.descriptor(3));
  });

  it('may be none', () => {
    expect(received([]).all()).toEqual([]);
  });
});
