import { decodedTo } from '../../layouts/layout';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import type { QuantizedWeight } from '../../protocol/quantizeModel';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import type { EvidenceSource } from '../../quant/evidence';
import type { WeightTransforms } from '../../quant/transforms';
import { biasOf, keptRows } from './keptRows';
import type { CheckpointPlan, PlannedTensor } from './plan';
import { isQuantized, MatrixQuantizer, type MatrixFigures, type QuantizedTensor } from './quantizeMatrix';
import type { RunFacts } from './report';
import { WeightMeter } from './weightMeter';

/** What the matrices of a checkpoint are quantized with, and how that is followed. */
export interface RunOptions {
  readonly evidence?: EvidenceSource | undefined;
  readonly transforms?: WeightTransforms | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/** Takes bytes of the tensors that a checkpoint stores; those of one tensor come in order. */
export interface PartSink {
  readonly write: (part: string, bytes: Uint8Array) => Promise<void>;
}

/** Computes what a checkpoint stores of each tensor of a model, and what is reported of it. */
export class CheckpointRun {
  private readonly meter: WeightMeter;
  private readonly quantizer: MatrixQuantizer;
  private readonly weights: QuantizedWeight[] = [];
  /** What is to be added to biases that are not written yet. */
  private readonly corrections = new Map<string, Float32Array>();
  private readonly biases: ReadonlySet<string>;
  /** Matrices whose mean outputs cannot be corrected. */
  private readonly uncorrected: string[] = [];
  /** Matrices with the codes that the model has. */
  private keptCodes = 0;
  private error = 0;
  private source = 0;

  constructor(
    private readonly model: Model,
    private readonly plan: CheckpointPlan,
    private readonly options: RunOptions,
  ) {
    const { evidence, transforms, signal, onProgress } = options;
    this.meter = new WeightMeter(plan.tensors, onProgress);
    const onWeights = (weights: number): void => this.meter.advance(weights);
    this.quantizer = new MatrixQuantizer({
      ...{ model, evidence, transforms, signal, onWeights },
      ...{ cast: plan.writer.plainDtype, decodedTo: decodedTo(plan.writer, model.config) },
    });
    this.biases = new Set(
      plan.tensors.map(({ tensor }) => tensor.name).filter((name) => name.endsWith('.bias')),
    );
  }

  /** What was measured of the tensors that were written. */
  get facts(): Omit<RunFacts, 'bytesOfPart'> {
    const { weights, error, source } = this;
    const notes = [
      ...keptCodesNotes(this.keptCodes),
      ...correctionNotes([...this.corrections.keys()], this.uncorrected),
    ];
    const text = this.options.evidence?.text;
    return { weights, relativeError: source === 0 ? 0 : error / source, notes, ...(text ? { text } : {}) };
  }

  /** Writes what a tensor is stored in. A matrix comes before the bias of its layer, which may take a correction. */
  async writeUnit(sink: PartSink, unit: PlannedTensor): Promise<void> {
    throwIfCancelled(this.options.signal);
    this.meter.begin(unit);
    if (isQuantized(unit)) await this.writeMatrix(sink, unit);
    else await this.writeKept(sink, unit);
  }

  private async writeMatrix(sink: PartSink, unit: QuantizedTensor): Promise<void> {
    const start = performance.now();
    const { weight } = unit.matrix;
    const figures = await this.quantizer.quantize(unit, (slabs) =>
      this.plan.writer.encode(weight, slabs, (part, bytes) => sink.write(unit.parts[part]!.name, bytes)),
    );
    this.keepCorrection(weight.name, figures);
    if (figures.kept) this.keptCodes += 1;
    const found = this.figuresOf(unit, figures, (performance.now() - start) / 1000);
    this.error += figures.sums.error;
    this.source += figures.sums.source;
    this.weights.push(found);
    this.meter.finish(found);
  }

  private figuresOf(
    { matrix, bytes }: QuantizedTensor,
    { sums, rounding, evidence }: MatrixFigures,
    seconds: number,
  ): QuantizedWeight {
    const relative = ({ error, source }: MatrixFigures['sums']): number => (error === 0 ? 0 : error / source);
    return {
      ...{ name: matrix.weight.name, bytes, relativeError: relative(sums), seconds, evidence },
      ...(rounding ? { roundingError: relative(rounding) } : {}),
    };
  }

  /** A correction of the output's mean goes into the bias of the module, where it has one. */
  private keepCorrection(name: string, { biasCorrection }: MatrixFigures): void {
    if (!biasCorrection) return;
    const bias = biasOf(name);
    if (bias !== undefined && this.biases.has(bias)) this.corrections.set(bias, biasCorrection);
    else this.uncorrected.push(name);
  }

  private async writeKept(sink: PartSink, { tensor, parts }: PlannedTensor): Promise<void> {
    const [{ name, dtype }] = parts as [(typeof parts)[0]];
    const { signal, transforms } = this.options;
    const transform = transforms?.get(tensor.name);
    const correction = this.corrections.get(tensor.name);
    if (dtype === tensor.dtype && !transform && !correction) return this.copy(sink, tensor);
    for await (const { bytes, weights } of keptRows(this.model, tensor, {
      ...{ dtype, transform, correction, signal },
    })) {
      await sink.write(name, bytes);
      this.meter.advance(weights);
    }
  }

  /** The bytes as they are. */
  private async copy(sink: PartSink, tensor: PlannedTensor['tensor']): Promise<void> {
    const step = 2 ** 24;
    for (let offset = 0; offset < tensor.byteLength; offset += step) {
      throwIfCancelled(this.options.signal);
      const length = Math.min(step, tensor.byteLength - offset);
      await sink.write(tensor.name, await this.model.read(tensor, offset, length, this.options.signal));
      this.meter.advance((tensor.elements * length) / tensor.byteLength);
    }
  }
}

const keptCodesNotes = (count: number): string[] =>
  count === 0
    ? []
    : [
        count === 1
          ? said`1 matrix keeps the codes and scales of the model, which are of the same grid.`
          : said`${plural(count, 'matrix', 'matrices')} keep the codes and scales of the model, which are of the same grid.`,
      ];

/** Most names that a note lists. */
const maxNamed = 3;

/** Which mean outputs were corrected, and which could not be. */
function correctionNotes(biases: readonly string[], uncorrected: readonly string[]): string[] {
  const some = (names: readonly string[]): string =>
    `(${names.slice(0, maxNamed).join(', ')}${names.length > maxNamed ? ', …' : ''})`;
  const corrected = plural(biases.length, 'bias', 'biases');
  const layers = plural(uncorrected.length, 'matrix', 'matrices');
  return [
    ...(biases.length > 0 ? [said`Mean outputs are corrected in ${corrected} ${some(biases)}.`] : []),
    ...(uncorrected.length > 0
      ? [
          said`The mean outputs of ${layers} ${some(uncorrected)} are not corrected: their layers have no bias.`,
        ]
      : []),
  ];
}
