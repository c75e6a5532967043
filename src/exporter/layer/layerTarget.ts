import { ggmlFormats, type GgmlQuantType } from '../../protocol/ggmlTypes';
import type { Grid } from '../../protocol/grids';
import type { GridDescription } from '../../protocol/methods';
import { gridName, gridNamed } from '../../quant/grids/gridName';
import { gridLabel } from '../../recipes/gridLabel';

/** What a layer is quantized to. */
export type LayerTarget = GridDescription & ({ readonly grid: Grid } | { readonly type: GgmlQuantType });

/**
 * A type of ggml, or a grid by its name.
 * @throws QuantscopeError REQUEST for a name that is neither.
 */
export function layerTarget(name: string): LayerTarget {
  const type = ggmlFormats.find((row) => row.name.toLowerCase() === name.toLowerCase())?.name;
  if (type !== undefined) return { name: type, label: `GGUF ${type}`, type };
  const grid = gridNamed(name);
  return { name: gridName(grid), label: gridLabel(grid), grid };
}
