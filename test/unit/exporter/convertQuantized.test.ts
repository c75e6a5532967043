import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { convert } from '../../support/conversion';
import { hasSharedData, sharedData, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();

describe.skipIf(!hasSharedData)('quantized checkpoints', () => {
  const reference = join(sharedData, 'reference');
  it.each(['gptqmodel', 'autoawq', 'transformers-fp8'])(
    'are decoded to plain weights (%s)',
    async (library) => {
      const folders = join(reference, library, 'folders');
      const source = join(folders, readdirSync(folders).sort()[0]!);
      const out = join(folder, `${library}-decoded`);
      await convert(source, out, { decode: true, dtype: 'f32' });
      const [before, after] = [await openModel(source), await openModel(out)];
      expect(after.description.quantizedLayout).toBeUndefined();
      expect(after.description.tensors.every(({ dtype, stored }) => dtype === 'F32' && !stored)).toBe(true);
      expect(after.config).not.toHaveProperty('quantization_config');
      for (const tensor of before.description.tensors.filter(({ stored }) => stored)) {
        const weights = await before.read(tensor, 0, 4 * tensor.elements);
        const found = await after.read(after.tensor(tensor.name), 0, 4 * tensor.elements);
        expect(Buffer.from(weights).equals(found), tensor.name).toBe(true);
      }
      await Promise.all([before.close(), after.close()]);
      await expect(convert(source, join(folder, 'never'), { dtype: 'f16' })).rejects.toThrow(/--decode/);
    },
  );

  it('are not decoded where they were transformed', async () => {
    const folders = join(reference, 'compressed-tensors', 'folders');
    const path = join(folder, 'transformed');
    cpSync(join(folders, readdirSync(folders).sort()[0]!), path, { recursive: true });
    const file = join(path, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { quantization_config: object };
    const transform_config = { config_groups: { u: { type: 'hadamard', apply: [] } } };
    const quantization_config = { ...config.quantization_config, transform_config };
    rmSync(file, { force: true });
    writeFileSync(file, JSON.stringify({ ...config, quantization_config }));
    await expect(convert(path, join(folder, 'never'), { decode: true })).rejects.toThrow(/transform_config/);
  });
});

describe("Mistral's own checkpoints in FP8", () => {
  const source = join(folder, 'mistral-fp8');
  const params = { dim: 32, n_layers: 1, n_heads: 2, vocab_size: 16 };
  const quantization = { qformat_weight: 'fp8_e4m3', qscheme_act: 'TENSOR' };
  mkdirSync(source);
  writeFileSync(join(source, 'params.json'), JSON.stringify({ ...params, quantization }));
  const name = 'layers.0.attention.wq';
  const paramsIn = (out: string): unknown => JSON.parse(readFileSync(join(out, 'params.json'), 'utf8'));

  it('lose what their params.json says of the quantization when they are decoded, and only then', async () => {
    const parts = [
      {
        name: `${name}.weight`,
        dtype: 'F8_E4M3',
        shape: [16, 32],
        data: () => [new Uint8Array(512).fill(0x38)],
      },
      {
        name: `${name}.qscale_weight`,
        dtype: 'F32',
        shape: [],
        data: () => [Buffer.from(Float32Array.of(0.5).buffer)],
      },
    ];
    await writeSafetensors(join(source, 'consolidated.safetensors'), parts, {});
    const plain = join(folder, 'mistral-plain');
    await convert(source, plain, { decode: true, dtype: 'f32' });
    expect(paramsIn(plain)).toEqual(params);
    const model = await openModel(plain);
    const weights = await model.read(model.tensor(`${name}.weight`), 0, 4);
    await model.close();
    expect(Buffer.from(weights).readFloatLE()).toBe(0.5);
    const copy = join(folder, 'mistral-copy');
    await convert(source, copy);
    expect(paramsIn(copy)).toEqual({ ...params, quantization });
  });
});
