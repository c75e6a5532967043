import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ggufView } from '../../../src/architectures/ggufView';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { candidatesOf } from '../../../src/exporter/plan/candidates';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import type { KeyValue } from '../../../src/model/keyValue';
import type { Model } from '../../../src/model/model';
import { checkpoints } from '../../support/checkpoints';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeSyntheticGguf } from '../../support/syntheticGguf';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const opened: Model[] = [];
afterEach(async () => {
  for (const model of opened.splice(0)) await model.close();
});

/** The tied checkpoint with an output made from its embedding. */
async function withOutput(
  name: string,
  output: (embedding: Uint8Array) => { dtype: string; shape?: readonly number[]; data: Uint8Array },
): Promise<Model> {
  const source = join(folder, name);
  await writeCheckpoint(source, 'qwen2');
  const model = await openModel(source);
  const parts = await Promise.all(
    model.description.tensors.map(async (tensor) => {
      const data = await model.read(tensor, 0, tensor.byteLength);
      return { name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, data: () => [data] };
    }),
  );
  await model.close();
  const embedding = parts.find((part) => part.name === 'model.embed_tokens.weight')!;
  const { dtype, shape = embedding.shape, data } = output(embedding.data()[0]!);
  const more = { name: 'lm_head.weight', dtype, shape, data: () => [data] };
  await writeSafetensors(join(source, 'model.safetensors'), [...parts, more], {});
  const changed = await openModel(source);
  opened.push(changed);
  return changed;
}

const outputOf = async (model: Model) =>
  (await ggufView(model)).tensors.find(({ name }) => name === 'output.weight');

const asFloat32 = (data: Uint8Array): Uint8Array =>
  new Uint8Array(Uint32Array.from(new Uint16Array(data.slice().buffer), (bits) => bits << 16).buffer);

describe("GGUF's view of a model", () => {
  it('is made once for each open model, and for another one again', async () => {
    const [model, same] = [await openModel(sampleFolder), await openModel(sampleFolder)];
    opened.push(model, same);
    const view = await ggufView(model);
    expect(await ggufView(model)).toBe(view);
    expect(await ggufView(same)).not.toBe(view);
    expect((await ggufView(same)).tensors).toEqual(view.tensors);
  });
});

