import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../../src/layouts/openModel';
import type { Model } from '../../../../src/model/model';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../../support/files';
import {
  Call,
  Global,
  Ordered,
  storage,
  tensor,
  torchArchive,
  torchLegacy,
  TorchStorage,
  torchZip,
  Tuple,
  zipBytes,
  type Pickled,
} from '../../../support/torchFiles';

const folder = temporaryFolder();

async function opened<T>(path: string, use: (model: Model) => T | Promise<T>): Promise<T> {
  const model = await openModel(path);
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

const bytesOf = async (model: Model, name: string): Promise<Uint8Array> => {
  const found = model.tensor(name);
  return model.read(found, 0, found.byteLength);
};
const floats = async (model: Model, name: string): Promise<number[]> => [
  ...new Float32Array((await bytesOf(model, name)).buffer),
];

const writers = { zip: torchZip, legacy: torchLegacy };
const ramp = (count: number, first = 0): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => first + i);

describe.each(Object.entries(writers))('a PyTorch file (%s)', (kind, write) => {
  it('lists the tensors of a state dict, whose data are ranges of the file', async () => {
    const state = new Ordered(
      {
        'a.weight': tensor('F32', [2, 3], ramp(6)),
        'a.bias': { ...tensor('F32', [3], ramp(3, 10)), parameter: true },
        half: tensor('BF16', [4], Uint16Array.of(0x3f80, 0x4000, 0xbf80, 0)),
        ids: tensor('I64', [2], BigInt64Array.of(7n, -1n)),
        scalar: tensor('F32', [], ramp(1, 5)),
        empty: tensor('F32', [0, 4], ramp(0)),
      },
      { _metadata: new Ordered({ '': { version: 1 } }) },
    );
    const bytes = write(state);
    const path = writeFile(folder, `plain-${kind}.bin`, bytes);
    await opened(path, async (model) => {
      const { description } = model;
      expect(description.format).toBe('pytorch');
      expect(description.dangers).toBeUndefined();
      expect(description.warnings).toEqual([]);
      expect(description.tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
        ['a.weight', 'F32', [2, 3]],
        ['a.bias', 'F32', [3]],
        ['half', 'BF16', [4]],
        ['ids', 'I64', [2]],
        ['scalar', 'F32', []],
        ['empty', 'F32', [0, 4]],
      ]);
      expect(description.parameters).toBe(16);
      const { offset, byteLength } = model.tensor('a.weight');
      expect([
        ...new Float32Array(Uint8Array.from(bytes.subarray(offset, offset + byteLength)).buffer),
      ]).toEqual([...ramp(6)]);
      expect(await floats(model, 'a.bias')).toEqual([10, 11, 12]);
      expect(await bytesOf(model, 'half')).toEqual(Uint8Array.of(0x80, 0x3f, 0, 0x40, 0x80, 0xbf, 0, 0));
      expect(description.files[0]!.contentHash).toMatch(/^[0-9a-f]{64}$/);
    });
  });

  it('reads storages of every dtype', async () => {
    const dtypes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1, C64: 8 };
    const state = Object.fromEntries(
      Object.entries(dtypes).map(([dtype, width]) => [
        dtype,
        tensor(dtype, [3], new Uint8Array(3 * width).fill(1)),
      ]),
    );
    await opened(writeFile(folder, `dtypes-${kind}.pt`, write(state)), ({ description: { tensors } }) => {
      expect(tensors.map(({ name, dtype, byteLength }) => [name, dtype, byteLength])).toEqual(
        Object.entries(dtypes).map(([dtype, width]) => [dtype, dtype, 3 * width]),
      );
      expect(tensors.filter(({ readable }) => !readable).map(({ name }) => name)).toEqual(['C64']);
    });
  });

  it('reads storages without a dtype, whose tensors name theirs', async () => {
    const held = new TorchStorage('UntypedStorage', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 1);
    const state = {
      fp8: { storage: held, shape: [4], dtype: 'float8_e4m3fn', offset: 2 },
      u16: { storage: held, shape: [2], dtype: 'uint16', offset: 1 },
    };
    await opened(writeFile(folder, `untyped-${kind}.pt`, write(state)), async (model) => {
      expect(model.tensor('fp8').dtype).toBe('F8_E4M3');
      expect(await bytesOf(model, 'fp8')).toEqual(Uint8Array.of(3, 4, 5, 6));
      expect(model.tensor('u16').dtype).toBe('U16');
      expect(await bytesOf(model, 'u16')).toEqual(Uint8Array.of(3, 4, 5, 6));
    });
  });

  it('gathers tensors whose elements are in another order', async () => {
    const held = storage('F32', ramp(24));
    const state = {
      transposed: { storage: held, shape: [6, 4], strides: [1, 6] },
      every2nd: { storage: held, shape: [4, 3], strides: [6, 2], offset: 1 },
      expanded: { storage: held, shape: [3, 4], strides: [0, 1] },
      rows: { storage: held, shape: [2, 6], offset: 6 },
      heads: { storage: held, shape: [2, 3, 4], strides: [4, 8, 1] },
    };
    await opened(writeFile(folder, `views-${kind}.pt`, write(state)), async (model) => {
      const transposed = Array.from({ length: 24 }, (_, i) => (i % 4) * 6 + Math.floor(i / 4));
      expect(await floats(model, 'transposed')).toEqual(transposed);
      expect(await floats(model, 'every2nd')).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]);
      expect(await floats(model, 'expanded')).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
      expect(await floats(model, 'rows')).toEqual([...ramp(12, 6)]);
      expect(model.tensor('rows').strides).toBeUndefined();
      expect(await floats(model, 'heads')).toEqual(
        [0, 8, 16, 4, 12, 20].flatMap((first) => [...ramp(4, first)]),
      );
      const part = await model.read(model.tensor('transposed'), 4 * 5, 4 * 6);
      expect([...new Float32Array(part.buffer)]).toEqual(transposed.slice(5, 11));
    });
  });

  it('shows tied weights under both names, counts them once and says so', async () => {
    const shared = tensor('F32', [2, 2], ramp(4));
    await opened(
      writeFile(folder, `tied-${kind}.pt`, write({ embed: shared, head: shared })),
      async (model) => {
        expect(model.description.tensors.map(({ name }) => name)).toEqual(['embed', 'head']);
        expect(model.description.parameters).toBe(4);
        expect(model.description.dataBytes).toBe(16);
        expect(model.description.notes).toEqual(['embed and head share their data (tied weights).']);
        expect(await floats(model, 'head')).toEqual([0, 1, 2, 3]);
      },
    );
  });
});

