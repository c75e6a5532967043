import { describe, expect, it } from 'vitest';
import { measureSlab } from '../../src/analysis/measureRows';
import { TensorReader } from '../../src/analysis/tensorReader';
import { OrtMeasurer } from '../../src/graph/measurer';
import { openModel } from '../../src/layouts/openModel';
import { loadNative } from '../../src/native';
import type { QuantFormat } from '../../src/quant/format';
import { sampleFolder } from '../support/files';
import { Random } from '../support/random';
import { graphFormats } from '../support/graphFormats';
import { decodeEncoded, encodeIn } from '../../src/quant/codec';

/** The agreement that is required of ONNX Runtime and the addon, relative. */
const tolerance = 1e-4;
const columns = 512;

const inputs: Record<string, (random: Random) => Float32Array> = {
  normal: (random) => random.fill(128 * columns, (r) => r.normal() * 0.02),
  'heavy-tailed': (random) => random.fill(128 * columns, (r) => r.studentT3() * 0.05),
  'with blocks of zeros': (random) =>
    random.fill(64 * columns, (r) => r.normal()).map((x, i) => (Math.floor(i / 256) % 3 === 0 ? 0 : x)),
  'with one weight other than zero': () => new Float32Array(4 * columns).fill(5, 777, 778),
  'all zeros': () => new Float32Array(4 * columns),
  'of one value': () => new Float32Array(4 * columns).fill(0.3),
  'small enough for subnormal scales': (random) => random.fill(16 * columns, (r) => r.normal() * 1e-6),
  'full of ties': (random) => random.fill(16 * columns, (r) => Math.round(r.normal() * 4) / 2),
  'all positive': (random) => random.fill(64 * columns, (r) => Math.abs(r.normal())),
  'all negative': (random) => random.fill(64 * columns, (r) => -Math.abs(r.normal()) - 0.1),
};

async function addonSums(format: QuantFormat, values: Float32Array, width: number) {
  const range = {
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
  };
  const decoded = await decodeEncoded(await encodeIn(format, values, width, range));
  return { range, sums: await loadNative().errorSums(values, decoded) };
}

function expectAgreement(
  ours: { source: number; decoded: number; error: number; maxError: number },
  theirs: typeof ours,
): void {
  if (ours.source === 0) {
    expect(theirs).toEqual(ours);
    return;
  }
  const scale = Math.max(ours.error, ours.source * 1e-13);
  expect(Math.abs(theirs.error - ours.error) / scale).toBeLessThan(tolerance);
  expect(Math.abs(theirs.source - ours.source) / ours.source).toBeLessThan(tolerance);
  expect(Math.abs(theirs.decoded - ours.decoded) / ours.source).toBeLessThan(tolerance);
}

describe('fake-quant graphs on ONNX Runtime against the addon', () => {
  for (const { format, scheme } of graphFormats) {
    it(`${format.id} gives the same errors on generated rows`, async () => {
      const ort = new OrtMeasurer('ort-cpu');
      for (const make of Object.values(inputs)) {
        const values = make(new Random(21));
        const { range, sums } = await addonSums(format, values, columns);
        expectAgreement(sums, await ort.measure(scheme, values, columns, range));
      }
      await ort.close();
    });

    it(`${format.id} gives the same errors on trained layers`, async () => {
      const model = await openModel(sampleFolder);
      const ort = new OrtMeasurer('ort-cpu');
      for (const name of [
        'model.layers.0.self_attn.k_proj.weight',
        'model.layers.5.mlp.down_proj.weight',
        'lm_head.weight',
      ]) {
        const reader = new TensorReader(model, model.tensor(name));
        const range = await reader.range();
        for await (const slab of reader.slabs())
          expectAgreement(
            await measureSlab(reader, slab, format, range),
            await ort.measureSlab(reader, slab, format, range),
          );
      }
      await ort.close();
      await model.close();
    });
  }

  it.each(['block-int4-sym', 'block-int4-asym', 'nf4'])(
    '%s handles rows that end in a shorter block',
    async (id) => {
      const { format, scheme } = graphFormats.find((item) => item.format.id === id)!;
      const values = new Random(22).fill(30 * 77, (random) => random.normal());
      const ort = new OrtMeasurer('ort-cpu');
      const { range, sums } = await addonSums(format, values, 77);
      expectAgreement(sums, await ort.measure(scheme, values, 77, range));
      await ort.close();
    },
  );
});
