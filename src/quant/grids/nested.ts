import type { NestedScales } from '../quantized';

/** Decades of the map. */
const decades = 7;

/**
 * bitsandbytes' signed 8-bit dynamic map (Dettmers, 2015, 8-Bit Approximations for Parallelism): 2^i linear fractions between 0.1 and 1, times
 * 10^(i − 6), for i from 0 to 6, both signs, and 0 and 1; ascending, float32.
 */
export const dynamicMap: Float32Array = signedDynamicMap();

function signedDynamicMap(): Float32Array {
  const values = [0, 1];
  for (let i = 0; i < decades; i++) {
    const steps = 2 ** i;
    // torch.linspace(0.1, 1, steps + 1) in float32, and the mean of neighbours.
    const bounds = linspace(0.1, 1, steps + 1);
    for (let k = 0; k < steps; k++) {
      const middle = Math.fround(Math.fround(bounds[k]! + bounds[k + 1]!) / 2);
      const value = Math.fround(Math.fround(10 ** (i - decades + 1)) * middle);
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

/** As torch computes it: from the start up to the middle, from the end beyond it, products not rounded on their own (fused). */
function linspace(start: number, end: number, count: number): Float32Array {
  const [first, last] = [Math.fround(start), Math.fround(end)];
  const step = Math.fround(Math.fround(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < count / 2 ? Math.fround(first + step * i) : Math.fround(last - step * (count - 1 - i)),
  );
}

/** Half of the way between neighbours of the map: a value takes the entry after as many as lie below it. */
const midpoints = Float32Array.from({ length: dynamicMap.length - 1 }, (_, i) =>
  Math.fround(Math.fround(dynamicMap[i]! + dynamicMap[i + 1]!) / 2),
);

function nearestCode(value: number): number {
  let [low, high] = [0, midpoints.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value > midpoints[middle]!) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Scales quantized themselves, less an offset: 8-bit codes of the dynamic map and one absmax for each block of `block` scales (QLoRA's double
 * quantization; a value halfway between two entries takes the lower one).
 * @param offset the mean of all scales of the tensor.
 */
export function nestScales(scales: Float32Array, block: number, offset: number): NestedScales {
  const codes = new Uint8Array(scales.length);
  const absmax = new Float32Array(Math.ceil(scales.length / block));
  for (let group = 0; group < absmax.length; group++) {
    const first = group * block;
    const centred = scales.subarray(first, first + block).map((scale) => scale - offset);
    const largest = centred.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const inverse = largest === 0 ? 0 : Math.fround(1 / largest);
    absmax[group] = largest;
    // A block that is not full is divided by its absmax, as bitsandbytes' CPU library does.
    const isFull = centred.length === block;
    centred.forEach((value, i) => {
      codes[first + i] = nearestCode(isFull ? Math.fround(value * inverse) : Math.fround(value / largest));
    });
  }
  return { codes, absmax, offset };
}

/** The scales that a reader finds: map[code] · absmax + offset, in float32. */
export function unnestScales({ codes, absmax, offset }: NestedScales, block: number): Float32Array {
  return Float32Array.from(codes, (code, i) =>
    Math.fround(Math.fround(dynamicMap[code]! * absmax[Math.floor(i / block)]!) + offset),
  );
}

/** The mean of scales, in float32. */
export function meanScale(scales: Float32Array): number {
  return Math.fround(scales.reduce((sum, scale) => sum + scale, 0) / Math.max(1, scales.length));
}
