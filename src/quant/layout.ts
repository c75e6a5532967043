import { ggmlType } from '../model/dtypes';
import { matrixOf } from '../model/rows';
import type { Scheme } from '../protocol/formats';

/** Bytes and parameters that a scheme writes for rows of a given length. */
export interface RowLayout {
  readonly codeBytes: number;
  /** Dtype of the codes in a safetensors file, and their number per row. */
  readonly codeDtype: 'I8' | 'U8' | 'F8_E4M3' | 'F8_E5M2' | 'F16' | 'BF16';
  readonly codesPerRow: number;
  /** Scales of one row; 0 when one scale serves the whole tensor. */
  readonly groups: number;
  readonly hasScales: boolean;
  readonly hasZeros: boolean;
}

const scaleBytes = 4; // float32

export function rowLayout(scheme: Scheme, columns: number): RowLayout {
  switch (scheme.kind) {
    case 'affine': {
      const packed = scheme.bits === 4;
      const codeBytes = packed ? Math.ceil(columns / 2) : columns;
      const groups = groupsPerRow(scheme.group, columns);
      const codeDtype = packed || scheme.rule === 'min-max' ? 'U8' : 'I8';
      return {
        codeBytes,
        codeDtype,
        codesPerRow: codeBytes,
        groups,
        hasScales: true,
        hasZeros: scheme.rule !== 'absmax',
      };
    }
    case 'nf4': {
      const codeBytes = Math.ceil(columns / 2);
      const groups = groupsPerRow(scheme.block, columns);
      return { codeBytes, codeDtype: 'U8', codesPerRow: codeBytes, groups, hasScales: true, hasZeros: false };
    }
    case 'fp8': {
      const codeDtype = scheme.variant === 'e4m3' ? 'F8_E4M3' : 'F8_E5M2';
      const groups = groupsPerRow(scheme.group, columns);
      return {
        codeBytes: columns,
        codeDtype,
        codesPerRow: columns,
        groups,
        hasScales: true,
        hasZeros: false,
      };
    }
    case 'ggml':
      return ggmlLayout(scheme.type, columns);
  }
}

function ggmlLayout(name: string, columns: number): RowLayout {
  const type = ggmlType(name);
  if (!type) throw new RangeError(`${name} is not a ggml type`);
  const codeBytes = (columns / type.block) * (type.bitsPerBlock / 8);
  const half = name === 'F16' || name === 'BF16' ? name : undefined;
  const codesPerRow = half ? columns : codeBytes;
  return { codeBytes, codeDtype: half ?? 'U8', codesPerRow, groups: 0, hasScales: false, hasZeros: false };
}

function groupsPerRow(group: 'tensor' | 'row' | number, columns: number): number {
  if (group === 'tensor') return 0;
  return group === 'row' ? 1 : Math.ceil(columns / group);
}

/** Parameters (scales, or zeros) that a tensor of this shape has. */
export function parameterCount(layout: RowLayout, rows: number): number {
  if (!layout.hasScales) return 0;
  return layout.groups === 0 ? 1 : rows * layout.groups;
}

/** Exact bytes that a scheme writes for a tensor: codes, scales and zeros. */
export function schemeBytes(scheme: Scheme, shape: readonly number[]): number {
  const { rows, columns } = matrixOf(shape);
  const layout = rowLayout(scheme, columns);
  const perGroup = (layout.hasScales ? scaleBytes : 0) + (layout.hasZeros ? scaleBytes : 0);
  return rows * layout.codeBytes + parameterCount(layout, rows) * perGroup;
}

/** Weights that must divide a row: the block of a ggml type, 1 otherwise. */
export function rowMultiple(scheme: Scheme): number {
  return scheme.kind === 'ggml' ? (ggmlType(scheme.type)?.block ?? 1) : 1;
}
