import { QuantscopeError } from '../model/errors';
import { contentKey } from '../model/identity';
import { inParallel } from '../model/inParallel';
import type { Model } from '../model/model';
import { matrixOf, readAs } from '../model/rows';
import type { ScanOptions, ScanResult } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import { scanFigureNames, scanSigma, type ModelScan, type ScanFigureName } from '../protocol/modelScan';
import { said } from '../protocol/said';
import type { QuantFormat } from '../quant/format';
import { measureSlab } from './measureRows';
import { addSums, errorMetrics, noSums } from './metrics';
import { ScanProgress, type ScanStep } from './scanProgress';
import { ScanStore, type TensorFigures } from './scanStore';
import { isCounted, scanWeights } from './scanWeights';
import { statisticsOf } from './statistics';
import { TensorReader } from './tensorReader';

/** Tensors that are scanned at a time: small ones do not fill the processor, and reads overlap with the work on others. */
const atOnce = 4;
/** Tensors of at most so many bytes are held where they are read more than once. */
const heldBytes = 32 * 1024 * 1024;

export interface ModelScanOptions {
  readonly cacheDir: string;
  /** The relative error in it is measured, too. */
  readonly format?: QuantFormat | undefined;
}

export interface ModelScanWork extends ModelScanOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((step: ScanStep) => void) | undefined;
}

/** What remains to be done for a tensor. */
interface Missing {
  readonly tensor: TensorDescriptor;
  readonly figures: boolean;
  readonly error: boolean;
}

/**
 * Figures of every readable tensor of a model, in the order of its files. What earlier runs finished is not computed again, and each
 * tensor is kept as soon as it is finished.
 * @throws QuantscopeError IO or MODEL_FILE naming the tensor that cannot be read; REQUEST for a format that no tensor can take.
 */
export async function scanModel(model: Model, options: ModelScanWork): Promise<ModelScan> {
  const { cacheDir, format, signal, onProgress } = options;
  if (format) refuseUseless(model, format);
  const store = await ScanStore.open(cacheDir, contentKey(model.description));
  try {
    const missing = readable(model)
      .map((tensor): Missing => ({
        tensor,
        figures: store.figuresOf(tensor.name) === undefined,
        error: format !== undefined && store.errorOf(tensor.name, format.id) === undefined,
      }))
      .filter(({ figures, error }) => figures || error)
      .sort((a, b) => byPlace(a.tensor, b.tensor));
    const progress = new ScanProgress(missing, onProgress);
    await inParallel(missing, atOnce, (item) => scanTensor(model, item, { format, signal }, store, progress));
    return tableOf(model, store, format);
  } finally {
    await store.close();
  }
}

/** What earlier runs have finished. */
export async function storedScan(model: Model, { cacheDir, format }: ModelScanOptions): Promise<ModelScan> {
  return tableOf(model, await ScanStore.open(cacheDir, contentKey(model.description)), format);
}

function refuseUseless(model: Model, format: QuantFormat): void {
  const reasons = readable(model).map(({ shape }) => format.refuse(shape));
  if (reasons.length === 0 || reasons.some((reason) => reason === undefined)) return;
  const message = said`No tensor of the model can be quantized to ${format.id}: ${reasons[0]!}`;
  throw new QuantscopeError('REQUEST', message, { file: model.description.path });
}

const readable = ({ description }: Model): TensorDescriptor[] =>
  description.tensors.filter((tensor) => tensor.readable);

/** Files are read from their start to their end. */
const byPlace = (a: TensorDescriptor, b: TensorDescriptor): number =>
  a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1;

function tableOf(model: Model, store: ScanStore, format: QuantFormat | undefined): ModelScan {
  const tensors = readable(model);
  const scanned = tensors.flatMap(({ name }) => {
    const figures = store.figuresOf(name);
    return figures ? [{ name, figures }] : [];
  });
  const column = (name: ScanFigureName): number[] => scanned.map(({ figures }) => figures[name]);
  return {
    tensors: tensors.length,
    names: scanned.map(({ name }) => name),
    figures: Object.fromEntries(scanFigureNames.map((name) => [name, column(name)])) as Record<
      ScanFigureName,
      number[]
    >,
    ...(format
      ? {
          error: {
            format: format.id,
            relative: scanned.map(({ name }) => store.errorOf(name, format.id) ?? NaN),
            measured: scanned.filter(({ name }) => store.errorOf(name, format.id) !== undefined).length,
          },
        }
      : {}),
    ...(store.problem === undefined ? {} : { notKept: store.problem }),
  };
}

async function scanTensor(
  model: Model,
  { tensor, figures, error }: Missing,
  { format, signal }: Pick<ModelScanWork, 'format' | 'signal'>,
  store: ScanStore,
  progress: ScanProgress,
): Promise<void> {
  // The error is measured with the range of the weights, which no earlier run kept.
  const isReadAgain = error || !isCounted(readAs(tensor).dtype);
  const reader = new TensorReader(model, tensor, { holds: isReadAgain && tensor.byteLength <= heldBytes });
  const part = progress.of(tensor);
  const work = { signal, onProgress: part.proceed };
  let known: ScanResult | undefined;
  if (figures) {
    const { result, losses } = await scanWeights(reader, optionsOf(tensor, [scanSigma]), work);
    store.addFigures(tensor.name, figuresOf(result, statisticsOf(result, losses)));
    known = result;
    part.finish();
  }
  if (!error || !format) return;
  store.addError(tensor.name, format.id, await errorIn(reader, tensor, format, { known, ...work }));
  part.finish();
}

/** One cell of a map, no percentiles. */
function optionsOf(tensor: TensorDescriptor, thresholds: readonly number[]): ScanOptions {
  const { rows, columns } = matrixOf(tensor.shape);
  return {
    ...{ dtype: readAs(tensor).dtype, rows, columns, bins: 0, percentiles: [], thresholds },
    ...{ cellRows: Math.max(1, rows), cellColumns: Math.max(1, columns) },
  };
}

function figuresOf(result: ScanResult, statistics: ReturnType<typeof statisticsOf>): TensorFigures {
  const { absMax, mean, standardDeviation, kurtosis, zeros, nans, infinities } = statistics;
  return {
    ...{ absMax, rms: result.rms, mean, standardDeviation, kurtosis, zeros, nans, infinities },
    outlierShare: result.beyond[0]! / result.finite,
    deadRows: deadIn(result.rowAbsMax),
    deadColumns: deadIn(result.columnAbsMax),
  };
}

/** Lines without a finite weight other than 0; NaN where there are no figures of lines. */
const deadIn = (absMax: Float32Array): number =>
  absMax.length === 0 ? NaN : absMax.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);

interface ErrorWork {
  /** What is known of the tensor. */
  readonly known: ScanResult | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

/** ‖x − x'‖ / ‖x‖; NaN for a tensor that the format cannot take, that is empty or has weights that are not finite. */
async function errorIn(
  reader: TensorReader,
  tensor: TensorDescriptor,
  format: QuantFormat,
  { known, signal, onProgress }: ErrorWork,
): Promise<number> {
  if (reader.elements === 0 || format.refuse(tensor.shape) !== undefined) return NaN;
  const scanned = known ?? (await scanWeights(reader, optionsOf(tensor, []), { signal })).result;
  if (scanned.finite < scanned.count) return NaN;
  let sums = noSums;
  for await (const slab of reader.passing(signal)) {
    sums = addSums(sums, await measureSlab(reader, slab, format, scanned, { signal }));
    onProgress(slab.firstWeight + slab.weights, reader.elements);
  }
  return errorMetrics(sums).relativeError;
}
