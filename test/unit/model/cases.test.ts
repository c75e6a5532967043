import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/layouts/openModel';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { filesUnder, hasSharedData, sharedData } from '../../support/files';

/** What a file or folder of `cases/` opens as, or the error that says what it is. */
type Expected =
  | {
      readonly tensors: readonly string[];
      readonly notes?: RegExp;
      /** Parts of descriptors, in the order of `tensors`. */
      readonly descriptors?: readonly Partial<TensorDescriptor>[];
      readonly missingBytes?: number;
    }
  | { readonly error: RegExp };

const opens = (...tensors: string[]): Expected => ({ tensors });
const fails = (error: RegExp): Expected => ({ error });

const cases: Readonly<Record<string, Expected>> = {
  'cases/files/UP.SAFETENSORS': opens('a', 'b'),
  'cases/files/ae.sft': opens('a', 'b'),
  'cases/files/sha256-4f0a': opens('a', 'b'),
  'cases/files/al.gguf': opens('a', 'b'),
  'cases/files/ik.gguf': {
    tensors: ['blk.0.ffn_up.weight', 'blk.0.attn_q.weight', 'output_norm.weight'],
    descriptors: [
      { dtype: 'type 138 (unknown)', byteLength: 448, readable: false },
      { dtype: 'type 144 (unknown)', byteLength: 320, readable: false },
      { dtype: 'F32', byteLength: 256, readable: true },
    ],
  },
  'cases/files/q4044.gguf': {
    tensors: ['a.weight', 'output_norm.weight'],
    descriptors: [{ dtype: 'Q4_0_4_4 (removed)', byteLength: 576, readable: false }, { readable: true }],
  },
  'cases/files/five.gguf': {
    tensors: ['five.weight', 'w.weight'],
    descriptors: [{ shape: [2, 2, 2, 3, 32] }, { shape: [2, 256] }],
  },
  'cases/files/empty2.gguf': {
    tensors: ['empty2', 'w.weight'],
    descriptors: [{ shape: [0, 256], byteLength: 0, readable: true }, { byteLength: 2048 }],
  },
  'cases/files/trunc.safetensors': {
    tensors: ['a', 'b'],
    descriptors: [{ readable: true }, { readable: false, missingBytes: 50 }],
    missingBytes: 50,
  },
  'cases/hostile/zero-columns.safetensors': {
    tensors: ['w.weight'],
    descriptors: [{ shape: [2 ** 53 - 1, 0], elements: 0, byteLength: 0 }],
  },
  'cases/hostile/zero-columns-6GB.safetensors': {
    tensors: ['w.weight'],
    descriptors: [{ shape: [1.5e9, 0], elements: 0, byteLength: 0 }],
  },
  'cases/hostile/zero-columns.gguf': opens('a.weight'),
  'cases/hostile/zero-shapes.safetensors': opens(
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `${name}.weight`),
  ),
  'cases/hostile/escape.safetensors': opens(
    '\u001b[2J\u001b[H\u001b]0;owned\u0007\u001b]52;c;cm0gLXJmIH4K\u0007all is well',
    'a\nWarning: 0 problems',
  ),
  'cases/hostile/escape-bad.safetensors': fails(/needs 12 bytes, but the header gives it 4/),
  'cases/hostile/config-1e9-layers.json': fails(/JSON without a "weight_map"/),
  'cases/files/html.safetensors': fails(/web page, not the file itself \(its title is "Sign in"\)/),
  'cases/files/gz.safetensors': fails(/gzip file/),
  'cases/folders/mistral-both': {
    tensors: ['model.layers.0.self_attn.q_proj.weight', 'model.layers.1.self_attn.q_proj.weight'],
    notes: /model\.safetensors\.index\.json was chosen over consolidated\.safetensors\.index\.json/,
  },
  'cases/folders/noindex': opens(
    ...[0, 1, 2].map((layer) => `model.layers.${layer}.self_attn.q_proj.weight`),
  ),
  'cases/folders/stale': {
    tensors: ['a', 'z'],
    notes: /model\.safetensors was chosen over model\.safetensors\.index\.json/,
  },
  'cases/folders/diff2': opens('a1', 'a2'),
  'cases/folders/hub/models--x--y/snapshots/abc': { tensors: ['a'], notes: /link saved as text/ },
};

const absolute = (name: string): string => join(sharedData, ...name.split('/'));

describe.skipIf(!hasSharedData)('files that people met', () => {
  it.each(Object.entries(cases))('%s', async (name, expected) => {
    const path = absolute(name);
    if ('error' in expected) {
      const error: unknown = await openModel(path).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(QuantscopeError);
      return expect((error as QuantscopeError).message).toMatch(expected.error);
    }
    const model = await openModel(path);
    await model.close();
    const { tensors, notes, missingBytes } = model.description;
    expect(tensors.map((tensor) => tensor.name)).toEqual(expected.tensors);
    expect(notes).toEqual(expected.notes ? [expect.stringMatching(expected.notes)] : []);
    expect(tensors).toMatchObject(expected.descriptors ?? tensors);
    expect(missingBytes).toBe(expected.missingBytes ?? 0);
  });

  it('names.safetensors keeps every name, those of Object.prototype included', async () => {
    const model = await openModel(absolute('cases/files/names.safetensors'));
    await model.close();
    const names = model.description.tensors.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['__proto__', 'constructor']));
    for (const name of names) expect(model.tensor(name).name).toBe(name);
  });

  it('every model file of the folder is in the table', () => {
    const listed = [...Object.keys(cases), 'cases/files/names.safetensors', 'cases/hostile/big.safetensors'];
    const files = filesUnder(join(sharedData, 'cases'), /\.(safetensors|gguf|sft)$/i)
      .map((file) => relative(sharedData, file).replaceAll(sep, '/'))
      .filter((file) => !/^cases\/(folders|hostile\/hover-injection)\//.test(file));
    expect(files.filter((file) => !listed.includes(file))).toEqual([]);
  });
});
