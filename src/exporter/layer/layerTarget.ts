import { ggmlFormats, type GgmlQuantType } from '../../protocol/ggmlTypes';
import type { Grid } from '../../protocol/grids';
import type { GridDescription } from '../../protocol/methods';
import { gridName, gridNamed, spelledGridName } from '../../quant/grids/gridName';
import { gridLabel } from '../../recipes/gridLabel';

/** What a layer is quantized to. */
export type LayerTarget = GridDescription & ({ readonly grid: Grid } | { readonly type: GgmlQuantType });

/**
 * A type of ggml, or a grid by its name.
 * @throws QuantscopeError REQUEST for a name that is neither.
 */
export function layerTarget(name: string): LayerTarget {
  const type = typeNamed(name);
  if (type !== undefined) return { name: type, label: `GGUF ${type}`, type };
  const grid = gridNamed(name);
  const short = gridName(grid);
  // "mxfp4" names the type of ggml; the grid, whose layouts are others, has its long name.
  return { name: typeNamed(short) ? spelledGridName(grid) : short, label: gridLabel(grid), grid };
}

const typeNamed = (name: string): GgmlQuantType | undefined =>
  ggmlFormats.find((row) => row.name.toLowerCase() === name.toLowerCase())?.name;
