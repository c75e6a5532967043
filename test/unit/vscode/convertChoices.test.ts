import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import type { ModelDescription } from '../../../src/protocol/model';
import {
  checkpointFolder,
  previewText,
  safetensorsFile,
  settingsChoices,
} from '../../../src/vscode/convertChoices';
import { sampleFolder } from '../../support/files';

async function sample(): Promise<ModelDescription> {
  const model = await openModel(sampleFolder);
  await model.close();
  return model.description;
}

describe('what can be done to weights on their way to safetensors', () => {
  it('is to copy them, or to round all floats', async () => {
    expect(settingsChoices(await sample()).map(({ value }) => value)).toEqual([
      ...[{}, { dtype: 'bf16' }, { dtype: 'f16' }, { dtype: 'f32' }],
    ]);
  });

  it('is to decode quantized ones, where a layout does', async () => {
    const { tensors, ...rest } = await sample();
    const stored = tensors.map((tensor) => ({ ...tensor, stored: { layout: 'gptq', parts: [] } }));
    expect(settingsChoices({ ...rest, tensors: stored }).map(({ value }) => value)).toEqual([
      {},
      ...(['bf16', 'f16', 'f32'] as const).map((dtype) => ({ decode: true, dtype })),
    ]);
    const quantizedLayout = { name: 'AQLM', tensors: 2, example: '' };
    expect(settingsChoices({ ...rest, tensors, quantizedLayout }).map(({ value }) => value)).toEqual([{}]);
  });

  it('is to keep the names of GGUF files', async () => {
    const choices = settingsChoices({ ...(await sample()), format: 'gguf' });
    expect(choices.at(-1)!.value).toEqual({ names: 'gguf' });
  });
});

it.each([
  ['/m/a', '/m/a.safetensors'],
  ['/m/a.Safetensors', '/m/a.Safetensors'],
  ['/m/a.bin', '/m/a.bin.safetensors'],
])('the file %s is %s, as a name without the ending is that of a folder', (name, file) => {
  expect(safetensorsFile(name)).toBe(file);
});

it.each([
  ['/m/a', '/m/a'],
  ['/m/a.safetensors', '/m/a'],
  ['/m/a.SAFETENSORS/', '/m/a'],
  ['/m.safetensors/a.bin', '/m.safetensors/a.bin'],
])('the folder %s is %s, as a name with the ending is that of a file', (name, path) => {
  expect(checkpointFolder(name)).toBe(path);
});

it('the preview says how many tensors change to which dtype, and what is replaced', () => {
  const preview = {
    tensors: [
      { name: 'a', from: 'BF16', to: 'F16', bytes: 2000 },
      { name: 'b', from: 'BF16', to: 'F16', bytes: 2000 },
      { name: 'c', from: 'I64', to: 'I64', bytes: 8 },
    ],
    files: [{ name: 'model.safetensors', bytes: 4008, tensors: 3 }],
    others: ['config.json', 'tokenizer.json'],
    notes: ['A note.'],
  };
  expect(previewText(preview)).toBe(
    '3 tensors, 4.01 kB in 1 file.\nBF16 → F16: 2 tensors, I64: 1 tensor.\nAlso: config.json, tokenizer.json.\nA note.',
  );
  expect(previewText(preview, true)).toContain('\nThe file that is there is replaced.\nA note.');
});
