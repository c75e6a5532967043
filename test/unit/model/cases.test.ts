import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/model/openModel';
import { hasSharedData, sharedData } from '../../support/files';

/** What a file or folder of `cases/` and `hostile/` opens as, or the error that says what it is. */
type Expected = { readonly tensors: readonly string[]; readonly notes?: RegExp } | { readonly error: RegExp };

const opens = (...tensors: string[]): Expected => ({ tensors });
const fails = (error: RegExp): Expected => ({ error });

const cases: Readonly<Record<string, Expected>> = {
  'cases/files/UP.SAFETENSORS': opens('a', 'b'),
  'cases/files/ae.sft': opens('a', 'b'),
  'cases/files/sha256-4f0a': opens('a', 'b'),
  'cases/files/al.gguf': opens('a', 'b'),
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
    const { tensors, notes } = model.description;
    expect(tensors.map((tensor) => tensor.name)).toEqual(expected.tensors);
    expect(notes).toEqual(expected.notes ? [expect.stringMatching(expected.notes)] : []);
  });
});
