import { basename, resolve } from 'node:path';
import { runtimeShape } from '../ampq/fits/runtimeShape';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Imatrix } from '../model/imatrix';
import type { KeyValue } from '../model/keyValue';
import type { Model } from '../model/model';
import type { EngineProgress, ExportResult } from '../protocol/engine';
import type { ExportPreview, SplitSettings } from '../protocol/export';
import type { LoadedModel } from '../protocol/loadedModel';
import { fileBytesOf, type FileFrame } from '../protocol/plan';
import type { EvidenceSource } from '../quant/evidence';
import type { Origin } from '../files/digests/manifest';
import { writeWithDigests } from '../files/digests/writeWithDigests';
import { inputsOf, type Inputs } from '../files/inputs';
import { objectiveOver } from './codes/codeFinder';
import { CodeOptimiser, codesKeyValues, isCodesKey, keepsCodes, optimisedPart } from './codes/optimisedCodes';
import { ensureFreeSpace } from './diskSpace';
import { encodeTensors, type EncodedPiece } from './encodeTensor';
import { layOutParts, partName, splitTensors, type SplitRule } from './gguf/splits';
import { writeGguf, type GgufLayout } from './gguf/writer';
import { overrideKeyValues } from './options/keyValueOverride';
import { planExport, type ExportPlan, type ExportTarget } from './plan';
import type { PlannedTensor } from './plan/tensor';
import { ProgressMeter } from './progressMeter';
import { checkpointKeyValues } from './checkpointKeyValues';
import { ggufOrigin } from './origin';

export interface ExportOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
  /** Files that were read besides the model: the export does not replace them either. */
  readonly alsoRead?: readonly (string | undefined)[] | undefined;
  /** What is known of the inputs of the matrices; needed for optimised codes. */
  readonly evidence?: EvidenceSource | undefined;
  /** What the file says that it comes from, where that is not the model with the settings of the target. */
  readonly origin?: Origin | undefined;
}

/**
 * Dry run: everything that `exportGguf` would reject because of headers, configuration, tokenizer or target is rejected here too.
 * Reads no weights.
 * @param out the target, whose name the files get; the model's own when absent.
 */
export async function previewGguf(
  model: Model,
  target: ExportTarget,
  out?: string,
  { signal, alsoRead = [] }: Pick<ExportOptions, 'signal' | 'alsoRead'> = {},
): Promise<ExportPreview> {
  const { files, preview } = await prepare(model, target, out ?? `${basename(model.folder)}.gguf`, {
    signal,
  });
  if (out !== undefined) await checkedInputs(model, files, alsoRead);
  return preview;
}

/**
 * What the exported file of a model, in one part, holds besides the tensors that a plan chooses formats for. It does not depend on
 * their formats.
 * @param encoding what weights are encoded with: the header names it.
 * @throws QuantscopeError where the model cannot be exported as GGUF.
 */
export async function fileFrame(
  model: Model,
  encoding: FrameEncoding = {},
  signal?: AbortSignal,
): Promise<FileFrame> {
  const { headerBytes, alignment, fixed } = await fileParts(model, encoding, signal);
  const sizes = fixed.map(({ bytes }) => bytes);
  return { bytes: fileBytesOf({ bytes: headerBytes, alignment }, sizes), alignment };
}

/** The same; undefined for a model that cannot be exported as GGUF. @throws QuantscopeError CANCELLED. */
export async function frameIfExportable(
  model: Model,
  encoding: FrameEncoding,
  signal?: AbortSignal,
): Promise<FileFrame | undefined> {
  try {
    return await fileFrame(model, encoding, signal);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || ['INTERNAL', 'CANCELLED'].includes(error.code)) throw error;
    return undefined;
  }
}

/**
 * The memory of a model at run time, as far as it does not depend on the formats that a plan chooses.
 * @throws QuantscopeError as `fileFrame` and `runtimeShape`.
 */
export async function loadedModel(
  model: Model,
  encoding: FrameEncoding = {},
  signal?: AbortSignal,
): Promise<LoadedModel> {
  const { headerBytes, alignment, fixed, isTied } = await fileParts(model, encoding, signal);
  const sizes = fixed.map(({ bytes }) => bytes);
  return {
    shape: await runtimeShape(model, signal),
    frame: { bytes: fileBytesOf({ bytes: headerBytes, alignment }, sizes), alignment },
    ...{ headerBytes, isTied, fixed: fixed.map(({ name, bytes }) => ({ name, bytes })) },
  };
}

