import type { Decoder } from '../graph/transformer/decoder';
import type { InputStatistics } from '../graph/transformer/tapSums';
import type { TapKind } from '../graph/transformer/graphParts';
import { scoreWindows, type ScoreOptions, type TokenScores } from './evaluate';
import type { ScoredInputs } from './windows';

/** Inputs of a matrix over all tokens; for those of experts or heads that are merged, one after the other. */
export interface MatrixInputs {
  /** Per input channel (experts × columns): Σx², Σx, max|x|. */
  readonly squares: Float64Array;
  readonly sums: Float64Array;
  readonly largest: Float64Array;
  /** Tokens that each expert got; one number for a matrix without experts. */
  readonly counts: Float64Array;
}

/** XᵀX of the inputs of some matrices of a block, `[columns, columns]`, in float64. */
export interface Gram {
  readonly tensors: readonly string[];
  readonly expert?: number;
  readonly columns: number;
  readonly rows: number;
  readonly values: Float64Array;
}

export interface CalibrationOptions extends ScoreOptions {
  /** Also the input of the output matrix. */
  readonly includeOutput: boolean;
  /** Receives XᵀX of each input as soon as it is complete. All windows must pass a block together: `allStates`, or one wave. */
  readonly onGram?: ((gram: Gram) => Promise<void>) | undefined;
}

/** Statistics of the inputs of every matrix of the blocks, by its name in GGUF, over all tokens of some windows. */
export async function calibrate(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  { includeOutput, onGram, ...options }: CalibrationOptions,
): Promise<{ readonly inputs: ReadonlyMap<string, MatrixInputs>; readonly scores: TokenScores }> {
  const inputs = new Map<string, MatrixInputs>();
  const kind: TapKind = { grams: onGram !== undefined };
  const onStatistics = async (found: InputStatistics): Promise<void> => {
    for (const tensor of found.tensors) addInputs(inputs, tensor, found, matricesOf(decoder, tensor));
    if (found.gram && onGram)
      await onGram({
        ...{ tensors: found.tensors, columns: found.squares.length, rows: found.rows, values: found.gram },
        ...(found.expert === undefined ? {} : { expert: found.expert }),
      });
  };
  const taps = { kind, onStatistics };
  const scores = await scoreWindows(decoder, windows, {
    ...{ ...options, taps },
    onStates: includeOutput
      ? (states) => decoder.tapOutput(states, { taps, signal: options.signal })
      : () => Promise.resolve(),
  });
  return { inputs, scores };
}

/** Matrices that are merged in a tensor: of experts, or of heads. */
function matricesOf({ shape }: Decoder, tensor: string): number {
  const [, index, part = ''] = /^blk\.(\d+)\.(.*)$/.exec(tensor) ?? [];
  const dims = shape.blocks[Number(index)]?.tensors.get(part) ?? [];
  return dims.length > 2 ? dims[0]! : 1;
}

function addInputs(
  all: Map<string, MatrixInputs>,
  tensor: string,
  { squares, sums, largest, rows, expert = 0 }: InputStatistics,
  experts: number,
): void {
  const columns = squares.length;
  const total = all.get(tensor) ?? {
    squares: new Float64Array(experts * columns),
    sums: new Float64Array(experts * columns),
    largest: new Float64Array(experts * columns),
    counts: new Float64Array(experts),
  };
  all.set(tensor, total);
  total.counts[expert]! += rows;
  for (let column = 0; column < columns; column++) {
    const at = expert * columns + column;
    total.squares[at]! += squares[column]!;
    total.sums[at]! += sums[column]!;
    total.largest[at] = Math.max(total.largest[at]!, largest[column]!);
  }
}
