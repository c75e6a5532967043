import type { GgmlQuantType } from '../../protocol/ggmlTypes';

/** Types whose weights lie on lattices: points are chosen for eight weights at a time, or for twice four. */
export const latticeTypes = [
  ...(['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S'] as const),
] as const satisfies readonly GgmlQuantType[];

/** @param type of ggml, or the name of any format. */
export const isLattice = (type: string): boolean => latticeTypes.some((lattice) => lattice === type);

/** Columns of a tile of the Hessian for a lattice type. */
export const latticeTile = 8;
