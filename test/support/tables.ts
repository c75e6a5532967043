import type { SensitivityTable } from '../../src/protocol/plan';

const bits: Readonly<Record<string, number>> = { Q4_K: 4.5, Q6_K: 6.5625, Q8_0: 8.5 };
const weights = 256;

/** A table of tensors "a", "b"…, each with its relative squared errors by format. */
export function tableOf(...errors: readonly Readonly<Record<string, number>>[]): SensitivityTable {
  return {
    ...{ modelHash: 'h', modelName: 'm', parameters: weights * errors.length },
    ...{ fixedBytes: 0, fixedParameters: 0, presets: [] },
    rows: errors.map((byFormat, i) => {
      const tensor = String.fromCharCode('a'.charCodeAt(0) + i);
      return {
        ...{ tensor, sources: [tensor], shape: [1, weights], weights },
        ...{ lossless: { format: 'F32', bytes: 4 * weights }, roleFactor: 1 },
        cells: Object.entries(byFormat).map(([format, relativeSquaredError]) => ({
          ...{ format, bytes: (weights * bits[format]!) / 8, bitsPerWeight: bits[format]! },
          ...{ relativeSquaredError, sqnr: 20, maxError: 2 * relativeSquaredError, device: 'cpu' as const },
        })),
      };
    }),
  };
}
