import {
  loadNative,
  type ColumnGrid,
  type ColumnParameters,
  type ColumnState,
  type HessianFactor,
} from '../../native';

/** Rows in lanes of the addon's kernels. */
const slab = 64;

/** A matrix before its first column is quantized. */
export function columnState(factor: HessianFactor, weights: Float32Array): ColumnState {
  const slabs = Math.ceil(weights.length / factor.columns / slab);
  const width = Math.ceil(factor.block / 4) * 4;
  return {
    ...factor,
    weights,
    errors: new Float32Array(slabs * factor.columns * slab),
    sums: new Float32Array(slabs * width * slab),
    losses: new Float64Array(weights.length / factor.columns),
  };
}

/** Runs `columns(first, count)` for each block of positions, once the block was started. */
export async function overBlocks(
  state: ColumnState,
  columns: (first: number, count: number) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  for (let first = 0; first < state.columns; first += state.block) {
    await loadNative().startBlock(state, first / state.block, signal);
    await columns(first, Math.min(state.block, state.columns - first));
  }
}

/** The losses (ŵ − w)ᵀ H (ŵ − w) of rows that were quantized in another way. @param decoded `[rows, columns]`. */
export async function lossesOf(
  factor: HessianFactor,
  weights: Float32Array,
  decoded: Float32Array,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const state = columnState(factor, weights);
  const follow = (first: number, count: number): Promise<void> =>
    loadNative().followColumns(state, decoded, first, count, signal);
  await overBlocks(state, follow, signal);
  return state.losses;
}

/** Whether what was found for a row is as good as rounding; not where corrections have left the range of float32, so that losses are not finite. */
export const isAsGood = (loss: number, ofRounding: number): boolean =>
  Number.isFinite(loss) && !(ofRounding < loss);

/** What columns are quantized to. */
export interface ColumnTarget {
  readonly grid: ColumnGrid;
  readonly parameters: ColumnParameters;
  readonly codes: Uint8Array;
  /** Absent where the parameters are known before. */
  readonly scales?: ScalesOnTheWay | undefined;
}

/** Scales that are found from the weights as earlier columns correct them. */
export interface ScalesOnTheWay {
  /** Positions whose scales are found at a time; whole groups. */
  readonly columns: number;
  /** Puts the scales of positions into the parameters. @param weights `[rows, count]`. */
  find(weights: Float32Array<ArrayBuffer>, first: number, count: number, signal?: AbortSignal): Promise<void>;
}

/** Corrections that have left the range of float32 give no scales; `isAsGood` is false of their rows. */
export function clearNonFinite(weights: Float32Array): void {
  for (let i = 0; i < weights.length; i++) if (!Number.isFinite(weights[i])) weights[i] = 0;
}

/** Quantizes all columns in their order: each to its nearest code, its error made up for by the columns after it. */
export async function quantizeColumns(
  state: ColumnState,
  { grid, parameters, codes, scales }: ColumnTarget,
  signal?: AbortSignal,
): Promise<void> {
  const native = loadNative();
  const quantize = async (first: number, count: number): Promise<void> => {
    if (scales) {
      const weights = new Float32Array(state.losses.length * count);
      await native.predictColumns(state, first, count, weights, signal);
      clearNonFinite(weights);
      await scales.find(weights, first, count, signal);
    }
    await native.quantizeColumns(state, grid, parameters, first, count, codes, signal);
  };
  await overBlocks(
    state,
    async (first, count) => {
      const step = scales?.columns ?? count;
      for (let done = 0; done < count; done += step) {
        await quantize(first + done, Math.min(step, count - done));
      }
    },
    signal,
  );
}
