import { cpSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelLimits } from '../../../src/architectures/modelLimits';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { limitNote } from '../../../src/protocol/limitNote';
import type { ModelRef } from '../../../src/protocol/model';
import { countReads } from '../../support/countReads';
import { embeddingCheckpoints } from '../../support/embeddingCheckpoints';
import { sampleFolder, sampleWeights, temporaryFolder } from '../../support/files';
import { writeSyntheticGguf } from '../../support/syntheticGguf';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const path = (name: string): string => join(folder, name);

async function limitsOf(ref: string | ModelRef) {
  const model = countReads(await openModel(ref));
  try {
    const limits = modelLimits(model);
    expect(model.bytesRead.size, 'reads of weights').toBe(0);
    return limits;
  } finally {
    await model.close();
  }
}

/** The sample with another config.json. */
function sampleAs(name: string, config: unknown): string {
  mkdirSync(path(name));
  cpSync(sampleWeights, path(`${name}/model.safetensors`));
  if (config !== undefined) writeFileSync(path(`${name}/config.json`), JSON.stringify(config));
  return path(name);
}

describe('what cannot be done with a model', () => {
  it('is nothing for an architecture that is described and can be run', async () => {
    expect(await limitsOf(sampleFolder)).toEqual({});
    const gguf = path('llama.gguf');
    await writeSyntheticGguf(gguf, { architecture: 'llama', blocks: 1, heads: 4, kvHeads: 4 });
    expect(await limitsOf(gguf)).toEqual({});
  });

  it('is to run it, where it can only be converted', async () => {
    await writeCheckpoint(path('falcon'), 'falcon 7B');
    const limits = await limitsOf(path('falcon'));
    expect(limits).toEqual({
      run: expect.stringMatching(/^Models of the architecture "falcon" cannot be run\. /) as string,
    });
    const gguf = path('strange.gguf');
    await writeSyntheticGguf(gguf, { architecture: 'rwkv7', blocks: 1, heads: 4, kvHeads: 4 });
    expect((await limitsOf(gguf)).run).toMatch(/^Models of the architecture "rwkv7" cannot be run\. /);
    await writeCheckpoint(path('embedding'), embeddingCheckpoints['EmbeddingGemma']!);
    expect(await limitsOf(path('embedding'))).toEqual({
      embeds: true,
      run: expect.stringMatching(/^Attention in this model is bidirectional/) as string,
    });
  });

  it('is one ONNX graph, where blocks hand on more than hidden states', async () => {
    await writeCheckpoint(path('shares keys'), 'gemma4');
    expect((await limitsOf(path('shares keys'))).onnx).toMatch(/^Its blocks hand on more than hidden states/);
    await writeCheckpoint(path('shares none'), 'gemma4 whose values are keys');
    expect(await limitsOf(path('shares none'))).toEqual({});
  });

  it.each([
    ['qwen3next', 'gated delta nets'],
    ['lfm2', 'short convolutions'],
    ['mamba2', 'state spaces'],
  ])('is one ONNX graph, where mixers keep other states than keys and values: %s', async (name, kind) => {
    await writeCheckpoint(path(`states ${name}`), name);
    expect(await limitsOf(path(`states ${name}`))).toEqual({
      onnx: `Its ${kind} keep other states of a text than keys and values; a graph of the whole model has no inputs and outputs for them.`,
    });
  });

  it('is to export and run it, where no description fits, or config.json is missing or wrong', async () => {
    const of = async (name: string, config: unknown): Promise<string | undefined> => {
      const { gguf, run } = await limitsOf(sampleAs(name, config));
      expect(run).toBe(gguf);
      return gguf;
    };
    expect(await of('rwkv', { architectures: ['Rwkv7ForCausalLM'] })).toMatch(
      /^There is no description of the architecture Rwkv7ForCausalLM\b/,
    );
    expect(await of('bare', undefined)).toMatch(
      /^Names and shapes of a checkpoint follow from its config\.json/,
    );
    const config = JSON.parse(await readFile(join(sampleFolder, 'config.json'), 'utf8')) as object;
    expect(await of('deeper', { ...config, num_hidden_layers: 9 })).toMatch(
      /^The checkpoint's tensors are not those .* 27 tensors are missing: "model\.layers\.6\..* and 3 more\./,
    );
  });

  it('is to export and run it, where weights are stored quantized or are missing', async () => {
    mkdirSync(path('gptq'));
    const part = (name: string, dtype: string, shape: number[], bytes: number) => ({
      ...{ name, dtype, shape, data: () => [new Uint8Array(bytes)] },
    });
    await writeSafetensors(
      path('gptq/model.safetensors'),
      [
        part('a.qweight', 'I32', [8, 8], 256),
        part('a.scales', 'F16', [1, 8], 16),
        part('a.g_idx', 'I32', [64], 256),
      ],
      {},
    );
    cpSync(join(sampleFolder, 'config.json'), path('gptq/config.json'));
    expect((await limitsOf(path('gptq'))).gguf).toMatch(
      /^The checkpoint is already quantized: one matrix is stored in the layout GPTQ, /,
    );
    const cut = sampleAs('cut', JSON.parse(await readFile(join(sampleFolder, 'config.json'), 'utf8')));
    truncateSync(join(cut, 'model.safetensors'), 3_000_000);
    expect((await limitsOf(cut)).gguf).toMatch(/^\d+ bytes are missing: the model is not complete\./);
  });

  it('is to export and run it, where it is one file of a model', async () => {
    await writeCheckpoint(path('shards'), 'llama');
    const shard = path('shards/model-00001-of-00002.safetensors');
    expect((await limitsOf({ path: shard, alone: true })).gguf).toBe(
      'model-00001-of-00002.safetensors is one of 2 files of a model, opened alone.',
    );
    expect(await limitsOf(shard)).toEqual({});
  });
});

it('a note says what can be done, what cannot, and why', () => {
  expect(limitNote({})).toBeUndefined();
  expect(limitNote({ run: 'It is so.' })).toBe(
    'This model cannot be run over a text (no evaluation, no gains, no importance matrix); sensitivity and plans use the errors of its weights alone. The reason: It is so.',
  );
  expect(limitNote({ onnx: 'It is so.' })).toBe(
    'This model cannot be exported as one ONNX graph. The reason: It is so.',
  );
  expect(limitNote({ gguf: 'It is so.', run: 'It is so.' })).toBe(
    'This model cannot be exported as GGUF or run over a text (no evaluation, no gains, no importance matrix). Its tensors can be inspected and compared; those that are plain weights can be measured alone and quantized into safetensors files. The reason: It is so.',
  );
});
