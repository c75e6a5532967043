import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cacheBytes, computeBytes } from '../../src/ampq/fits/memory';
import { runtimeShape } from '../../src/ampq/fits/runtimeShape';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openModel } from '../../src/layouts/openModel';
import type { RunSettings } from '../../src/protocol/fit';
import { ggmlTypes } from '../../src/protocol/ggmlTypes';
import { checkpoints } from '../support/checkpoints';
import { sampleFolder, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp, type ContextBuffers } from '../support/llamaCpp';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const mebi = 2 ** 20;

const halves: readonly RunSettings[] = [
  { context: 256, sequences: 1, cacheType: 'f16' },
  { context: 8192, sequences: 1, cacheType: 'f16' },
  { context: 3000, sequences: 3, cacheType: 'f16' },
];
const quantized: readonly RunSettings[] = [
  { context: 8192, sequences: 1, cacheType: 'q8_0' },
  { context: 8192, sequences: 1, cacheType: 'q4_0' },
  { context: 20_000, sequences: 2, cacheType: 'q5_1' },
];

/** A model's cache and compute buffers in MiB: computed, and as llama.cpp allocates them. */
async function memoryOf(source: string, settings: readonly RunSettings[]) {
  const model = await openModel(source);
  const gguf = join(folder, `${source.replaceAll(/\W/g, '-')}.gguf`);
  await exportGguf(model, { type: 'F16' }, gguf);
  const shape = await runtimeShape(model);
  await model.close();
  const contexts = settings.map(({ context, sequences, cacheType }) => {
    const type = ggmlTypes.find(({ name }) => name === cacheType.toUpperCase())!.id;
    return { contextSize: context, sequences, keyType: type, valueType: type, batch: 512 };
  });
  const { buffers } = await llamaCpp('buffers', { model: gguf, contexts });
  return settings.map((one, i) => ({
    cache: cacheBytes(shape, one).reduce((sum, bytes) => sum + bytes, 0) / mebi,
    compute: computeBytes(shape, one) / mebi,
    allocated: buffers[i]!,
  }));
}

type Memory = Readonly<{ cache: number; compute: number; allocated: ContextBuffers }>;

/** llama.cpp prints two decimals, for each of at most two caches. */
function expectExact({ cache, allocated }: Memory): void {
  expect(Math.abs(cache - (allocated.KV ?? 0))).toBeLessThanOrEqual(0.0101);
}

/** Never too small, and above by at most a constant and a tenth. */
function expectBound({ compute, allocated }: Memory): void {
  expect(compute).toBeGreaterThanOrEqual(allocated.compute - 0.005);
  expect(compute).toBeLessThanOrEqual(1.12 * allocated.compute + 1);
}

describe.skipIf(!hasOracle)('memory of a context in llama.cpp', () => {
  it('is what is computed for the sample, whatever type keys and values have', async () => {
    for (const memory of await memoryOf(sampleFolder, [...halves, ...quantized])) {
      expectExact(memory);
      expectBound(memory);
    }
  });

  it.each([
    'mixtral',
    'qwen2moe',
    'gemma',
    'gemma2',
    'gemma3',
    'phi3',
    'smollm3',
    'falcon 40B',
    'mistral with a window',
    'deepseek2',
    'deepseek2, version 3',
  ])('is what is computed for %s', async (name) => {
    const source = join(folder, `checkpoint ${Object.keys(checkpoints).indexOf(name)}`);
    await writeCheckpoint(source, name);
    for (const memory of await memoryOf(source, halves)) {
      expectExact(memory);
      expectBound(memory);
    }
  });
});
