import { matrixOf, maxRowWeights } from '../model/rows';
import { loadNative, type EncodedRows } from '../native';
import type { FormatFamily, Scheme } from '../protocol/formats';
import type { QuantFormat } from './format';
import { parameterCount, rowLayout, rowMultiple, schemeBytes } from './layout';

/** What a row of the catalogue says; everything else follows from the scheme. */
export interface SchemeEntry {
  readonly id: string;
  readonly label: string;
  readonly family: FormatFamily;
  readonly description: string;
  readonly scheme: Scheme;
  /** Set for a type whose encoder needs importance weights. */
  readonly needsImportance?: true;
}

/** The matrix on which a format's nominal bits per weight are stated. */
const nominalShape = [4096, 4096];

/** A format whose encoder and decoder are the addon's kernels for its scheme. */
export function schemeFormat(entry: SchemeEntry): QuantFormat {
  const { scheme } = entry;
  const multiple = rowMultiple(scheme);
  const bitsPerWeight = (shape: readonly number[]): number => {
    const { rows, columns } = matrixOf(shape);
    return (8 * schemeBytes(scheme, shape)) / (rows * columns);
  };
  return {
    ...entry,
    rowMultiple: multiple,
    nominalBitsPerWeight: bitsPerWeight(nominalShape),
    bytes: (shape) => schemeBytes(scheme, shape),
    bitsPerWeight,
    refuse(shape, hasImportance = false) {
      const { rows, columns } = matrixOf(shape);
      if (rows * columns === 0) return 'The tensor has no weights.';
      if (entry.needsImportance && !hasImportance)
        return `${entry.id} needs importance weights (an imatrix).`;
      if (columns % multiple !== 0)
        return `${entry.id} needs rows whose length is a multiple of ${multiple}; these have ${columns} weights.`;
      if (columns > maxRowWeights && 'group' in scheme && scheme.group === 'row')
        return `${entry.id} has one scale per row, and rows of ${columns} weights are longer than the ${maxRowWeights} that can be processed together.`;
      return undefined;
    },
    async encode(values, columns, range, signal) {
      const rows = values.length / columns;
      const target = allocateRows(scheme, rows, columns);
      const bad = await loadNative().encodeRows(scheme, values, columns, range, target, signal);
      if (bad) throw new RangeError(`weight ${bad.index} is ${bad.kind}`);
      return target;
    },
    async decode(encoded, columns, signal) {
      const rows = encoded.codes.length / rowLayout(scheme, columns).codeBytes;
      const values = new Float32Array(rows * columns);
      await loadNative().decodeRows(scheme, encoded, columns, values, signal);
      return values;
    },
  };
}

/** Room for what a scheme writes for so many rows. */
export function allocateRows(scheme: Scheme, rows: number, columns: number): EncodedRows {
  const layout = rowLayout(scheme, columns);
  const count = parameterCount(layout, rows);
  return {
    codes: new Uint8Array(rows * layout.codeBytes),
    ...(layout.hasScales ? { scales: new Float32Array(count) } : {}),
    ...(layout.hasZeros ? { zeros: new Float32Array(count) } : {}),
  };
}
