import { tensorRange } from '../analysis/slabs';
import { errorMetrics } from '../analysis/metrics';
import { throwIfCancelled } from '../model/errors';
import { contentKey, modelHash } from '../model/identity';
import type { Model } from '../model/openModel';
import { isQuantizable } from '../model/roles';
import type { ErrorSums, TensorRange } from '../native';
import type { EngineProgress } from '../protocol/engine';
import type { TensorDescriptor } from '../protocol/model';
import type { Device, SensitivityCell, SensitivityRow, SensitivityTable } from '../protocol/plan';
import type { QuantFormat } from '../quant/format';
import { CellStore } from './store';

/** Formats that are measured when nobody names others: what a GGUF plan can be made of. */
export const defaultCandidates: readonly string[] = ['Q4_0', 'Q4_K', 'Q5_K', 'Q6_K', 'Q8_0', 'F16'];

/** The same where the model is run over a text: tensors that hardly touch the output can do with fewer bits. */
export const outputCandidates: readonly string[] = ['Q2_K', 'Q3_K', 'IQ4_XS', ...defaultCandidates];

/** What computes a cell: the addon, or ONNX Runtime on some device. */
export interface Measurer {
  readonly device: Device;
  /** Where a format is really measured: those without a graph by the addon, whatever the device. */
  deviceFor(format: QuantFormat): Device;
  measure(
    model: Model,
    tensor: TensorDescriptor,
    format: QuantFormat,
    range: TensorRange,
    signal?: AbortSignal,
  ): Promise<ErrorSums>;
}

export interface SensitivityOptions {
  readonly formats: readonly QuantFormat[];
  readonly measurer: Measurer;
  /** Folder of the stored cells. */
  readonly cacheDir: string;
  /** Measure again what another device measured: for checks of a device somebody names. */
  readonly exactDevice?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: EngineProgress) => void;
}

/**
 * Error of every quantizable matrix in every format. Cells that an earlier run finished are reused; each new one is stored
 * before the next is begun.
 */
export async function runSensitivity(model: Model, options: SensitivityOptions): Promise<SensitivityTable> {
  const store = await CellStore.open(options.cacheDir, contentKey(model.description));
  try {
    const tensors = model.description.tensors.filter(isQuantizable);
    const progress = new Progress(countMissing(tensors, options, store), options);
    for (const tensor of tensors) await measureTensor(model, tensor, options, store, progress);
    return tableOf(model, store, new Set(options.formats.map((format) => format.id)));
  } finally {
    await store.close();
  }
}

/** The table as earlier runs left it; undefined when nothing was measured. */
export async function storedSensitivity(
  model: Model,
  cacheDir: string,
): Promise<SensitivityTable | undefined> {
  const store = await CellStore.open(cacheDir, contentKey(model.description));
  const table = tableOf(model, store);
  return table.rows.some((row) => row.cells.length > 0) ? table : undefined;
}

function isMissing(
  tensor: TensorDescriptor,
  format: QuantFormat,
  { exactDevice, measurer }: SensitivityOptions,
  store: CellStore,
): boolean {
  if (format.refuse(tensor.shape) !== undefined) return false;
  const cell = store.find(tensor.name, format.id);
  return !cell || (exactDevice === true && cell.device !== measurer.deviceFor(format));
}

function countMissing(tensors: readonly TensorDescriptor[], options: SensitivityOptions, store: CellStore) {
  let cells = 0;
  let weights = 0;
  for (const tensor of tensors) {
    const missing = options.formats.filter((format) => isMissing(tensor, format, options, store)).length;
    cells += missing;
    weights += missing * tensor.elements;
  }
  return { cells, weights };
}

async function measureTensor(
  model: Model,
  tensor: TensorDescriptor,
  options: SensitivityOptions,
  store: CellStore,
  progress: Progress,
) {
  const missing = options.formats.filter((format) => isMissing(tensor, format, options, store));
  if (missing.length === 0) return;
  const { measurer, signal } = options;
  const range = await tensorRange(model, tensor, signal);
  for (const format of missing) {
    throwIfCancelled(signal);
    progress.begin(`${tensor.name} in ${format.id}`);
    const sums = await measurer.measure(model, tensor, format, range, signal);
    await store.add({ tensor: tensor.name, ...cellOf(tensor, format, sums, measurer.deviceFor(format)) });
    progress.finish(tensor.elements);
  }
}

function cellOf(
  tensor: TensorDescriptor,
  format: QuantFormat,
  sums: ErrorSums,
  device: Device,
): SensitivityCell {
  const { relativeSquaredError, sqnr, maxError } = errorMetrics(sums);
  const bytes = format.bytes(tensor.shape);
  return {
    format: format.id,
    bytes,
    bitsPerWeight: (8 * bytes) / tensor.elements,
    relativeSquaredError,
    sqnr,
    maxError,
    device,
  };
}

/** Done and left, with the time that the weights still to be measured will take. */
class Progress {
  private readonly started = performance.now();
  private done = 0;
  private doneWeights = 0;

  constructor(
    private readonly total: { cells: number; weights: number },
    private readonly options: SensitivityOptions,
  ) {}

  begin(message: string): void {
    const elapsed = (performance.now() - this.started) / 1000;
    const left = this.total.weights - this.doneWeights;
    const secondsLeft = this.doneWeights > 0 ? { secondsLeft: (elapsed * left) / this.doneWeights } : {};
    this.options.onProgress?.({
      message,
      done: this.done,
      total: this.total.cells,
      device: this.options.measurer.device,
      ...secondsLeft,
    });
  }

  finish(weights: number): void {
    this.done += 1;
    this.doneWeights += weights;
  }
}

function tableOf(model: Model, store: CellStore, formats?: ReadonlySet<string>): SensitivityTable {
  const { description } = model;
  const cells = new Map<string, SensitivityCell[]>();
  for (const { tensor, ...cell } of store.all()) {
    if (formats && !formats.has(cell.format)) continue;
    cells.set(tensor, [...(cells.get(tensor) ?? []), cell]);
  }
  const rows = description.tensors.filter(isQuantizable).map((tensor): SensitivityRow => {
    const measured = (cells.get(tensor.name) ?? []).sort((a, b) => a.bytes - b.bytes);
    return { tensor: tensor.name, shape: tensor.shape, weights: tensor.elements, cells: measured };
  });
  const fixed = description.tensors.filter((tensor) => !isQuantizable(tensor));
  const fixedParameters = fixed.reduce((sum, tensor) => sum + tensor.elements, 0);
  return {
    modelHash: modelHash(description),
    modelPath: description.path,
    parameters: description.parameters,
    fixedBytes: 4 * fixedParameters, // written as float32
    fixedParameters,
    rows,
  };
}
