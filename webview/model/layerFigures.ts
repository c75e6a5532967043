import * as l10n from '@vscode/l10n';
import { scanSigma, type ScanFigureName } from '../../src/protocol/modelScan';
import { greatestOf, leastOf } from '../../src/protocol/extremes';
import type { LayerMap } from '../../src/protocol/layerMap';
import { nameOutside, partOfRole, type PatternPlace, type PlacedTensor } from '../../src/protocol/parts';

interface OwnRow {
  readonly role: string;
  readonly cells: number[][];
}

/** Tensors of a model by layer and role, named by their places in its table. */
export function modelMap(placed: readonly PlacedTensor[]): LayerMap {
  const layers = [...new Set(placed.map(({ layer }) => layer))].filter((layer) => layer >= 0);
  layers.sort((a, b) => a - b);
  const columns = new Map(layers.map((layer, column) => [layer, column]));
  const rows = new Map<PatternPlace, OwnRow | undefined>();
  const others: { role: string; members: number[] }[] = [];
  for (const { index, layer, place } of placed) {
    if (!rows.has(place)) rows.set(place, rowOf(place, rows, layers.length));
    const row = rows.get(place);
    if (row && layer >= 0) row.cells[columns.get(layer)!]!.push(index);
    else if (!isCompanion(place)) others.push({ role: nameOutside(place.role), members: [index] });
  }
  const known = [...new Set(rows.values())].filter((row) => row !== undefined);
  return { layers, others, rows: known.sort((a, b) => placeInBlock(a.role) - placeInBlock(b.role)) };
}

/** Where a role comes in the forward pass of its block. */
function placeInBlock(role: string): number {
  const { row, column, order } = partOfRole(role);
  return (row === 'mixer' ? 0 : 1e6) + 1e3 * column + order;
}

/** Embeddings, then block by block, then what comes after the blocks; the table's order where nothing else decides. */
export function inExecutionOrder(placed: readonly PlacedTensor[]): PlacedTensor[] {
  const blockOf = ({ layer, place }: PlacedTensor): number => {
    if (layer >= 0) return layer;
    return place.area === 'embedding' ? -1 : Number.MAX_SAFE_INTEGER;
  };
  return [...placed].sort(
    (a, b) => blockOf(a) - blockOf(b) || placeInBlock(a.place.role) - placeInBlock(b.place.role),
  );
}

/** What goes with a weight: it has no cell. */
const isCompanion = ({ glob }: PatternPlace): boolean => /\.(bias|scale)$/.test(glob);

/** The row of a role, which patterns share; undefined outside of blocks. */
function rowOf(
  place: PatternPlace,
  rows: ReadonlyMap<PatternPlace, OwnRow | undefined>,
  layers: number,
): OwnRow | undefined {
  const { stack, role } = place;
  if (stack === undefined || isCompanion(place)) return undefined;
  for (const [other, row] of rows) if (row && other.stack === stack && other.role === role) return row;
  return { role, cells: Array.from({ length: layers }, (): number[] => []) };
}

/** A figure of tensors that a map shows. */
export interface LayerFigure {
  readonly id: string;
  readonly label: string;
  /** What it is, in a sentence. */
  readonly hint: string;
  /** For each tensor of the table; NaN where it is not known. */
  readonly values: Float64Array;
  /** What a cell of several tensors shows: the largest, or the mean. */
  readonly combine: 'largest' | 'mean';
  /** Whether colours are by magnitude: figures differ by powers of ten. */
  readonly isLog: boolean;
  readonly unit?: string;
}

/** Figures of a scan that are shown, and how. */
export const scanFigures: readonly (Omit<LayerFigure, 'values'> & { readonly id: ScanFigureName })[] = [
  {
    ...{ id: 'absMax', label: l10n.t('absmax'), combine: 'largest', isLog: true },
    hint: l10n.t('The largest magnitude of a weight.'),
  },
  {
    ...{ id: 'rms', label: l10n.t('RMS'), combine: 'mean', isLog: true },
    hint: l10n.t('The root of the mean square of the weights.'),
  },
  {
    ...{ id: 'kurtosis', label: l10n.t('kurtosis'), combine: 'largest', isLog: true },
    hint: l10n.t('How heavy the tails are: 3 for a normal distribution; more needs more levels far out.'),
  },
  {
    ...{ id: 'outlierShare', label: l10n.t('outliers'), combine: 'largest', isLog: true },
    hint: l10n.t('The share of weights beyond {0} σ; σ is the root mean square of the tensor.', scanSigma),
  },
];

/** Values of some tensors, by the index that each name has in the table. @param indexOf −1 for a name that is not in it. */
export function valuesOf(
  count: number,
  names: readonly string[],
  values: ArrayLike<number>,
  indexOf: (name: string, at: number) => number,
): Float64Array {
  const found = new Float64Array(count).fill(NaN);
  for (const [at, name] of names.entries()) {
    const index = indexOf(name, at);
    if (index >= 0) found[index] = values[at]!;
  }
  return found;
}

/** The value of a cell; undefined where none of its tensors has one. */
export function combined({ values, combine }: LayerFigure, members: readonly number[]): number | undefined {
  const known = members.map((index) => values[index]!).filter((value) => !Number.isNaN(value));
  if (known.length === 0) return undefined;
  if (combine === 'largest') return greatestOf(known);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** The ends of a colour scale, and where a value is between them (0 to 1). */
export interface Scale {
  readonly least: number;
  readonly most: number;
  readonly place: (value: number) => number;
  /** The value at a place. */
  readonly at: (place: number) => number;
}

/** Decades of a logarithmic scale at most: what is smaller has the colour of its end. */
const maxDecades = 6;

/** A scale over all finite values of a figure; undefined where there are none. */
export function scaleOf({ isLog }: Pick<LayerFigure, 'isLog'>, values: Iterable<number>): Scale | undefined {
  const finite = [...values].filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  if (finite.length === 0) return undefined;
  const most = greatestOf(finite);
  const least = isLog ? Math.max(leastOf(finite), most / 10 ** maxDecades) : leastOf(finite);
  const measure = isLog ? Math.log : (value: number): number => value;
  const span = measure(most) - measure(least);
  const place = (value: number): number => {
    if (value === Infinity) return 1;
    if (span === 0) return value < least ? 0 : 1;
    return Math.min(
      1,
      Math.max(0, (measure(Math.max(value, isLog ? least : value)) - measure(least)) / span),
    );
  };
  const at = (where: number): number =>
    isLog ? least * (most / least) ** where : least + (most - least) * where;
  return { least, most, place, at };
}
