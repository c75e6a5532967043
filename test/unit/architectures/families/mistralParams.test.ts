import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { ggufView } from '../../../../src/architectures/ggufView';
import { openModel } from '../../../../src/layouts/openModel';
import type { CheckpointSpec } from '../../../support/checkpointParts';
import { temporaryFolder } from '../../../support/files';
import { consolidated, consolidatedTempered } from '../../../support/wrappedCheckpoints';
import { writeCheckpoint } from '../../../support/writeCheckpoint';
import { describeTensors, keyValuesOf } from '../support';

const root = temporaryFolder();

const converted = ({ config, shapes }: CheckpointSpec, change: object = {}) =>
  convertCheckpoint(describeTensors(shapes), { ...config, ...change }, 'params.json');

describe('consolidated weights of Mistral with params.json', () => {
  it('are a model: the metadata names the file, errors too', async () => {
    const folder = join(root, 'model');
    await writeCheckpoint(folder, consolidated);
    const model = await openModel(folder);
    const { metadata, files } = model.description;
    expect(metadata).toContainEqual(expect.objectContaining({ key: 'n_heads', source: 'params.json' }));
    expect(files.map(({ path }) => path)).toContain(join(folder, 'params.json'));
    expect((await ggufView(model)).architecture).toBe('llama');
    await model.close();
    writeFileSync(
      join(folder, 'params.json'),
      JSON.stringify({ ...consolidated.config, model_type: undefined, n_layers: -1 }),
    );
    const broken = await openModel(folder);
    await expect(ggufView(broken)).rejects.toMatchObject({
      message: expect.stringContaining('"n_layers" is -1') as string,
      place: { file: join(folder, 'params.json') },
    });
    await broken.close();
  });

  it('a params.json that is something else, or beside a config.json, does not count', async () => {
    const folder = join(root, 'beside');
    await writeCheckpoint(folder, { ...consolidated, config: { model_type: 'any', lr: 1e-4 } });
    const other = await openModel(folder);
    expect(other.config).toBeUndefined();
    await other.close();
    writeFileSync(join(folder, 'params.json'), JSON.stringify(consolidated.config));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: 'llama' }));
    const model = await openModel(folder);
    expect(model.config).toEqual({ model_type: 'llama' });
    await model.close();
  });

  it('scale queries by position in the architecture that has it', () => {
    const third = converted(consolidatedTempered);
    expect(third.architecture).toBe('mistral3');
    expect(keyValuesOf(third)).toMatchObject({
      'mistral3.attention.temperature_scale': expect.closeTo(0.1, 6) as number,
      'mistral3.rope.scaling.original_context_length': 16,
    });
    expect(third.notes).toEqual([
      'The vision part is left out: "vision_encoder.patch_conv.weight" and 1 more tensor. “Export Vision Part (mmproj)…”, or quantscope export-mmproj, writes it to a file of its own.',
    ]);
  });

  it('stretch rotary frequencies by a ramp of their own as divisors', () => {
    const yarn = { original_max_position_embeddings: 1024, factor: 4, beta: 4, alpha: 1, apply_scale: false };
    const scaling = { original_max_position_embeddings: 1024, beta: 0.1 };
    const own = converted(consolidatedTempered, { yarn, llama_4_scaling: scaling });
    expect(own.computed.map(({ to }) => to)).toEqual(['rope_freqs.weight']);
    expect(keyValuesOf(own)['mistral3.rope.scaling.original_context_length']).toBe(1024);
    const usual = { ...yarn, beta: 32 };
    expect(() => converted(consolidatedTempered, { yarn: usual })).toThrow(/one number for both/);
  });

  it('have the magnitude of YaRN where they say so', () => {
    const yarn = { original_max_position_embeddings: 16, factor: 4, beta: 32, alpha: 1 };
    const key = 'llama.rope.scaling.attn_factor';
    const factorOf = (change: object) =>
      keyValuesOf(converted(consolidated, { yarn: { ...yarn, ...change } }))[key];
    const magnitude = 1 + 0.1 * Math.log(4);
    // llama.cpp has it built in, except where frequencies have divisors of their own.
    expect(factorOf({ apply_scale: true })).toBeUndefined();
    expect(factorOf({ apply_scale: false })).toBeCloseTo(1 / magnitude, 12);
    const own = { original_max_position_embeddings: 1024, beta: 4 };
    expect(factorOf({ ...own, apply_scale: true })).toBeCloseTo(magnitude, 12);
    expect(factorOf({ ...own, apply_scale: false })).toBeUndefined();
  });

  it('have a window in the layers that they list, in groups that repeat', () => {
    const blocks = consolidated.config['n_layers'] as number;
    const windowed = (listed: unknown) => converted(consolidated, { _sliding_window: listed });
    const { window, notes } = windowed([null, 32]);
    expect(window).toEqual({
      size: 32,
      layers: Array.from({ length: blocks }, (_, layer) => layer % 2 === 1),
    });
    expect(notes.join(' ')).toMatch(/attend to the last 32 tokens only/);
    expect(windowed(null).window).toBeUndefined();
    expect(windowed(32).window?.layers).toEqual(Array.from({ length: blocks }, () => true));
    expect(() => windowed([null, 32, 16])).toThrow(/"_sliding_window"/);
    expect(() => windowed([64, 32])).toThrow(/windows of different sizes/);
  });

  it.each([
    [{ moe: { num_experts: 8 } }, /"moe" is/],
    [{ q_lora_rank: 16 }, /"q_lora_rank" is/],
    [{ use_biases: true }, /"use_biases" is true/],
    [
      { yarn: { factor: 4, original_max_position_embeddings: 16, beta: 32, alpha: 1 } },
      /"yarn.apply_scale" is missing/,
    ],
  ])('reject what they cannot express: %o', (change, message) => {
    expect(() => converted(consolidated, change)).toThrow(message);
  });
});