/** Header, and tensors that have the same type in every plan, of the file in one part. */
async function fileParts(
  model: Model,
  { imatrix, isOptimised = false }: FrameEncoding,
  signal: AbortSignal | undefined,
) {
  const target = { type: 'F16', allowRequantize: true, ...(imatrix ? { imatrix } : {}) };
  const keyValues = isOptimised ? codesKeyValues() : [];
  const { plan, files } = await prepare(model, target, 'model.gguf', { signal, keyValues });
  const { header, alignment } = files[0]!.layout;
  const fixed = plan.tensors.filter(({ cause }) => cause === 'kept' || cause === 'computed');
  const isTied = !plan.tensors.some(({ name }) => name === 'output.weight');
  return { headerBytes: header.length, alignment, fixed, isTied };
}

/** What the header of a file says of its encoding. */
export interface FrameEncoding {
  readonly imatrix?: Imatrix | undefined;
  /** Whether codes are optimised. */
  readonly isOptimised?: boolean;
}

/**
 * Exports a checkpoint or a GGUF file as GGUF, atomically: existing files are replaced at the very end; after an error or a cancellation
 * they are unchanged.
 * @throws QuantscopeError REQUEST, UNSUPPORTED, MODEL_FILE (weights that are not finite), IO (no space; a file of the model that
 * changed meanwhile), CANCELLED.
 */
export async function exportGguf(
  model: Model,
  target: ExportTarget,
  out: string,
  { signal, onProgress, alsoRead = [], evidence, origin }: ExportOptions = {},
): Promise<ExportResult> {
  const start = performance.now();
  const optimiser = optimiserOf(target, evidence, signal);
  const { plan, files, preview } = await prepare(model, target, out, { signal, optimiser });
  const inputs = await checkedInputs(model, files, alsoRead);
  await ensureFreeSpace(out, preview.fileBytes);
  const meter = new ProgressMeter(plan, onProgress);
  const pieces = new PieceReader(encodeTensors(model, plan.tensors, { signal, optimiser }), meter);
  await writeWithDigests({
    files: files.map(({ path, layout }) => ({ path, bytes: layout.fileBytes, hasWeights: true })),
    ...{ origin: origin ?? ggufOrigin(model, target, evidence), inputs, signal },
    async fill(file, digests, index) {
      await writeGguf(file, files[index]!.layout, (tensor) => pieces.of(tensor), digests);
      throwIfCancelled(signal);
    },
  }).finally(() => pieces.close());
  return {
    ...(optimiser ? optimiser.result(preview, plan.tensors) : preview),
    out: resolve(files[0]!.path),
    seconds: (performance.now() - start) / 1000,
  };
}

/** @throws QuantscopeError REQUEST for optimised codes without evidence. */
function optimiserOf(
  { codes, objective }: ExportTarget,
  evidence: EvidenceSource | undefined,
  signal: AbortSignal | undefined,
): CodeOptimiser | undefined {
  if (codes !== 'optimised') return undefined;
  if (evidence) return new CodeOptimiser(evidence, objectiveOver(evidence, objective), signal);
  const message =
    'Optimised codes need to know the inputs of the matrices: give a text to run the model over (--calibration FILE).';
  throw new QuantscopeError('REQUEST', message);
}

/** What the export reads, after a check of what it is to write. */
async function checkedInputs(
  { description }: Model,
  files: readonly OutputFile[],
  alsoRead: readonly (string | undefined)[],
): Promise<Inputs> {
  const inputs = await inputsOf(description, ...alsoRead);
  await inputs.check(files.map(({ path }) => path));
  return inputs;
}

/** The tensors' bytes out of one stream that continues from tensor to tensor. */
class PieceReader {
  constructor(
    private readonly pieces: AsyncGenerator<EncodedPiece>,
    private readonly meter: ProgressMeter,
  ) {}

  /** Those of the next tensor; to be read to their end. */
  async *of(tensor: PlannedTensor): AsyncGenerator<Uint8Array> {
    this.meter.begin(tensor);
    for (let left = tensor.bytes; left > 0;) {
      const step = await this.pieces.next();
      if (step.done || step.value.tensor !== tensor) {
        const message = `${left} of ${tensor.bytes} bytes were not encoded.`;
        throw new QuantscopeError('INTERNAL', message, { tensor: tensor.name });
      }
      const { bytes } = step.value;
      yield bytes;
      left -= bytes.length;
      this.meter.advance(tensor, bytes.length);
    }
  }

