import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgedZeros } from '../../../src/layouts/gptqZeros';
import { openModel } from '../../../src/layouts/openModel';
import { hasSharedData, sharedData, temporaryFolder } from '../../support/files';

const folders = join(sharedData, 'reference', 'gptqmodel', 'folders');

/** A copy of a reference folder whose config.json says another format. */
function restated(name: string, format: string): string {
  const folder = join(temporaryFolder(), name);
  cpSync(join(folders, name), folder, { recursive: true });
  const path = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as { quantization_config: object };
  Object.assign(config.quantization_config, { checkpoint_format: format, format });
  writeFileSync(path, JSON.stringify(config));
  return folder;
}

async function opened(folder: string) {
  const model = await openModel(folder);
  const tensor = model.description.tensors.find(({ stored }) => stored)!;
  const weights = Buffer.from(await model.read(tensor, 0, 4 * tensor.elements));
  await model.close();
  return { weights, warnings: model.description.warnings };
}

describe.skipIf(!hasSharedData)('GPTQ checkpoints whose config.json says the wrong version', () => {
  it.each(['gptq-4bit-g128-sym', 'gptq-3bit-g32-sym', 'gptq-8bit-g32-sym', 'gptq-4bit-g32-desc_act'])(
    '%s called gptq_v2 is read as gptq, with a warning',
    async (name) => {
      const wrong = await opened(restated(name, 'gptq_v2'));
      const right = await opened(join(folders, name));
      expect(wrong.weights.equals(right.weights)).toBe(true);
      expect(right.warnings).toEqual([]);
      expect(wrong.warnings).toHaveLength(1);
      expect(wrong.warnings[0]).toContain('those of checkpoint_format "gptq"');
      expect(wrong.warnings[0]).toContain('config.json says "gptq_v2"');
    },
  );

  it.each(['gptq-2bit-g32-asym', 'gptq-4bit-g32-asym', 'gptq_v2-4bit-g32-asym'])(
    '%s, whose zero points differ, is read as it says',
    async (name) => {
      expect((await opened(join(folders, name))).warnings).toEqual([]);
    },
  );
});

describe('zero points of GPTQ', () => {
  const words = (...values: number[]) => ({ bits: 4, words: Uint32Array.from(values) });

  it('that are all 8 are those of version 2', () => {
    const samples = [words(...new Array<number>(4).fill(0x88888888))];
    expect(judgedZeros(samples, 'v2')).toEqual({ variant: 'v2', warnings: [] });
    const judged = judgedZeros(samples, 'v1');
    expect(judged.variant).toBe('v2');
    expect(judged.warnings[0]).toContain('all fields are 8, for a zero point of 8');
  });

  it('say nothing where there are too few', () => {
    expect(judgedZeros([words(0x88888888)], 'v1')).toEqual({ variant: 'v1', warnings: [] });
    expect(judgedZeros([], 'v2')).toEqual({ variant: 'v2', warnings: [] });
  });

  it('are called damaged where each −1 fills the rest of its word', () => {
    const damaged = [words(0xfffff123, 0xfff45678, 0xffffff76, 0xffff5432)];
    const judged = judgedZeros(damaged, 'v1');
    expect(judged.variant).toBe('v1');
    expect(judged.warnings[0]).toContain('damaged');
    // One field of ones between others: zero points of 0 that were stored field by field.
    expect(judgedZeros([...damaged, words(0x1f345678)], 'v1').warnings).toEqual([]);
    expect(judgedZeros(damaged, 'v2').warnings).toEqual([]);
  });
});
