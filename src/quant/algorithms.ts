import { ggmlFormats } from '../protocol/ggmlTypes';
import { findFormat } from './catalogue';
import { methods } from './methods/methods';

/**
 * Versions of the algorithms that computed kept results. They are kept with the results; a result of another version is computed again.
 *
 * Raise a number (of a type of ggml in its row of `protocol/ggmlTypes.ts`) when the same input gives a different result: bytes of an encoder, values of a decoder, figures of a measure.
 * Keep it for changes of speed, memory or text only. A test has a digest of what each format writes and decodes, and fails
 * when that changes but the number does not.
 */
const formatVersions: Readonly<Record<string, number>> = {
  ...Object.fromEntries(ggmlFormats.map(({ name, encoding }) => [name, encoding.version])),
  ...{ nf4: 1, 'block-int4-sym': 2, 'block-int4-asym': 1, 'minmax-int4': 1 },
  ...{ 'fp8-e4m3': 2, 'fp8-e5m2': 2, 'fp8-e4m3-row': 2, 'fp8-e5m2-row': 2 },
  ...{ 'rowwise-int8': 2, 'absmax-int8': 2, 'zeropoint-int8': 2, 'minmax-int8': 1 },
};

const measureVersions = {
  /** Parameters, codes and values of grids and what their names stand for (native/kernels/weight_grid.cc, levels.cc, src/quant/grids). */
  grids: 2,
  /** Error sums of a tensor by the addon (native/kernels/sums.cc, src/analysis/metrics.ts). */
  errors: 1,
  /** Figures of all tensors of a model (native/scan, src/analysis/modelScan.ts). */
  scan: 1,
  /** Error sums by graphs (src/graph). */
  graphErrors: 1,
  /** States of a model after the last norm (src/graph/transformer, src/architectures): a forward pass. */
  states: 1,
  /** Statistics of the inputs of matrices (src/graph/transformer/tapSums.ts, rowSample.ts, src/evaluation/evidence.ts). */
  evidence: 1,
  /** What the rounding of inputs adds to the errors of outputs (src/exporter/codes/inputRounding.ts). */
  roundings: 1,
  /** Covariances of gradients at the outputs of matrices (src/evaluation/backward.ts, gradientSums.ts, ownInputs.ts, src/graph/gradient). */
  gradients: 2,
  /** Divergences from gradients and changes of weights (src/ampq/curvature.ts). */
  curvature: 1,
  /** State of a file that is trained (src/refinement). */
  refinement: 1,
  /** Losses and divergences of tokens (native/kernels/logits.cc, src/evaluation). */
  divergences: 1,
  /** Answers to questions (src/evaluation/tasks.ts). */
  tasks: 1,
  /** Embeddings of texts and how queries find documents by them (src/graph/transformer/embedding, src/evaluation/pairs.ts). */
  pairs: 1,
} as const;

/** The name of a method among algorithms. */
export const methodAlgorithm = (id: string): Algorithm => `method ${id}`;

const methodVersions = Object.fromEntries(methods.map(({ id, version }) => [methodAlgorithm(id), version]));

const versions: Readonly<Record<string, number>> = {
  ...formatVersions,
  ...methodVersions,
  ...measureVersions,
};

/** The current version of an algorithm; formats that are grids by their names have that of grids. */
function versionOf(name: string): number | undefined {
  if (Object.hasOwn(versions, name)) return versions[name];
  return findFormat(name) ? measureVersions.grids : undefined;
}

/** The id of a format, a method's `methodAlgorithm` or a measure. */
export type Algorithm = string;
export type Measure = keyof typeof measureVersions;

/** Versions by algorithm: what a result is kept with. */
export type UsedVersions = Readonly<Record<Algorithm, number>>;

/** The current versions of some algorithms. @throws RangeError for one that the table lacks. */
export function versionsOf(algorithms: Iterable<Algorithm>): UsedVersions {
  const used = [...new Set(algorithms)].sort().map((name): [string, number] => {
    const version = versionOf(name);
    if (version === undefined) throw new RangeError(`there is no version of ${name}`);
    return [name, version];
  });
  return Object.fromEntries(used);
}

/** Whether a result that was kept with `used` is what these algorithms would compute now. */
export function areCurrent(used: unknown, algorithms: Iterable<Algorithm>): boolean {
  return JSON.stringify(used) === JSON.stringify(versionsOf(algorithms));
}

/** Whether a result that was kept with `used` is what the same algorithms would compute now, whichever those are. */
export function isCurrent(used: unknown): used is UsedVersions {
  if (typeof used !== 'object' || used === null) return false;
  return Object.entries(used).every(([name, version]) => versionOf(name) === version);
}