  /** Stops the work that runs ahead. */
  async close(): Promise<void> {
    await this.pieces.return(undefined);
  }
}

/** A file to write. */
interface OutputFile {
  readonly path: string;
  readonly layout: GgufLayout<PlannedTensor>;
}

interface PrepareOptions {
  readonly signal?: AbortSignal | undefined;
  readonly optimiser?: CodeOptimiser | undefined;
  /** Besides those of the model and the target. */
  readonly keyValues?: readonly KeyValue[];
}

async function prepare(
  model: Model,
  target: ExportTarget,
  out: string,
  { signal, optimiser, keyValues = [] }: PrepareOptions,
): Promise<{ plan: ExportPlan; files: OutputFile[]; preview: ExportPreview }> {
  const plan = await planExport(model, target, signal);
  const { pairs, notes } = model.gguf
    ? { pairs: await copiedKeyValues(model, plan, signal), notes: [] }
    : await checkpointKeyValues(model, plan, signal);
  const objective = optimiser?.objective ?? target.objective ?? 'two-sided';
  const optimised = target.codes === 'optimised' ? optimisedPart(plan.tensors, objective) : undefined;
  const ofCodes = optimised?.tensors ? (optimiser?.keyValues(plan.tensors) ?? codesKeyValues()) : [];
  const files = layOut(model, plan, target, out, [...pairs, ...ofCodes, ...keyValues]);
  const preview = previewOf(plan, files, notes);
  return { plan, files, preview: optimised ? { ...preview, optimised } : preview };
}

function previewOf(plan: ExportPlan, files: readonly OutputFile[], notes: readonly string[]): ExportPreview {
  const { architecture, fileType, dataBytes, parameters, bitsPerWeight } = plan;
  return {
    tensors: plan.tensors.map(
      ({ converted: _converted, values: _values, importance: _importance, ...row }) => row,
    ),
    architecture,
    preset: fileType.name,
    dataBytes,
    files: files.map(({ path, layout }) => ({
      name: basename(path),
      bytes: layout.fileBytes,
      tensors: layout.tensors.length,
    })),
    fileBytes: files.reduce((sum, { layout }) => sum + layout.fileBytes, 0),
    parameters,
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    presetBytes: plan.presetBytes,
    warnings: [...plan.warnings, ...notes],
  };
}

/** The files to write; one, unless the target asks for a split. */
function layOut(
  model: Model,
  plan: ExportPlan,
  { split }: ExportTarget,
  out: string,
  pairs: readonly KeyValue[],
): OutputFile[] {
  const own: KeyValue[] = [
    { key: quantizationVersion, type: 'u32', value: 2 },
    { key: fileType, type: 'u32', value: plan.fileType.id },
  ];
  const all = overrideKeyValues([...pairs, ...own], plan.overrides);
  const rule = split && splitRule(split, model);
  const parts = rule ? splitTensors(plan.tensors, rule) : [[...plan.tensors]];
  const layouts = layOutParts(all, parts, rule?.kind ?? 'keep', model.gguf?.alignment);
  return layouts.map((layout, part) => ({
    path: layouts.length === 1 ? out : partName(out, part, layouts.length),
    layout,
  }));
}

function splitRule(split: SplitSettings, { description }: Model): SplitRule<PlannedTensor> {
  if (split.kind !== 'keep') return split;
  const files = description.files.map(({ path }) => path);
  return {
    kind: 'keep',
    partOf: ({ converted }) => files.indexOf(converted?.pieces[0]?.tensor.file ?? ''),
  };
}

const quantizationVersion = 'general.quantization_version';
const fileType = 'general.file_type';

/** Key-values of a GGUF source, byte for byte, except those that are written again, are about splits or are no longer true. */
async function copiedKeyValues(
  model: Model,
  { tensors }: ExportPlan,
  signal: AbortSignal | undefined,
): Promise<KeyValue[]> {
  const keepsKeys = tensors.every(keepsCodes);
  const file = model.description.files[0]?.path ?? model.description.path;
  const source = model.source(file);
  const pairs: KeyValue[] = [];
  for (const [key, { type, offset, byteLength }] of model.gguf?.metadata ?? []) {
    if (key === quantizationVersion || key === fileType || key.startsWith('split.')) continue;
    if (isCodesKey(key) && !keepsKeys) continue;
    pairs.push({ key, type, raw: await source.read(offset, byteLength, signal) });
  }
  return pairs;
}
