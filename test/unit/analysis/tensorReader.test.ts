import { existsSync, openSync, closeSync, ftruncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analyseTensor } from '../../../src/analysis/analyse';
import { compareFormats } from '../../../src/analysis/compare';
import { measureSlab } from '../../../src/analysis/measureRows';
import { readRegion } from '../../../src/analysis/region';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { slabsOf } from '../../../src/architectures/convertedRows';
import { unchanged } from '../../../src/architectures/convertedTensor';
import { candidateOf } from '../../../src/ampq/candidates';
import { runSensitivity, type Measurer } from '../../../src/ampq/sensitivity';
import { quantizeTensors } from '../../../src/exporter/quantizeTensors';
import { candidatesOf } from '../../../src/exporter/plan/candidates';
import { openModel } from '../../../src/layouts/openModel';
import { savedBytes } from '../../../src/layouts/quantscopeParts';
import { formatById } from '../../../src/quant/catalogue';
import { countReads, readsOf } from '../../support/countReads';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { Random } from '../../support/random';
import { decodeEncoded, encodeIn } from '../../../src/quant/codec';

const folder = temporaryFolder();
const addon: Measurer = {
  device: 'cpu',
  deviceFor: () => 'cpu',
  measure: (reader, slab, format, range, { signal }) => measureSlab(reader, slab, format, range, { signal }),
};

const header = (dtype: string, shape: readonly number[], bytes: number): Buffer =>
  safetensorsBytes({ w: { dtype, shape, data_offsets: [0, bytes] } }, 0);

/** A model of one F32 tensor. */
function f32Model(name: string, shape: readonly number[], values: Float32Array): string {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return writeFile(folder, name, Buffer.concat([header('F32', shape, values.byteLength), bytes]));
}

/** A model of one tensor whose weights are 0 but for some at its start; the file is sparse. */
function sparseModel(name: string, dtype: string, shape: readonly number[], start: Uint8Array): string {
  const path = join(folder, name);
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = elements * (dtype === 'BF16' ? 2 : 4);
  const head = header(dtype, shape, bytes);
  const handle = openSync(path, 'w');
  ftruncateSync(handle, head.length + bytes);
  writeSync(handle, head, 0, head.length, 0);
  writeSync(handle, start, 0, start.length, head.length);
  closeSync(handle);
  return path;
}

async function counted<T>(path: string, work: (model: ReturnType<typeof countReads>) => Promise<T>) {
  const model = countReads(await openModel(path));
  try {
    return { result: await work(model), reads: readsOf(model) };
  } finally {
    await model.close();
  }
}

