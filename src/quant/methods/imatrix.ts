import { QuantscopeError } from '../../model/errors';
import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import { said } from '../../protocol/said';
import { formatById } from '../catalogue';
import { encodeBlocks } from '../codec';
import type { Method } from './method';
import { requireImportance } from './required';
import { blockWeight } from './speeds';

const label = said`Importance matrix`;

/**
 * The codes and scales of ggml's types as `llama-quantize --imatrix` finds them: errors of weights are weighted by the mean square of the
 * input that each is multiplied by.
 */
export const imatrix: Method = {
  id: 'imatrix',
  label,
  description: said`Codes and scales of a GGUF type as llama.cpp finds them with an importance matrix: the error of each weight counts by the mean square of its input.`,
  evidence: 'importance',
  options: [],
  version: 1,
  coreSeconds: ([rows, columns]) => rows * columns * blockWeight,
  refuse: () => said`${label} takes ggml types only: ECB weights the errors of grids.`,
  open: () => Promise.reject(new QuantscopeError('REQUEST', said`${label} takes ggml types only.`)),
  blocks: {
    refuse: ({ type, shape }) =>
      takesImportance(type)
        ? formatById(type).refuse(shape, true)
        : said`${type} takes no importance: its codes are those of rounding.`,
    open: (task) => {
      const importance = requireImportance(task, label);
      return Promise.resolve({
        quantize: async (values, _, signal) =>
          (await encodeBlocks(task.type, values, task.shape[1], { importance, signal })).codes,
      });
    },
  },
};

const takesImportance = (type: GgmlQuantType): boolean =>
  loadNative().codecs.find(({ name }) => name === type)?.importance !== 'unused';
