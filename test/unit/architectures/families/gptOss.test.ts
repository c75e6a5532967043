import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { exportGguf } from '../../../../src/exporter/exportGguf';
import { planExport } from '../../../../src/exporter/plan';
import { describeDecoder } from '../../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../../src/layouts/openModel';
import type { CheckpointSpec } from '../../../support/checkpointParts';
import { temporaryFolder } from '../../../support/files';
import { gptOss, gptOssBetweenPairs, gptOssPlain } from '../../../support/gptOssCheckpoints';
import { Checkpoint } from '../../../support/reference/checkpoint';
import { rotationOf } from '../../../support/reference/rope';
import { writeCheckpoint } from '../../../support/writeCheckpoint';
import { describeTensors } from '../support';

const folder = temporaryFolder();

const converted = ({ config, shapes }: CheckpointSpec, change: object = {}) =>
  convertCheckpoint(describeTensors(shapes), { ...config, ...change }, 'config.json');

/** A block of ggml: the scale, then 16 bytes of the codes of both halves, as its type says. */
function block(scale: number, pairs: Uint8Array): number[] {
  const codes = [...pairs].flatMap((byte) => [byte & 15, byte >> 4]);
  return [scale, ...Array.from({ length: 16 }, (_, i) => codes[i]! | (codes[i + 16]! << 4))];
}

describe('gpt-oss conversion', () => {
  it('takes codes and scales of the experts over as they are, every second row of gate and up', async () => {
    const source = join(folder, 'packed');
    await writeCheckpoint(source, gptOss);
    const model = await openModel(source);
    const out = join(folder, 'packed.gguf');
    await exportGguf(model, { type: 'MXFP4_MOE' }, out);
    await model.close();
    const file = await openModel(out);
    const checkpoint = new Checkpoint(source);
    for (const [part, stored, first, step] of [
      ['gate', 'gate_up_proj', 0, 2],
      ['up', 'gate_up_proj', 1, 2],
      ['down', 'down_proj', 0, 1],
    ] as const) {
      const tensor = file.tensor(`blk.1.ffn_${part}_exps.weight`);
      expect(tensor.dtype).toBe('MXFP4');
      const prefix = `model.layers.1.mlp.experts.${stored}`;
      const blocks = Uint8Array.from(checkpoint.vector(`${prefix}_blocks`));
      const scales = checkpoint.vector(`${prefix}_scales`);
      const perRow = tensor.shape[2]! / 32;
      const rows = scales.length / perRow;
      const expected: number[] = [];
      for (let row = first; row < rows; row += step)
        for (let at = row * perRow; at < (row + 1) * perRow; at++)
          expected.push(...block(scales[at]!, blocks.subarray(16 * at, 16 * (at + 1))));
      const bytes = await file.read(tensor, 0, tensor.byteLength);
      expect(Buffer.from(bytes).equals(Buffer.from(expected)), part).toBe(true);
    }
    await file.close();
  });

  it('says of other types how experts keep their codes', async () => {
    const source = join(folder, 'other');
    await writeCheckpoint(source, gptOss);
    const model = await openModel(source);
    const hint = expect.stringMatching(/^With the type MXFP4_MOE, experts/) as string;
    expect((await planExport(model, { type: 'Q8_0' })).warnings).toContainEqual(hint);
    expect((await planExport(model, { type: 'MXFP4_MOE' })).warnings).toEqual([]);
    await model.close();
  });

  it('states the usual ramp of YaRN and keeps its own for the forward pass', async () => {
    const source = join(folder, 'between');
    await writeCheckpoint(source, gptOssBetweenPairs);
    const model = await openModel(source);
    const { shape } = await describeDecoder(model);
    await model.close();
    const expected = rotationOf(gptOssBetweenPairs.config, 16);
    const usual = rotationOf(gptOss.config, 16);
    const own = shape.blocks[0]!.rotation!;
    expect(expected.frequencies.some((value, i) => Math.abs(value / usual.frequencies[i]! - 1) > 0.01)).toBe(
      true,
    );
    own.frequencies.forEach((value, i) => expect(value / expected.frequencies[i]!).toBeCloseTo(1, 6));
    expect(own.magnitude).toBeCloseTo(expected.magnitude, 6);
    const { notes, keyValues, computed } = converted(gptOssBetweenPairs);
    expect(notes).toEqual([expect.stringMatching(/^YaRN begins and ends between pairs/)]);
    expect(keyValues).toContainEqual({ key: 'gpt-oss.rope.scaling.type', type: 'string', value: 'yarn' });
    expect(computed).toEqual([]);
  });

  it('needs no note for the usual ramp', () => {
    expect(converted(gptOss).notes).toEqual([]);
  });

  it('rejects what llama.cpp has built in otherwise', () => {
    expect(() => converted(gptOssPlain, { swiglu_limit: 5 })).toThrow(/"swiglu_limit" is 5/);
    const full = Array.from({ length: 4 }, () => 'full_attention');
    expect(() => converted(gptOssPlain, { layer_types: full })).toThrow(/do not follow each other in turn/);
    expect(() => converted(gptOssPlain, { experts_per_token: 3 })).toThrow(/"experts_per_token" is 3/);
  });

  it('transposes plain experts, each half from its own columns', () => {
    const { tensors } = converted(gptOssPlain);
    const named = (name: string) => tensors.find((tensor) => tensor.name === name);
    expect(named('blk.0.ffn_up_exps.weight')).toMatchObject({
      shape: [4, 96, 64],
      columns: 96,
      unit: { rows: 64, order: 'transpose', columns: { first: 1, count: 96, step: 2 } },
    });
    expect(named('blk.0.ffn_down_exps.weight')?.unit).toEqual({ rows: 96, order: 'transpose' });
    expect(named('blk.0.ffn_up_exps.bias')?.pieces).toMatchObject([{ firstRow: 1, rows: 384, step: 2 }]);
  });
});
