import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { modelIdentity } from '../../../src/architectures/identity/modelIdentity';
import { openModel } from '../../../src/layouts/openModel';
import { identityLines, type ModelIdentity } from '../../../src/protocol/overview';
import {
  hasSharedData,
  removeTemporaryFolders,
  sampleFolder,
  sharedData,
  temporaryFolder,
} from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';
import { writeMixture } from '../../support/mixtureModel';
import { writeSyntheticGguf } from '../../support/syntheticGguf';

const folder = temporaryFolder();
afterAll(removeTemporaryFolders);

async function identityOf(path: string): Promise<ModelIdentity> {
  const model = await openModel({ path });
  try {
    return modelIdentity(model);
  } finally {
    await model.close();
  }
}

describe('what a model is', () => {
  it('is read from the configuration of a checkpoint', async () => {
    expect(await identityOf(sampleFolder)).toMatchObject({
      ...{ family: 'llama', className: 'LlamaForCausalLM', tied: false },
      ...{ layers: 6, hidden: 256, heads: 4, kvHeads: 2, headSize: 64, feedForward: 768 },
      ...{ vocabulary: 1024, context: 256, ropeBase: 10_000 },
      dtypes: [{ dtype: 'BF16', tensors: 57, parameters: 5_246_208, bytes: 10_492_416 }],
      sources: { layers: 'config', heads: 'config' },
    });
  });

  it('is read from the keys of a GGUF file of an architecture without a description; what differs by layer is a range', async () => {
    const path = join(folder, 'model.gguf');
    await writeSyntheticGguf(path, {
      ...{ architecture: 'unheard', blocks: 3, heads: 4, kvHeads: 4, experts: 8, tied: true },
      keyValues: [
        { key: 'unheard.rope.scaling.type', type: 'string', value: 'yarn' },
        { key: 'unheard.rope.scaling.factor', type: 'f32', value: 4 },
        { key: 'unheard.attention.key_length', type: 'array', elementType: 'u32', values: [0, 4, 2] },
      ],
    });
    const identity = await identityOf(path);
    expect(identity).toMatchObject({
      ...{ family: 'unheard', layers: 3, heads: 4, experts: 8, expertsUsed: 2, tied: true },
      ...{ ropeScaling: 'yarn × 4', headSize: [2, 4], sources: { layers: 'keys', vocabulary: 'keys' } },
    });
    const lines = new Map(identityLines(identity).map(({ label, text }) => [label, text]));
    expect(lines.get('Head size')).toBe('2–4');
    expect(lines.get('Experts')).toBe('8, 2 for each token');
    expect(lines.get('Embedding')).toBe('also the output (tied)');
  });

  it('is guessed from names and shapes where nothing else says it', async () => {
    const path = writeMixture(folder);
    const identity = await identityOf(path);
    expect(identity).toMatchObject({
      ...{ layers: 60, hidden: 64, vocabulary: 1024, tied: false },
      sources: { layers: 'tensors', hidden: 'tensors', vocabulary: 'tensors' },
    });
    expect(identity.heads).toBeUndefined();
  });

  it('of a model of images and text is that of its language part', async () => {
    const path = join(folder, 'images');
    await writeCheckpoint(path, 'mistral3');
    const { family, layers, hidden, sources } = await identityOf(path);
    expect({ family, layers, source: sources.layers }).toEqual({
      family: 'mistral3',
      layers: 2,
      source: 'config',
    });
    expect(hidden).toBeGreaterThan(0);
  });

  it.runIf(hasSharedData)('of a real GGUF file is in its keys', async () => {
    const identity = await identityOf(join(sharedData, 'gguf', 'llama-2-tiny-random.gguf'));
    expect(identity).toMatchObject({ layers: 1, hidden: 8, heads: 2, vocabulary: 32_000, context: 4096 });
  });
});
