import type { Grid } from '../protocol/grids';

/** A grid in a few words: "int4, group 128", "NF4, block 64, scales quantized". */
export function gridLabel({ levels, group, zero, double, global }: Grid): string {
  const scaled =
    group === 'tensor'
      ? ''
      : group === 'row'
        ? ', per row'
        : typeof group === 'number'
          ? `, group ${group}`
          : 'flat' in group
            ? `, block ${group.flat}`
            : `, ${group.rows}×${group.columns}`;
  const more = [
    ...(zero ? [', zero points'] : []),
    ...(double ? [', scales quantized'] : []),
    ...(global ? [', global scale'] : []),
  ];
  return `${levelsLabel(levels)}${scaled}${more.join('')}`;
}

function levelsLabel(levels: Grid['levels']): string {
  switch (levels.kind) {
    case 'integer':
      return `${levels.signed ? 'int' : 'uint'}${levels.bits}`;
    case 'float':
      return `FP${1 + levels.exponent + levels.mantissa} E${levels.exponent}M${levels.mantissa}`;
    case 'table':
      return levels.table.toUpperCase();
  }
}
