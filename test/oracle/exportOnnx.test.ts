import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OnnxOptions } from '../../src/exporter/onnx/planOnnx';
import { writeOnnx } from '../../src/exporter/onnx/writeOnnx';
import { exportGguf } from '../../src/exporter/exportGguf';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import { openModel } from '../../src/layouts/openModel';
import { checkpoints, runnableCheckpoints } from '../support/checkpoints';
import { windowLogits } from '../support/decoderLogits';
import { sampleFolder, temporaryFolder } from '../support/files';
import { farthest, openOnnx, OnnxText } from '../support/onnxRun';
import { writeCheckpoint } from '../support/writeCheckpoint';

const folder = temporaryFolder();
const tokens = Array.from({ length: 24 }, (_, i) => (i * 389 + 17) % 1024);
/** Logits are of the size of 1 to 10. */
const bound = 1e-4;

/** Logits of the engine's own forward pass. */
async function ownLogits(path: string) {
  const model = await openModel(path);
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: tokens.length, keep: false });
  const logits = await windowLogits(decoder, Int32Array.from(tokens));
  await decoder.close();
  await model.close();
  return { logits, blocks: decoder.shape.blocks };
}

async function written(
  path: string,
  out: string,
  options: OnnxOptions = {},
  notes: readonly unknown[] = [],
): Promise<string> {
  const model = await openModel(path);
  const result = await writeOnnx(model, new Map(), out, options);
  expect(result.notes).toEqual(notes);
  await model.close();
  for (const { name, bytes } of result.files) expect(statSync(join(out, name)).size, name).toBe(bytes);
  return join(out, 'model.onnx');
}

describe('a model as ONNX, loaded by ONNX Runtime', () => {
  const dense = runnableCheckpoints.filter((name) => !/moe|mixtral/i.test(name));

  it.each(dense)('%s: the logits of the forward pass, at once and step by step', async (name) => {
    const source = join(folder, name);
    await writeCheckpoint(source, name);
    const { logits, blocks } = await ownLogits(source);
    const hasTwoRotations = JSON.stringify(checkpoints[name]!.config).includes('short_factor');
    const notes = hasTwoRotations ? [expect.stringMatching(/with 24 positions it has those for/)] : [];
    const context = hasTwoRotations ? tokens.length : undefined;
    const session = await openOnnx(await written(source, join(folder, `${name} onnx`), { context }, notes));
    expect(farthest(await new OnnxText(session, blocks).next(tokens), logits)).toBeLessThan(bound);
    const stepwise = new OnnxText(session, blocks);
    const rows = await stepwise.next(tokens.slice(0, 8));
    for (const token of tokens.slice(8)) rows.push(...(await stepwise.next([token])));
    expect(farthest(rows, logits), 'step by step').toBeLessThan(bound);
    await session.release();
  });

  it.each(Object.keys(checkpoints).filter((name) => /moe|mixtral/i.test(name)))(
    '%s is rejected with the reason',
    async (name) => {
      const source = join(folder, name);
      await writeCheckpoint(source, name);
      const model = await openModel(source);
      const out = join(folder, `${name} onnx`);
      await expect(writeOnnx(model, new Map(), out)).rejects.toThrow(/experts|cannot be run/);
      await model.close();
    },
  );

  it('the sample: names, sizes and types of inputs and outputs are those of generation tools', async () => {
    const session = await openOnnx(await written(sampleFolder, join(folder, 'names')));
    const cache = (prefix: string): string[] =>
      Array.from({ length: 6 }, (_, i) => [`${prefix}.${i}.key`, `${prefix}.${i}.value`]).flat();
    expect([...session.inputNames].sort()).toEqual(
      ['input_ids', 'attention_mask', 'position_ids', ...cache('past_key_values')].sort(),
    );
    expect([...session.outputNames].sort()).toEqual(['logits', ...cache('present')].sort());
    expect(session.inputMetadata.find(({ name }) => name === 'past_key_values.5.value')).toMatchObject({
      type: 'float32',
      shape: ['batch_size', 2, 'past_sequence_length', 64],
    });
    expect(session.inputMetadata.find(({ name }) => name === 'input_ids')).toMatchObject({
      type: 'int64',
      shape: ['batch_size', 'sequence_length'],
    });
    await session.release();
  });

  it.each(['F16', 'BF16'] as const)('weights as %s, in a file beside the graph', async (floats) => {
    const { logits, blocks } = await ownLogits(sampleFolder);
    const out = join(folder, `external ${floats}`);
    const session = await openOnnx(await written(sampleFolder, out, { floats, external: true }));
    expect(readdirSync(out).sort()).toEqual([
      ...['config.json', 'generation_config.json', 'model.onnx', 'model.onnx.data'],
      ...['tokenizer.json', 'tokenizer_config.json'],
    ]);
    // The sample's weights are BF16, of which F16 loses only what is very small.
    const limit = floats === 'BF16' ? bound : 5e-3;
    expect(farthest(await new OnnxText(session, blocks).next(tokens), logits)).toBeLessThan(limit);
    await session.release();
  });

  it('without keys and values, and with padding on the left', async () => {
    const { logits, blocks } = await ownLogits(sampleFolder);
    const session = await openOnnx(await written(sampleFolder, join(folder, 'plain'), { withoutPast: true }));
    expect([...session.inputNames].sort()).toEqual(['attention_mask', 'input_ids', 'position_ids']);
    expect(session.outputNames).toEqual(['logits']);
    const padded = await new OnnxText(session, blocks, 3).next([1, 2, 3, ...tokens]);
    expect(farthest(padded.slice(3), logits)).toBeLessThan(bound);
    await session.release();
  });

  it('a GGUF file, whose rows of queries and keys are in another order', async () => {
    const gguf = join(folder, 'sample.gguf');
    const model = await openModel(sampleFolder);
    await exportGguf(model, { type: 'Q8_0' }, gguf);
    await model.close();
    const { logits, blocks } = await ownLogits(gguf);
    const session = await openOnnx(await written(gguf, join(folder, 'from gguf')));
    expect(farthest(await new OnnxText(session, blocks).next(tokens), logits)).toBeLessThan(bound);
    await session.release();
  });
});
