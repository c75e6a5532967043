import { roundToNearest } from '../grids/roundToNearest';
import type { Method } from './method';
import { roundedWeight } from './speeds';
import { said } from '../../protocol/said';

/** Rounding to nearest: scales by the grid's rule, each weight to its nearest code. Codes do not depend on other weights of the matrix. */
export const rtn: Method = {
  id: 'rtn',
  label: said`Round to nearest`,
  description: said`Scales from the extremes of each group, each weight to its nearest code. Needs no data.`,
  evidence: 'none',
  options: [],
  version: 1,
  coreSeconds: ([rows, columns]) => rows * columns * roundedWeight,
  refuse: () => undefined,
  open: (task) =>
    Promise.resolve({
      quantize(values, signal) {
        const [, columns] = task.shape;
        return roundToNearest(task.grid, values, [values.length / columns, columns], task, signal);
      },
    }),
};
