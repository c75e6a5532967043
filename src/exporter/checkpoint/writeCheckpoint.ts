import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolderAtomically } from '../../files/atomicFolder';
import { manifestPath } from '../../files/digests/manifest';
import { inputsOf, type Inputs } from '../../files/inputs';
import { decodedTo } from '../../layouts/layout';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import type { QuantizedWeight } from '../../protocol/quantizeModel';
import { plural } from '../../protocol/words';
import type { EvidenceSource } from '../../quant/evidence';
import type { WeightTransforms } from '../../quant/transforms';
import { ensureFreeSpace } from '../diskSpace';
import { originOf } from '../origin';
import { copiedBytes, copyFiles, filesToCopy } from './smallFiles';
import { printPython, withKeys, withoutQuantization } from './jsonText';
import { biasOf, keptRows } from './keptRows';
import { outputFolder, recordName } from './outputFolder';
import { isQuantized, MatrixQuantizer, type MatrixFigures, type QuantizedTensor } from './quantizeMatrix';
import type { CheckpointPlan, PlannedTensor } from './plan';
import { describeRun, recordOf, type RunFacts } from './report';
import { ShardFile } from './shardFile';
import { shardIndex, type PlannedShard } from './shards';
import { WeightMeter } from './weightMeter';

export interface CheckpointOptions {
  readonly overwrite?: boolean | undefined;
  readonly evidence?: EvidenceSource | undefined;
  readonly transforms?: WeightTransforms | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
  /** Files that were read besides the model. */
  readonly alsoRead?: readonly (string | undefined)[];
}

export interface WrittenCheckpoint {
  /** The folder. */
  readonly out: string;
  readonly weights: readonly QuantizedWeight[];
  /** Σ‖ŵ − w‖² / Σ‖w‖² over all matrices that were quantized. */
  readonly relativeError: number;
  readonly notes: readonly string[];
}

/** Room for config.json, README.md and rounding to blocks of the file system (bytes). */
const otherBytes = 1024 * 1024;
/** Most bytes of a tensor's lines in headers, the index, quantscope.json and README.md. */
const bytesOfTensor = 2048;

/**
 * Writes a quantized checkpoint as a folder, atomically: it appears when all of it is complete and durable. After an error or a cancellation
 * nothing is left, and a folder of an earlier run is there as before.
 * @throws QuantscopeError REQUEST for a target that must not be replaced, or missing evidence; MODEL_FILE for weights that are not finite; IO;
 * CANCELLED.
 */
export async function writeCheckpoint(
  model: Model,
  plan: CheckpointPlan,
  out: string,
  options: CheckpointOptions = {},
): Promise<WrittenCheckpoint> {
  const { description } = model;
  const target = await checkedFolder(model, plan, out, options.overwrite);
  const inputs = await inputsOf(description, ...(options.alsoRead ?? []));
  return makeFolderAtomically(target, async (folder) => {
    const run = new CheckpointRun(model, plan, folder, options);
    const facts = await run.writeWeights();
    await writeOtherFiles(model, plan, folder, facts);
    await checkAtTheEnd(inputs, options.signal);
    await outputFolder(out, description, options.overwrite); // it may have changed meanwhile
    return { out: target, ...facts };
  });
}

/**
 * The folder that a checkpoint would be written to, for a check before minutes of calibration.
 * @throws QuantscopeError as `outputFolder`; IO where the checkpoint does not fit.
 */
export async function checkedFolder(
  model: Model,
  { shards, tensors }: CheckpointPlan,
  out: string,
  overwrite?: boolean,
): Promise<string> {
  const folder = await outputFolder(out, model.description, overwrite);
  const others = (await copiedBytes(model)) + otherBytes + bytesOfTensor * tensors.length;
  const bytes = shards.reduce((sum, { dataBytes }) => sum + dataBytes, others);
  await ensureFreeSpace(folder, bytes, 'The checkpoint');
  return folder;
}

async function checkAtTheEnd(inputs: Inputs, signal: AbortSignal | undefined): Promise<void> {
  throwIfCancelled(signal);
  await inputs.ensureUnchanged();
}

/** Everything but weights: configuration, index, copied files, what was done. */
async function writeOtherFiles(
  model: Model,
  plan: CheckpointPlan,
  folder: string,
  facts: RunFacts,
): Promise<void> {
  const config = await readFile(join(model.folder, 'config.json'), 'utf8');
  const copied = await filesToCopy(model);
  await copyFiles(model.folder, copied, folder);
  const texts = new Map<string, string>([['config.json', `${configText(config, plan)}\n`]]);
  for (const [name, content] of Object.entries(plan.files)) texts.set(name, `${printPython(content)}\n`);
  if (plan.shards.length > 1)
    texts.set('model.safetensors.index.json', `${printPython(indexOf(plan, facts))}\n`);
  texts.set('README.md', describeRun(model, plan, facts));
  const shards = plan.shards.flatMap(({ name }) => [name, manifestPath(name)]);
  const files = [...shards, ...texts.keys(), ...copied].sort();
  texts.set(recordName, `${JSON.stringify(recordOf(model, plan, facts, files), undefined, 2)}\n`);
  for (const [name, content] of texts) await writeFile(join(folder, name), content);
}