describe('an output matrix where config.json says that it is the embedding', () => {
  it('is left out where its bytes are the embedding’s', async () => {
    const model = await withOutput('bytes', (data) => ({ dtype: 'BF16', data }));
    expect(await outputOf(model)).toBeUndefined();
    expect((await ggufView(model)).notes).toEqual([]);
  });

  it('is left out where its values are the embedding’s in another dtype', async () => {
    const model = await withOutput('values', (data) => ({ dtype: 'F32', data: asFloat32(data) }));
    expect(await outputOf(model)).toBeUndefined();
  });

  it.each([
    [
      'one bit',
      (data: Uint8Array) => ({ dtype: 'BF16', data: data.with(data.length - 2, data.at(-2)! ^ 1) }),
    ],
    [
      'one value of another dtype',
      (data: Uint8Array) => ({ dtype: 'F32', data: asFloat32(data).with(3, 64) }),
    ],
  ])('is the output, with a note, where %s differs', async (what, change) => {
    const model = await withOutput(what, change);
    expect((await outputOf(model))?.pieces[0]?.tensor.name).toBe('lm_head.weight');
    const { notes } = await ggufView(model);
    expect(notes).toEqual([
      expect.stringContaining('lm_head.weight and model.embed_tokens.weight differ: lm_head.weight is used'),
    ]);
    const out = join(folder, `${what}.gguf`);
    const { tensors, warnings } = await exportGguf(model, { type: 'F16' }, out);
    expect(tensors.map(({ name }) => name)).toContain('output.weight');
    expect(warnings[0]).toBe(notes[0]);
  });

  it('cannot be written where its number of rows differs, which llama.cpp does not load', async () => {
    const model = await withOutput('rows', (data) => ({
      ...{ dtype: 'BF16', shape: [1023, 64], data: data.slice(0, 1023 * 128) },
    }));
    await expect(ggufView(model)).rejects.toThrow(
      /^The output has 1023 rows, but the embedding has 1024: .*tensor "lm_head\.weight"/,
    );
  });

  it('cannot be written for an architecture whose output is always the embedding', async () => {
    const { config, shapes } = checkpoints['gemma']!;
    const source = join(folder, 'gemma');
    await writeCheckpoint(source, { config, shapes: { ...shapes, 'lm_head.weight': [1024, 64] } });
    const model = await openModel(source);
    opened.push(model);
    await expect(ggufView(model)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('a file of a model that is opened alone', () => {
  const alone = async (file: string): Promise<Model> => {
    const model = await openModel({ path: file, alone: true });
    opened.push(model);
    return model;
  };

  it('has no view: the other files are missing, whatever config.json says', async () => {
    const source = join(folder, 'sharded');
    await writeCheckpoint(source, 'llama');
    const file = 'model-00001-of-00002.safetensors';
    const model = await alone(join(source, file));
    const message = `${file} is file 1 of 2 of a model and is opened alone: exports, evaluations, importance matrices and comparisons with GGUF need all of them.`;
    await expect(ggufView(model)).rejects.toMatchObject({
      code: 'REQUEST',
      message: `${message} (${join(source, file)})`,
    });
    // Its tensors can be measured, as those of the file.
    const { notExportable, tensors } = await candidatesOf(model);
    expect(notExportable).toBe(`${message} (${join(source, file)})`);
    expect(tensors.length).toBeGreaterThan(0);
  });

  it('of a split GGUF file is not exported as if it were the model', async () => {
    const whole = await openModel(sampleFolder);
    opened.push(whole);
    const out = join(folder, 'parts.gguf');
    await exportGguf(whole, { type: 'F16', split: { kind: 'tensors', value: 20 } }, out);
    const model = await alone(join(folder, 'parts-00002-of-00003.gguf'));
    await expect(exportGguf(model, { type: 'Q8_0' }, join(folder, 'part.gguf'))).rejects.toThrow(
      'parts-00002-of-00003.gguf is file 2 of 3 of a model and is opened alone',
    );
  });
});

describe('values of layers', () => {
  it('are held by a checkpoint and by its GGUF file, beyond the elements that are shown', async () => {
    const source = join(folder, 'layers');
    await writeCheckpoint(source, 'gemma4');
    const model = await openModel(source);
    const file = `${source}.gguf`;
    await exportGguf(model, { type: 'F16' }, file);
    const gguf = await openModel(file);
    opened.push(model, gguf);
    for (const view of [await ggufView(model), await ggufView(gguf)]) {
      const list = (key: string) => view.list(`gemma4.${key}`);
      expect(list('attention.sliding_window_pattern')).toEqual([true, true, false, true, true, false]);
      expect(list('feed_forward_length')).toEqual([96, 96, 96, 192, 192, 192]);
      expect(list('attention.sliding_window')).toBeUndefined();
    }
  });

  it('are those of short arrays of a file only', async () => {
    const path = join(folder, 'arrays.gguf');
    const array = (key: string, length: number): KeyValue => ({
      ...{ key, type: 'array', elementType: 'u32' },
      values: Array.from({ length }, (_, i) => i),
    });
    const keyValues = [array('long', 1024), array('longer', 1025)];
    await writeSyntheticGguf(path, { architecture: 'llama', blocks: 1, heads: 2, kvHeads: 2, keyValues });
    const gguf = await openModel(path);
    opened.push(gguf);
    const view = await ggufView(gguf);
    expect(view.list('long')).toHaveLength(1024);
    expect(view.list('long')!.at(-1)).toBe(1023);
    expect(view.list('longer')).toBeUndefined();
    expect(gguf.gguf!.metadata.get('long')!.array!.first).toHaveLength(12);
  });
});
