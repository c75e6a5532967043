import * as l10n from '@vscode/l10n';
/** A grid as its fields are set; its name follows (src/quant/grids/gridName.ts). */
export interface GridParts {
  readonly kind: 'int' | 'float' | 'table';
  readonly bits: string;
  readonly unsigned: boolean;
  readonly zeroPoint: boolean;
  readonly exponent: string;
  readonly mantissa: string;
  readonly table: 'nf4' | 'fp4';
  readonly group: 'g' | 'b' | 'row' | 'tensor';
  /** Weights of a group of the kinds `g` (of a row) and `b` (of the flattened tensor). */
  readonly size: string;
  /** Dtype of the scales; the usual one where it is empty. */
  readonly scale: string;
  readonly double: boolean;
}

export const firstParts: GridParts = {
  ...{ kind: 'int', bits: '4', unsigned: true, zeroPoint: true, exponent: '2', mantissa: '1', table: 'nf4' },
  ...{ group: 'g', size: '64', scale: '', double: false },
};

export const scaleChoices = ['f32', 'f16', 'bf16', 'e8m0', 'e4m3'] as const;

/** Mantissa bits that a float of 3 to 8 bits can have beside its sign and exponent. */
export const mantissasOf = (exponent: string): string[] =>
  Array.from({ length: 7 }, (_, mantissa) => mantissa)
    .filter((mantissa) => {
      const bits = 1 + Number(exponent) + mantissa;
      return bits >= 3 && bits <= 8;
    })
    .map(String);

/** What is wrong with the fields, as a sentence; undefined for those of a grid. */
export const problemOf = ({ group, size }: GridParts): string | undefined =>
  (group === 'g' || group === 'b') && !/^[1-9]\d{0,5}$/.test(size.trim())
    ? l10n.t('A group has from 1 to 999,999 weights, not “{0}”.', size)
    : undefined;

export function nameOf(parts: GridParts): string {
  const { kind, group, size, scale, double, zeroPoint } = parts;
  const sized = group === 'g' || group === 'b' ? `${group}${size.trim()}` : group;
  return [
    levelsOf(parts),
    sized,
    ...(kind === 'int' && zeroPoint ? ['zp'] : []),
    ...(scale === '' ? [] : [scale]),
    ...(double ? ['dq'] : []),
  ].join('-');
}

/** Unsigned integers exist with zero points only. */
function levelsOf({ kind, bits, unsigned, zeroPoint, exponent, mantissa, table }: GridParts): string {
  if (kind === 'table') return table;
  if (kind === 'int') return `${unsigned && zeroPoint ? 'u' : ''}int${bits}`;
  const allowed = mantissasOf(exponent);
  return `e${exponent}m${allowed.includes(mantissa) ? mantissa : allowed[0]!}`;
}
