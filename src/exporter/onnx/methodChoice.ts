import type { Grid } from '../../protocol/grids';
import type { MethodOptions } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import type { Evidence, Method } from '../../quant/methods/method';
import type { ActivationGrid } from './calibrationRanges';
import type { MatrixRows } from './rows';
import { unsupported, type CodeStorage, type MatrixChoice } from './storage';

export interface MethodChoiceOptions {
  readonly options?: MethodOptions;
  /** What a calibration pass measured of the inputs of a matrix; nothing when absent. */
  readonly evidence?: (matrix: MatrixRows, signal?: AbortSignal) => Promise<Evidence>;
  readonly input?: ActivationGrid | undefined;
}

/** The choice of a method for a matrix: it is opened when the matrix is written, so that one matrix is in memory at a time. */
export function methodChoice(
  method: Method,
  grid: Grid,
  storage: CodeStorage,
  { options = {}, evidence, input }: MethodChoiceOptions = {},
): MatrixChoice {
  return {
    ...{ grid, storage },
    ...(input ? { input } : {}),
    async open(matrix, signal) {
      const { shape, name } = matrix;
      const reason = method.refuse({ grid, shape, options });
      if (reason !== undefined) throw unsupported(said`${method.label} cannot be applied: ${reason}`);
      const range = grid.group === 'tensor' ? { range: await matrix.range(signal) } : {};
      const found = evidence ? await evidence(matrix, signal) : {};
      return method.open({ ...{ name, grid, shape, evidence: found, options }, ...range }, signal);
    },
  };
}
