import { afterEach, describe, expect, it } from 'vitest';
import { encodableTypes } from '../../src/exporter/plan/fileTypes';
import { ggmlType } from '../../src/model/dtypes';
import { loadNative } from '../../src/native';
import { measureRows } from '../../src/analysis/measureRows';
import { formats } from '../../src/quant/catalogue';
import { Random } from '../support/random';
import { decodeEncoded, encodeIn } from '../../src/quant/codec';
import { processorTime } from '../support/processorTime';

const native = loadNative();
const widest = native.simd;
const columns = 512;
const values = new Random(11).fill(96 * columns, (random) => random.studentT3() * 0.05);
const range = { min: Math.min(...values), max: Math.max(...values) };
const bytesOf = (floats: Float32Array): Uint8Array =>
  new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);

afterEach(() => {
  native.setSimd(widest);
  native.setThreads(2);
});

describe('codecs', () => {
  it('have the layouts that files have', () => {
    for (const { name, block, bytes } of native.codecs) {
      const type = ggmlType(name);
      if (type) expect({ name, block, bits: bytes * 8 }).toEqual({ name, block, bits: type.bitsPerBlock });
    }
  });

  it('encode every format of the catalogue and every type that can be exported', () => {
    const encoders = new Set(native.codecs.filter(({ encodes }) => encodes).map(({ name }) => name));
    for (const { scheme } of formats) if (scheme.kind === 'ggml') expect(encoders).toContain(scheme.type);
    for (const type of encodableTypes) expect(encoders).toContain(type);
  });
});

describe('the pass that measures', () => {
  const comparable = formats.filter((format) => format.refuse([96, columns]) === undefined);

  it.each(comparable)('$id sums what encoding, decoding and comparing sum', async (format) => {
    const decoded = await decodeEncoded(await encodeIn(format, values, columns, range));
    const expected = await native.errorSums(values, decoded);
    const counts = new Float64Array(50);
    const rows = { dtype: 'F32', data: bytesOf(values), weights: values.length, columns };
    const sums = await measureRows(format, rows, range, { histogram: { range, counts } });
    expect(sums.count).toBe(values.length);
    expect(sums.error).toBeCloseTo(expected.error, 10 - Math.ceil(Math.log10(expected.source)));
    expect(sums.maxError).toBe(expected.maxError);
    expect(counts).toEqual(await native.histogram(decoded, range.min, range.max, 50));
  });

  it('reads quantized sources and weighs by importance', async () => {
    const codes = new Uint8Array((values.length / 32) * 34);
    await native.encodeRows('Q8_0', values, columns, codes);
    const floats = new Float32Array(values.length);
    await native.decode('Q8_0', codes, floats);
    const importance = new Random(4).fill(columns, (random) => random.next() ** 3);
    const fromCodes = await native.measureRows('Q8_0', codes, columns, 'Q4_K', { importance });
    const fromFloats = await native.measureRows('F32', bytesOf(floats), columns, 'Q4_K', {
      importance,
    });
    const plain = await native.measureRows('Q8_0', codes, columns, 'Q4_K');
    expect(fromCodes).toEqual(fromFloats);
    expect(plain.error).not.toBe(fromCodes.error);
  });

  it('does not depend on threads or instruction set', async () => {
    const measure = () => native.measureRows('F32', bytesOf(values), columns, 'Q5_K');
    const expected = await measure();
    for (const path of native.simdPaths) {
      for (const threads of [1, 3]) {
        native.setSimd(path);
        native.setThreads(threads);
        expect(await measure(), `${path}, ${threads} threads`).toEqual(expected);
      }
    }
  });

  it('leaves the event loop free and stops within a piece when cancelled', async () => {
    const many = new Random(1).fill(4 << 20, (random) => random.normal());
    const controller = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 5) controller.abort();
    }, 1);
    const spent = processorTime();
    const pass = native.measureRows('F32', bytesOf(many), 4096, 'IQ3_XXS', {
      signal: controller.signal,
    });
    await expect(pass).rejects.toMatchObject({ code: 'CANCELLED' });
    clearInterval(timer);
    expect(ticks).toBeGreaterThanOrEqual(5);
    const whole = await native.measureRows('F32', bytesOf(many.subarray(0, 1 << 17)), 4096, 'IQ3_XXS');
    expect(whole.count).toBe(1 << 17);
    expect(spent()).toBeLessThan(30_000);
  });
});

describe('bad input', () => {
  const target = (type: string): Uint8Array => {
    const { block, bytes } = native.codecs.find(({ name }) => name === type)!;
    return new Uint8Array((values.length / block) * bytes);
  };

  it.each([
    ['NaN', NaN, 'NaN'],
    ['infinity', Infinity, 'infinite'],
    ['minus infinity', -Infinity, 'infinite'],
  ])('%s is found with its index, by every encoder', async (_, bad, kind) => {
    const broken = values.slice();
    broken[777] = bad;
    const importance = new Float32Array(columns).fill(1);
    for (const { name, encodes } of native.codecs.filter((codec) => codec.encodes)) {
      expect(encodes).toBe(true);
      const encoding = native.encodeRows(name, broken, columns, target(name), { importance });
      expect(await encoding, name).toEqual({ kind, index: 777 });
      const measured = await native.measureRows('F32', bytesOf(broken), columns, name, { importance });
      expect(measured.bad, name).toEqual({ kind, index: 777 });
    }
  });

  it.each(['IQ1_S', 'IQ2_XXS', 'IQ2_XS'])('%s is rejected without importance weights', async (type) => {
    const encoding = native.encodeRows(type, values, columns, target(type));
    await expect(encoding).rejects.toThrow(
      `${type} needs importance weights (an imatrix) and cannot be encoded without them`,
    );
  });

  it('importance weights must be one per column, finite and not negative', async () => {
    const encode = (importance: Float32Array) =>
      native.encodeRows('Q4_K', values, columns, target('Q4_K'), { importance });
    await expect(encode(new Float32Array(10))).rejects.toThrow(
      'importance has 10 elements where 512 are needed',
    );
    const negative = new Float32Array(columns).fill(1);
    negative[3] = -1;
    await expect(encode(negative)).rejects.toThrow('importance weight 3 is negative or not finite');
  });

  it('lengths that do not match are rejected before anything is read', async () => {
    await expect(native.decode('Q4_K', new Uint8Array(143), new Float32Array(256))).rejects.toThrow(
      'source has 143 elements where 144 are needed',
    );
    await expect(native.decode('Q4_K', new Uint8Array(144), new Float32Array(255))).rejects.toThrow(
      'the target does not hold whole blocks',
    );
    const rows = native.measureRows('Q4_K', new Uint8Array(145), 256, 'Q4_0');
    await expect(rows).rejects.toThrow('the source does not hold whole rows');
  });

  it('an instruction set that the processor does not have is rejected', () => {
    expect(() => native.setSimd('AVX-1024')).toThrow('this processor has no AVX-1024');
    expect(native.simdPaths).toContain('scalar');
  });
});
