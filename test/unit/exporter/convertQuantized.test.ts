import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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
