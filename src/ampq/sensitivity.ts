import { createHash } from 'node:crypto';
import type { ConvertedTensor } from '../architectures/convertedTensor';
import { addSums, noSums } from '../analysis/metrics';
import { TensorReader, type TensorSlab } from '../analysis/tensorReader';
import { throwIfCancelled } from '../model/errors';
import { contentKey } from '../model/identity';
import type { Model } from '../model/model';
import type { ErrorSums, TensorRange } from '../native';
import type { EngineProgress } from '../protocol/engine';
import type { Device } from '../protocol/device';
import type { SensitivityTable, UsedCodes } from '../protocol/plan';
import { said } from '../protocol/said';
import { versionsOf } from '../quant/algorithms';
import type { QuantFormat } from '../quant/format';
import { candidateFormats, formatsFor, type Candidate, type Candidates } from './candidates';
import { CellStore, type MeasuredCell } from './store';
import { isCellOf, tableOf, weightsOf } from './tableOf';

/** Formats measured by default: those a GGUF plan can use. */
export const defaultCandidates: readonly string[] = ['Q4_0', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0', 'F16'];

/** The same where the model is run over a text: tensors that hardly affect the output can have fewer bits. */
export const outputCandidates: readonly string[] = ['Q2_K', 'Q3_K', 'IQ4_XS', ...defaultCandidates];

/** Types on lattices: the best below 3 bits, where importance weights or the inputs of matrices are known. */
export const latticeCandidates: readonly string[] = ['IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S'];

/**
 * Bits per weight of a plan below which optimised codes on lattices are worth the time that they take: on the sample they save 3 % of the divergence
 * at 4.8 bits, 8 % at 4.3, 14 % at 4.0 and 33 % at 3.1.
 */
export const latticeBits = 4.5;

/** Types in blocks of 32, whose products llama.cpp's CPU kernels take with finer steps of the inputs than those of super-blocks. */
export const smallBlockCandidates: readonly string[] = ['IQ4_NL', 'Q5_0', 'Q5_1'];

/** The candidates with an importance matrix. */
export const importanceCandidates: readonly string[] = [...latticeCandidates, ...outputCandidates];

/** Formats added one by one where a budget requires fewer bits; none of them needs an importance matrix. */
export const lowerCandidates: readonly string[] = ['IQ4_XS', 'IQ3_S', 'Q3_K', 'Q2_K'];

export interface MeasureSlabOptions {
  /** The tensor. */
  readonly converted: ConvertedTensor;
  /** Of each column, expert after expert. */
  readonly importance?: Float32Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What computes a cell: the addon, or ONNX Runtime on some device. */
export interface Measurer {
  readonly device: Device;
  /** Where a format is really measured: those without a graph, and errors that importance weights, by the addon, whatever the device. */
  deviceFor(format: QuantFormat, hasImportance: boolean): Device;
  /** Error sums of some weights of a tensor. `range` is that of the whole tensor where the format needs it. */
  measure(
    reader: TensorReader,
    slab: TensorSlab,
    format: QuantFormat,
    range: TensorRange,
    options: MeasureSlabOptions,
  ): Promise<ErrorSums>;
}

export interface SensitivityOptions {
  readonly formats: readonly QuantFormat[];
  readonly measurer: Measurer;
  /** Folder of the stored cells. */
  readonly cacheDir: string;
  /** Remeasure what another device measured: for checks of a named device. */
  readonly exactDevice?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EngineProgress) => void;
}

/**
 * Error of every candidate in every format; the model is read once. Cells that an earlier run finished are reused, new ones are stored
 * as soon as they are measured.
 */
export async function runSensitivity(
  model: Model,
  candidates: Candidates,
  options: SensitivityOptions,
): Promise<SensitivityTable> {
  const store = await CellStore.open(options.cacheDir, resultsKey(model, candidates));
  try {
    const missing = candidates.tensors.map((candidate) => missingOf(candidate, options, store));
    const progress = new Progress(missing, options);
    for (const item of missing) await measureTensor(model, item, options, store, progress);
    return inFormats(tableOf(model.description, candidates, store.all(), store.problem), options.formats);
  } finally {
    await store.close();
  }
}

/** What results of a model are kept under: those that importance weights or optimised codes change have their own. */
export function resultsKey(
  { description }: Pick<Model, 'description'>,
  { imatrix, codes }: Pick<Candidates, 'imatrix' | 'codes'>,
): string {
  const key = contentKey(description);
  const weighted = imatrix ? `${key}-${imatrix.hash.slice(0, 16)}` : key;
  return codes ? `${weighted}-codes-${digestOf(codes)}` : weighted;
}

/** Of everything that the codes depend on besides the model. */
function digestOf({ method, hash }: UsedCodes): string {
  const versions = versionsOf(['evidence', 'states']);
  return createHash('sha256').update(JSON.stringify({ method, hash, versions })).digest('hex').slice(0, 16);
}

/** The table of earlier runs; undefined when nothing has been measured. */
export async function storedSensitivity(
  model: Model,
  candidates: Candidates,
  cacheDir: string,
): Promise<SensitivityTable | undefined> {
  const store = await CellStore.open(cacheDir, resultsKey(model, candidates));
  const table = tableOf(model.description, candidates, store.all(), store.problem);
  return table.rows.some((row) => row.cells.length > 0) ? table : undefined;
}

/** What of the candidates in some formats no earlier run has measured. */
export async function missingCandidates(
  model: Model,
  candidates: Candidates,
  cacheDir: string,
  formats: readonly QuantFormat[],
): Promise<readonly MissingCells[]> {
  const store = await CellStore.open(cacheDir, resultsKey(model, candidates));
  return candidates.tensors.map((candidate) => ({
    candidate,
    formats: candidateFormats(candidate, formats).filter(({ id }) => !keptCell(store, candidate, id)),
  }));
}

/** A tensor and the formats in which it remains to be measured. */
export interface MissingCells {
  readonly candidate: Candidate;
  readonly formats: readonly QuantFormat[];
}

interface Missing extends MissingCells {
  /** Cells that an earlier run has measured. */
  readonly done: number;
}

function missingOf(
  candidate: Candidate,
  { formats, exactDevice, measurer }: SensitivityOptions,
  store: CellStore,
): Missing {
  const wanted = candidateFormats(candidate, formats);
  const hasImportance = candidate.importance !== undefined;
  const missing = wanted.filter((format) => {
    const cell = keptCell(store, candidate, format.id);
    if (!cell) return true;
    return exactDevice === true && cell.device !== measurer.deviceFor(format, hasImportance);
  });
  return { candidate, formats: missing, done: wanted.length - missing.length };
}

/**
 * Measures a tensor in its missing formats, which one read of it serves: where it is held in memory, format after format, so each cell is
 * stored at once; where it is too large for that, all formats slab by slab. Formats whose scale is that of the tensor need its range
 * first, which takes another read of a tensor that is not held.
 */
async function measureTensor(
  model: Model,
  { candidate: { converted, importance }, formats }: Missing,
  options: SensitivityOptions,
  store: CellStore,
  progress: Progress,
) {
  if (formats.length === 0) return;
  const { measurer, signal } = options;
  const reader = new TensorReader(model, converted);
  const range = formats.some(({ needsRange }) => needsRange) ? await reader.range({ signal }) : unknownRange;
  for (const group of reader.isHeld ? formats.map((format) => [format]) : [formats]) {
    const sums = group.map(() => noSums);
    for await (const slab of reader.slabs(signal)) {
      for (const [i, format] of group.entries()) {
        throwIfCancelled(signal);
        progress.begin(said`${converted.name} in ${format.id}`);
        const measured = await measurer.measure(reader, slab, format, range, {
          converted,
          importance,
          signal,
        });
        sums[i] = addSums(sums[i]!, measured);
        progress.addWeights(slab.weights);
      }
    }
    for (const [i, format] of group.entries()) {
      const { name } = converted;
      await store.add({
        tensor: name,
        format: format.id,
        device: measurer.deviceFor(format, importance !== undefined),
        sums: sums[i]!,
      });
      progress.addCell();
    }
  }
}

const unknownRange: TensorRange = { min: NaN, max: NaN };

function keptCell(store: CellStore, candidate: Candidate, format: string): MeasuredCell | undefined {
  const cell = store.find(candidate.converted.name, format);
  return cell && isCellOf(candidate, cell) ? cell : undefined;
}

/** Finished cells, including those of earlier runs, out of all; and the estimated time for the remaining weights. */
class Progress {
  private readonly total: { readonly cells: number; readonly weights: number };
  private done = 0;
  private doneWeights = 0;
  /** When the first weights were measured: that includes the start of the device, so the others are not estimated from it. */
  private first: { readonly at: number; readonly weights: number } | undefined;

  constructor(
    missing: readonly Missing[],
    private readonly options: SensitivityOptions,
  ) {
    let [cells, weights] = [0, 0];
    for (const { candidate, formats, done } of missing) {
      cells += formats.length + done;
      this.done += done;
      weights += formats.length * weightsOf(candidate.converted);
    }
    this.total = { cells, weights };
  }

  begin(message: string): void {
    const secondsLeft = this.secondsLeft();
    this.options.onProgress?.({
      message,
      done: this.done,
      total: this.total.cells,
      device: this.options.measurer.device,
      ...(secondsLeft === undefined ? {} : { secondsLeft }),
    });
  }

  private secondsLeft(): number | undefined {
    if (this.doneWeights === 0) return undefined;
    this.first ??= { at: performance.now(), weights: this.doneWeights };
    const seconds = (performance.now() - this.first.at) / 1000;
    const measured = this.doneWeights - this.first.weights;
    return measured === 0 ? undefined : (seconds * (this.total.weights - this.doneWeights)) / measured;
  }

  addWeights(weights: number): void {
    this.doneWeights += weights;
  }

  addCell(): void {
    this.done += 1;
  }
}

/** The table with the cells of some formats only, or of the types that rows get instead. */
export function inFormats(table: SensitivityTable, formats: readonly QuantFormat[]): SensitivityTable {
  const rows = table.rows.map((row) => {
    const shown = new Set(formatsFor(row, formats).map(({ id }) => id));
    return { ...row, cells: row.cells.filter(({ format }) => shown.has(format)) };
  });
  return { ...table, rows };
}
