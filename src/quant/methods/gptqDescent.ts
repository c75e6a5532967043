import { QuantscopeError } from '../../model/errors';
import type { DampedMatrix } from '../../native';
import { objectives } from '../../protocol/export';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { MethodOptions, OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { typeBlock } from '../columns/blocks';
import {
  descendBlocks,
  refuseDescent,
  tilesOf,
  type DescentPlan,
  type OutputWeights,
} from '../columns/descent';
import { deadColumns, diagonalOf, factorOf } from '../columns/factor';
import { blockColumns } from '../columns/groups';
import { isLattice } from '../columns/latticeTypes';
import { maxCovariance } from '../evidence';
import type { BlockTask, Method } from './method';
import { optionsOf } from './options';
import { requireHessian } from './required';
import {
  blockWeight,
  factorSeconds,
  latticeWeight,
  onOneCore,
  ownWeight,
  product,
  twoSidedWeight,
} from './speeds';

const label = said`GPTQ and coordinate descent`;

const options: readonly OptionDescription[] = [
  {
    name: 'damping',
    description: said`Added to the diagonal of the Hessian, as a share of its mean; 0.1 in IQ1_S where none is given.`,
    ...{ type: 'number', default: 0.01, minimum: 0, maximum: 1 },
  },
  {
    name: 'rounds',
    description: said`Passes of the descent over all columns, at most.`,
    ...{ type: 'number', default: 6, minimum: 0, maximum: 100 },
  },
  {
    name: 'objective',
    description: said`What is minimised: the error of the outputs, or what it does to the predictions, by the gradients at the outputs.`,
    ...{ type: 'choice', default: 'one-sided', choices: objectives },
  },
];

/** Damping of types with so few bits that inputs which are rare in the text lose too much of their outputs with the usual one. */
const ownDamping: Partial<Readonly<Record<GgmlQuantType, number>>> = { IQ1_S: 0.1 };

/** Added to the diagonal of the covariance of the gradients, as a share of its mean. */
const outputDamping = 0.1;

/** Of the output matrix: how much of the Hessian of a row is that of its own inputs, the rest being that of all rows. */
const ownShare = 0.7;

/** Columns between updates of all that follow. */
const blockSize = 128;

/**
 * GPTQ in the blocks of a ggml type, followed by coordinate descent on the output error over codes, scales and minimums together (cf. CDQuant,
 * Nair and Suggala 2024, arXiv:2406.17542). One-sided codes never have a larger output error than those of the type's encoder.
 */
export const gptqDescent: Method = {
  id: 'gptq-cd',
  label,
  description: said`Finds codes of ggml types by GPTQ, then improves codes and scales together by coordinate descent on the error of the outputs, or on what it does to the predictions.`,
  evidence: 'hessian',
  evidenceOf: (given) => (chosenOf(given).isTwoSided ? 'gradients' : 'hessian'),
  options,
  version: 6,
  /**
   * Each pass of the descent, and both measurements of the error, multiply the errors of all weights by the Hessian, and by the covariance of the
   * rows where it is a matrix.
   */
  coreSeconds: ([rows, columns], { type, options: given } = {}) => {
    const { rounds, isTwoSided } = chosenOf(given);
    const search = type !== undefined && isLattice(type) ? latticeWeight : 0;
    const oneSided = search * (1 + rounds) + (0.5 + rounds + 2) * columns * product;
    const bothSides = isTwoSided ? outputSeconds(rows, columns, rounds, search) : 0;
    return rows * columns * (blockWeight + oneSided + bothSides) + factorSeconds(columns);
  },
  refuse: () => said`${label} takes ggml types only: GPTQ takes grids.`,
  open: () => Promise.reject(new QuantscopeError('REQUEST', said`${label} takes ggml types only.`)),
  blocks: {
    refuse: refuseDescent,
    async open(task, signal) {
      const plan = await planOf(task, signal);
      return {
        ...(plan.outputs ? {} : { evidence: 'hessian' as const }),
        quantize: (values, firstRow = 0, signal) => descendBlocks(task.type, plan, values, firstRow, signal),
      };
    },
  },
};

/** The start is GPTQ in the order of the columns, scales being fitted again at each block to the weights that are left. */
async function planOf(task: BlockTask, signal?: AbortSignal): Promise<DescentPlan> {
  const { damping, rounds, isTwoSided } = chosenOf(task.options, task.type);
  const hessian = requireHessian(task, label);
  const columns = typeBlock(task.type);
  const factorOptions = { damping, order: 'none', block: blockColumns(blockSize, columns) } as const;
  const factor = await factorOf(hessian, factorOptions, task.name, signal);
  const importance = Float32Array.from(diagonalOf(hessian));
  const start = { factor, importance, columns, dead: deadColumns(hessian) };
  const inputs = { values: hessian, damping: factor.damping };
  const passes = coupledRounds(rounds, isLattice(task.type));
  const outputs = isTwoSided ? outputWeights(task, inputs, passes) : undefined;
  return {
    ...{ start, rounds, hessian: await tilesOf(hessian, factor.damping, task.type, signal) },
    ...(outputs ? { outputs } : {}),
  };
}

/** The descent by inputs of single rows changes codes of single weights, which lattices do not have. */
function outputWeights(
  { type, evidence: { gradients } }: BlockTask,
  hessian: DampedMatrix,
  rounds: number,
): OutputWeights | undefined {
  if (gradients?.covariance) return { covariance: damped(gradients.covariance, outputDamping), rounds };
  return gradients?.own && !isLattice(type) ? { hessian, own: gradients.own, share: ownShare } : undefined;
}

/** @param share of the mean of the diagonal that is added to it. */
function damped(values: Float64Array, share: number): DampedMatrix {
  const diagonal = diagonalOf(values);
  return { values, damping: (share * diagonal.reduce((sum, value) => sum + value, 0)) / diagonal.length };
}

/** Passes of the two-sided descent: rows that depend on each other take more of them. Searches of lattices are expensive. */
const coupledRounds = (rounds: number, isSearched: boolean): number => (isSearched ? rounds : 2 * rounds);

/** Per weight, for what the outputs say. Slabs of rows that depend on each other are improved one after the other. */
function outputSeconds(rows: number, columns: number, rounds: number, search: number): number {
  if (rows > maxCovariance) return search > 0 ? 0 : ownWeight + (rounds + 2) * columns * product;
  const passes = coupledRounds(rounds, search > 0);
  return onOneCore((twoSidedWeight + search) * passes) + (passes + 2) * (rows + columns) * product;
}

interface Options {
  readonly damping: number;
  readonly rounds: number;
  readonly isTwoSided: boolean;
}

/** @param type whose own damping counts where none is given. */
function chosenOf(given?: MethodOptions, type?: GgmlQuantType): Options {
  const damping = type && ownDamping[type];
  const value = optionsOf({ options }, { ...(damping === undefined ? {} : { damping }), ...given });
  return {
    ...{ damping: Number(value['damping']), rounds: Math.round(Number(value['rounds'])) },
    isTwoSided: value['objective'] === 'two-sided',
  };
}