describe('a sensitivity run', () => {
  it('over ten formats reads every measured tensor once, and nothing else', async () => {
    const ids = ['Q2_K', 'Q3_K', 'IQ4_XS', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0', 'F16', 'minmax-int8'];
    const { result, reads } = await counted(sampleFolder, async (model) =>
      runSensitivity(model, await candidatesOf(model), {
        formats: ids.map(formatById),
        measurer: addon,
        cacheDir: temporaryFolder(),
      }),
    );
    expect(result.rows.map(({ cells }) => cells.length)).toEqual(result.rows.map(() => ids.length));
    expect(reads).toEqual(new Map(result.rows.flatMap(({ sources }) => sources.map((name) => [name, 1]))));
  });
});

describe('passes over a tensor', () => {
  const values = new Random(9).fill(300 * 512, (random) => random.studentT3());
  const path = f32Model('small.safetensors', [300, 512], values);

  it('of at most 128 MiB read it once', async () => {
    const once = new Map([['w', 1]]);
    const { reads: analysed } = await counted(path, (model) => analyseTensor(model, model.tensor('w')));
    expect(analysed).toEqual(once);
    const formats = ['Q4_K', 'minmax-int4', 'nf4'].map(formatById);
    const { reads: compared } = await counted(path, (model) =>
      compareFormats(model, model.tensor('w'), formats),
    );
    expect(compared).toEqual(once);
    for (const id of ['block-int4-asym', 'zeropoint-int8', 'rowwise-int8']) {
      const out = join(folder, `${id}.safetensors`);
      const { reads } = await counted(path, (model) =>
        quantizeTensors(model, [{ tensor: model.tensor('w'), format: formatById(id) }], out),
      );
      expect(reads, id).toEqual(once);
    }
  });

  it('over 128 MiB read it as often as they must: once, or twice for the exact histogram and scales of the whole tensor', async () => {
    const shape = [70_000, 1024];
    const bf16 = sparseModel('large-bf16.safetensors', 'BF16', shape, Uint8Array.of(0x80, 0x3f, 0, 0xc0));
    const f32 = sparseModel(
      'large-f32.safetensors',
      'F32',
      [35_000, 1024],
      new Uint8Array(Float32Array.of(1 / 3, -2).buffer),
    );
    const readsIn = async (file: string, work: Parameters<typeof counted>[1]) =>
      (await counted(file, work)).reads.get('w');
    const quantized =
      (id: string): Parameters<typeof counted>[1] =>
      (model) =>
        quantizeTensors(
          model,
          [{ tensor: model.tensor('w'), format: formatById(id) }],
          join(folder, 'large.safetensors'),
        );
    expect(await readsIn(bf16, (model) => analyseTensor(model, model.tensor('w')))).toBe(1);
    expect(await readsIn(f32, (model) => analyseTensor(model, model.tensor('w')))).toBe(2);
    expect(await readsIn(f32, quantized('block-int4-sym'))).toBe(1);
    expect(await readsIn(f32, quantized('absmax-int8'))).toBe(2);
    const { result, reads } = await counted(bf16, (model) => {
      const converted = unchanged(model.tensor('w'));
      const tensors = [candidateOf(converted, 1)];
      const candidates = { tensors, fixedBytes: 0, fixedParameters: 0, presets: [] };
      const formats = ['Q4_0', 'Q8_0', 'F16'].map(formatById);
      return runSensitivity(model, candidates, { formats, measurer: addon, cacheDir: temporaryFolder() });
    });
    expect(reads.get('w')).toBe(1);
    const [row] = result.rows;
    expect(row!.cells.map(({ format }) => format)).toEqual(['Q4_0', 'Q8_0', 'F16']);
    for (const { relativeSquaredError } of row!.cells) expect(relativeSquaredError).toBeLessThan(1e-4);
  });

  it('stop when cancelled, and report their progress', async () => {
    const controller = new AbortController();
    const done: number[] = [];
    const formats = ['Q4_K', 'nf4'].map(formatById);
    const { result } = await counted(path, (model) =>
      compareFormats(model, model.tensor('w'), formats, {
        onProgress: (part, total) => done.push(part / total),
      }),
    );
    expect(done).toEqual([0.25, 0.5, 0.75, 1]);
    expect(result.formats).toHaveLength(2);
    const cancelled = (work: (model: ReturnType<typeof countReads>) => Promise<unknown>) =>
      expect(counted(path, work)).rejects.toMatchObject({ code: 'CANCELLED' });
    const options = { signal: controller.signal, onProgress: () => controller.abort() };
    await cancelled((model) => compareFormats(model, model.tensor('w'), formats, options));
    await cancelled((model) => analyseTensor(model, model.tensor('w'), options));
    const out = join(folder, 'cancelled.safetensors');
    await cancelled((model) =>
      quantizeTensors(model, [{ tensor: model.tensor('w'), format: formats[1]! }], out, options),
    );
    expect(existsSync(out)).toBe(false);
  });
});

describe('a row that is longer than a slab', () => {
  const length = 2 ** 20 + 3 * 2 ** 16 + 77;
  const values = new Random(10).fill(length, (random) => random.normal());
  values[length - 2] = 50;
  const path = f32Model('long.safetensors', [length], values);

  it('is processed in parts: its statistics are those of all weights', async () => {
    const { result } = await counted(path, (model) => analyseTensor(model, model.tensor('w')));
    const { statistics, outliers, histogram } = result;
    expect(statistics).toMatchObject({ count: length, max: 50, absMax: 50 });
    expect(outliers.outlierColumns[0]!.index).toBe(length - 2);
    expect(histogram.counts.reduce((sum, count) => sum + count)).toBe(length);
  });

  it.each(['block-int4-asym', 'nf4', 'absmax-int8', 'minmax-int4'])(
    'is written in %s as if it were encoded in one go',
    async (id) => {
      const format = formatById(id);
      const out = join(folder, `long-${id}.safetensors`);
      await counted(path, (model) => quantizeTensors(model, [{ tensor: model.tensor('w'), format }], out));
      const min = values.reduce((a, b) => Math.min(a, b));
      const whole = await encodeIn(format, values, length, { min, max: 50 });
      const model = await openModel(out);
      const tensor = model.tensor('w');
      const bytes = await savedBytes(whole, true);
      for (const [i, { role, file, offset, byteLength }] of tensor.stored!.parts.entries())
        expect(Buffer.compare(await model.source(file).read(offset, byteLength), bytes[i]!), role).toBe(0);
      expect(tensor.byteLength).toBe(format.bytes([length]));
      // They open again as the weights that they stand for.
      const decoded = await decodeEncoded(whole);
      let from = 0;
      for await (const slab of new TensorReader(model, tensor).values()) {
        const part = decoded.subarray(from, (from += slab.weights));
        expect(Buffer.compare(Buffer.from(slab.values.buffer), Buffer.from(part.slice().buffer))).toBe(0);
      }
      expect(from).toBe(length);
      const region = { firstRow: 0, firstColumn: 65_530, rows: 1, columns: 12 };
      expect((await readRegion(model, tensor, region)).values).toEqual([...decoded.subarray(65_530, 65_542)]);
      await model.close();
    },
  );

  it('is rejected by a format with one scale per row, with the reason', async () => {
    const formats = [formatById('rowwise-int8')];
    const { result } = await counted(path, (model) => compareFormats(model, model.tensor('w'), formats));
    expect(result.refused[0]!.reason).toContain(`rows of ${length} weights are longer than the 1048576`);
  });

  it('of 3·10⁹ weights is cut into slabs of bounded size that leave nothing out', () => {
    const elements = 3e9;
    const tensor = {
      ...{ name: 'w', dtype: 'F32', shape: [elements], elements, file: 'w', offset: 0 },
      ...{ byteLength: 4 * elements, readable: true },
    };
    let [at, most] = [0, 0];
    for (const slab of slabsOf(unchanged(tensor))) {
      expect(slab.firstWeight).toBe(at);
      expect(slab.reads.map(({ offset }) => offset)[0]).toBe(4 * at);
      at += slab.weights;
      most = Math.max(most, slab.bytes);
    }
    expect(at).toBe(elements);
    expect(most).toBeLessThanOrEqual(8 * 1024 * 1024);
  });
});

describe('a tensor that cannot be quantized', () => {
  it('is named with its first bad weight, wherever it is found', async () => {
    const values = new Float32Array(4 * 2 ** 20).fill(1);
    values[3 * 2 ** 20 + 5] = -Infinity;
    values[4 * 2 ** 20 - 1] = NaN;
    const path = f32Model('bad.safetensors', [4096, 1024], values);
    const error = {
      code: 'MODEL_FILE',
      message: expect.stringContaining('Weight 3145733 is infinite') as string,
    };
    await expect(
      counted(path, (model) => new TensorReader(model, model.tensor('w')).range()),
    ).rejects.toMatchObject(error);
    for (const id of ['Q4_0', 'block-int4-sym', 'absmax-int8'])
      await expect(
        counted(path, (model) =>
          quantizeTensors(
            model,
            [{ tensor: model.tensor('w'), format: formatById(id) }],
            join(folder, 'bad-out.safetensors'),
          ),
        ),
      ).rejects.toMatchObject({ ...error, place: { file: path, tensor: 'w' } });
    expect(existsSync(join(folder, 'bad-out.safetensors'))).toBe(false);
  });
});