describe('what a PyTorch file holds', () => {
  const weights = { 'a.weight': tensor('F32', [2], ramp(2)), 'a.bias': tensor('F32', [1], ramp(1)) };
  const cases: [string, Pickled, string[], string[]][] = [
    ['a state dict under a key', { state_dict: weights, epoch: 3 }, ['a.weight', 'a.bias'], []],
    ['two such keys', { model: { state_dict: weights } }, ['a.weight', 'a.bias'], []],
    [
      'a state dict among other tensors',
      { model: weights, optimizer: { state: [{ step: tensor('F32', [], ramp(1)) }] }, lr: 0.5 },
      ['a.weight', 'a.bias'],
      ['The weights are those of "model"; 1 other tensor of the file (optimizer) is not shown.'],
    ],
    [
      'nested containers',
      { encoder: weights, list: [tensor('F32', [1], ramp(1)), new Tuple(tensor('F32', [1], ramp(1)))] },
      ['encoder.a.weight', 'encoder.a.bias', 'list.0', 'list.1.0'],
      [],
    ],
    ['a single tensor', tensor('F32', [3], ramp(3)), ['tensor'], []],
    [
      'torch.Size and devices',
      { size: new Call(new Global('torch', 'Size'), new Tuple(2)), w: weights['a.bias'] },
      ['w'],
      [],
    ],
    ...['_rebuild_from_type_v2', '_rebuild_from_type'].map((name): [string, Pickled, string[], string[]] => [
      `tensors with attributes (${name})`,
      {
        w: new Call(
          new Global('torch._tensor', name),
          new Global('torch._utils', '_rebuild_parameter'),
          new Global('torch.nn.parameter', 'Parameter'),
          new Tuple(weights['a.weight'], true, new Ordered({})),
          { tag: 1 },
        ),
      },
      ['w'],
      [],
    ]),
  ];
  it.each(cases)('%s', async (name, value, tensors, notes) => {
    await opened(writeFile(folder, `${name}.pt`, torchZip(value)), ({ description }) => {
      expect(description.tensors.map((item) => item.name)).toEqual(tensors);
      expect(description.notes).toEqual(notes);
      expect(description.dangers).toBeUndefined();
    });
  });

  it('plain values next to the weights, as metadata', async () => {
    const state = { state_dict: weights, epoch: 3, name: 'run', best: 0.25, done: true };
    await opened(writeFile(folder, 'values.ckpt', torchZip(state)), ({ description: { metadata } }) => {
      expect(metadata.map(({ key, text }) => [key, text])).toEqual([
        ['epoch', '3'],
        ['name', 'run'],
        ['best', '0.25'],
        ['done', 'true'],
      ]);
    });
  });

  it('a zip64 archive', async () => {
    const path = writeFile(folder, 'wide.pt', zipBytes(torchArchive(weights), { zip64: true }));
    expect(await opened(path, (model) => floats(model, 'a.weight'))).toEqual([0, 1]);
  });

  it('tensors that cannot be decoded are listed with the reason', async () => {
    const quantized = new TorchStorage('QInt8Storage', Uint8Array.of(1, 2), 1);
    await opened(
      writeFile(folder, 'odd.pt', torchZip({ q: { storage: quantized, shape: [2] }, ...weights })),
      ({ description: { tensors } }) => {
        expect(tensors[0]).toMatchObject({
          ...{ name: 'q', dtype: 'I8', readable: false },
          unreadableReason:
            'It is a quantized tensor of PyTorch (torch.quantize_per_tensor), which cannot be decoded.',
        });
      },
    );
  });
});