/** config.json with what the library says of the quantization, and the dtype that its other weights are in. */
export function configText(
  source: string,
  { writer, quantization }: Pick<CheckpointPlan, 'writer' | 'quantization'>,
): string {
  const stated = JSON.parse(source.replaceAll(/\b(?:NaN|-?Infinity)\b/g, 'null')) as Record<string, unknown>;
  const dtypeKey = 'torch_dtype' in stated && !('dtype' in stated) ? 'torch_dtype' : 'dtype';
  return withKeys(source, {
    ...withoutQuantization,
    quantization_config: quantization,
    ...(writer.plainDtype === undefined ? {} : { [dtypeKey]: 'float16' }),
  });
}

function indexOf({ shards, tensors }: CheckpointPlan, { bytesOfPart }: RunFacts): Record<string, unknown> {
  const files = new Map(
    shards.flatMap(({ name, units }) =>
      units.flatMap(({ parts }) => parts.map((part) => [part.name, name] as const)),
    ),
  );
  const parameters = tensors.reduce((sum, { tensor }) => sum + tensor.elements, 0);
  return shardIndex(
    files,
    [...bytesOfPart.values()].reduce((sum, bytes) => sum + bytes, 0),
    parameters,
  );
}

/** Writes the shards, one after the other. */
class CheckpointRun {
  private readonly meter: WeightMeter;
  private readonly quantizer: MatrixQuantizer;
  private readonly weights: QuantizedWeight[] = [];
  private readonly bytesOfPart = new Map<string, number>();
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
    private readonly folder: string,
    private readonly options: CheckpointOptions,
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

  async writeWeights(): Promise<RunFacts> {
    for (const shard of this.plan.shards) await this.writeShard(shard);
    const { weights, bytesOfPart, error, source } = this;
    const notes = [
      ...keptCodesNotes(this.keptCodes),
      ...correctionNotes([...this.corrections.keys()], this.uncorrected),
    ];
    const text = this.options.evidence?.text;
    return {
      weights,
      bytesOfPart,
      relativeError: source === 0 ? 0 : error / source,
      notes,
      ...(text ? { text } : {}),
    };
  }

  private async writeShard({ name, units }: PlannedShard<PlannedTensor>): Promise<void> {
    const parts = units.flatMap((unit) => unit.parts);
    const file = await ShardFile.create(join(this.folder, name), parts, this.plan.metadata);
    try {
      for (const unit of units) {
        throwIfCancelled(this.options.signal);
        this.meter.begin(unit);
        if (isQuantized(unit)) await this.writeMatrix(file, unit);
        else await this.writeKept(file, unit);
      }
      const { recipe } = this.plan;
      const origin = originOf(this.model, 'checkpoint', { recipe });
      for (const [part, bytes] of await file.finish(origin)) this.bytesOfPart.set(part, bytes);
    } finally {
      await file.close();
    }
  }

  private async writeMatrix(file: ShardFile, unit: QuantizedTensor): Promise<void> {
    const start = performance.now();
    const { weight } = unit.matrix;
    const figures = await this.quantizer.quantize(unit, (slabs) =>
      this.plan.writer.encode(weight, slabs, (part, bytes) => file.write(unit.parts[part]!.name, bytes)),
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

  private async writeKept(file: ShardFile, { tensor, parts }: PlannedTensor): Promise<void> {
    const [{ name, dtype }] = parts as [(typeof parts)[0]];
    const { signal, transforms } = this.options;
    const transform = transforms?.get(tensor.name);
    const correction = this.corrections.get(tensor.name);
    if (dtype === tensor.dtype && !transform && !correction) return this.copy(file, tensor);
    for await (const { bytes, weights } of keptRows(this.model, tensor, {
      ...{ dtype, transform, correction, signal },
    })) {
      await file.write(name, bytes);
      this.meter.advance(weights);
    }
  }

  /** The bytes as they are. */
  private async copy(file: ShardFile, tensor: PlannedTensor['tensor']): Promise<void> {
    const step = 2 ** 24;
    for (let offset = 0; offset < tensor.byteLength; offset += step) {
      throwIfCancelled(this.options.signal);
      const length = Math.min(step, tensor.byteLength - offset);
      await file.write(tensor.name, await this.model.read(tensor, offset, length, this.options.signal));
      this.meter.advance((tensor.elements * length) / tensor.byteLength);
    }
  }
}

const keptCodesNotes = (count: number): string[] =>
  count === 0
    ? []
    : [
        `${plural(count, 'matrix keeps', 'matrices keep')} the codes and scales of the model, which are of the same grid.`,
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
    ...(biases.length > 0 ? [`Mean outputs are corrected in ${corrected} ${some(biases)}.`] : []),
    ...(uncorrected.length > 0
      ? [`The mean outputs of ${layers} ${some(uncorrected)} are not corrected: their layers have no bias.`]
      : []),
  ];
}