describe('a folder', () => {
  const weights = (first: number) => ({ w: tensor('F32', [2], ramp(2, first)) });

  it('of shards with pytorch_model.bin.index.json is one model', async () => {
    const path = join(folder, 'sharded');
    mkdirSync(path);
    const names = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
    writeFileSync(join(path, names[0]!), torchZip({ a: tensor('F32', [2], ramp(2)) }));
    writeFileSync(join(path, names[1]!), torchLegacy({ b: tensor('F32', [2], ramp(2, 5)) }));
    const index = { weight_map: { a: names[0], b: names[1] } };
    writeFileSync(join(path, 'pytorch_model.bin.index.json'), JSON.stringify(index));
    for (const place of ['', 'pytorch_model.bin.index.json', names[1]!])
      await opened(join(path, place), async (model) => {
        expect(model.description.format).toBe('pytorch');
        expect(model.description.name).toBe('sharded');
        expect(model.description.weightFiles).toEqual({ present: 2, total: 2 });
        expect(await floats(model, 'b')).toEqual([5, 6]);
      });
  });

  it('with safetensors and .bin opens the safetensors, with a note', async () => {
    const path = join(folder, 'both');
    mkdirSync(path);
    writeFileSync(join(path, 'pytorch_model.bin'), torchZip(weights(0)));
    const header = { w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } };
    writeFileSync(join(path, 'model.safetensors'), safetensorsBytes(header, 4));
    await opened(path, ({ description }) => {
      expect(description.format).toBe('safetensors');
      expect(description.notes).toEqual([
        'The folder holds several sets of weights: model.safetensors was chosen over pytorch_model.bin.',
      ]);
    });
  });

  it('of a training run opens the weights, not the state of the training', async () => {
    const path = join(folder, 'run');
    mkdirSync(path);
    for (const name of ['optimizer.pt', 'scheduler.pt', 'training_args.bin', 'rng_state.pth'])
      writeFileSync(join(path, name), torchZip(weights(9)));
    writeFileSync(join(path, 'pytorch_model.bin'), torchLegacy(weights(3)));
    await opened(path, async (model) => {
      expect(await floats(model, 'w')).toEqual([3, 4]);
      expect(model.description.notes).toEqual([]);
    });
  });

  it('whose only model has another name is found by its content', async () => {
    const path = join(folder, 'named');
    mkdirSync(path);
    writeFileSync(join(path, 'noise.bin'), Buffer.alloc(100, 7));
    writeFileSync(join(path, 'voice.pt'), torchZip(weights(1)));
    expect(await opened(path, (model) => floats(model, 'w'))).toEqual([1, 2]);
  });
});
