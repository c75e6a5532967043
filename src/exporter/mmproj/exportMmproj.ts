import { resolve } from 'node:path';
import { visionArchitecture } from '../../architectures/vision/convertVision';
import { inputsOf } from '../../files/inputs';
import { elementsOf } from '../../model/dtypes';
import type { KeyValue } from '../../model/keyValue';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import {
  usualMmprojType,
  type ExportedMmproj,
  type MmprojPreview,
  type MmprojType,
} from '../../protocol/mmproj';
import { ensureFreeSpace } from '../diskSpace';
import { layOutGguf, type GgufLayout } from '../gguf/writer';
import { checkpointName } from '../modelName';
import { originOf } from '../origin';
import { fileTypeNamed } from '../plan/fileTypes';
import { compareTensorNames } from '../plan/order';
import { planTensor, type PlannedTensor } from '../plan/tensor';
import { writePlanned } from '../writePlanned';
import { mmprojType } from './mmprojTypes';
import { readVision, type VisionPart } from './visionFiles';

interface Options {
  /** Of the matrices. */
  readonly type?: MmprojType | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * Dry run: everything that `exportMmproj` would reject because of headers, configuration or target is rejected here too. Reads no weights.
 * @param out the target, where it is known.
 */
export async function previewMmproj(
  model: Model,
  out?: string,
  options: Options = {},
): Promise<MmprojPreview> {
  const prepared = await prepare(model, options);
  if (out !== undefined) await checkedInputs(model, prepared, out);
  return prepared.preview;
}

/**
 * Writes the vision part of a checkpoint as the file that llama.cpp calls `mmproj`, atomically; the language part is written by `exportGguf`.
 * @throws QuantscopeError as `readVision`; MODEL_FILE for weights that are not finite or too large for the type, REQUEST for an output that is
 * an input, IO, CANCELLED.
 */
export async function exportMmproj(
  model: Model,
  out: string,
  options: Options = {},
): Promise<ExportedMmproj> {
  const start = performance.now();
  const { signal, onProgress } = options;
  const prepared = await prepare(model, options);
  const { plan, layout, preview } = prepared;
  const inputs = await checkedInputs(model, prepared, out);
  await ensureFreeSpace(out, layout.fileBytes);
  await writePlanned(model, {
    ...{ plan, inputs, signal, onProgress },
    files: [{ path: out, layout }],
    origin: originOf(model, 'mmproj', { type: preview.type }),
  });
  return { ...preview, out: resolve(out), seconds: (performance.now() - start) / 1000 };
}

/** Tensors of the file, in its order. */
export async function planMmproj(
  model: Model,
  type: MmprojType,
  signal?: AbortSignal,
): Promise<{ readonly vision: VisionPart; readonly tensors: readonly PlannedTensor[] }> {
  const vision = await readVision(model, signal);
  const context = { model, target: {}, imatrix: undefined, fileType: undefined, isCopy: false };
  const tensors = vision.tensors.map((converted) =>
    planTensor({ converted, unprunedName: converted.name }, mmprojType(converted, type), context),
  );
  return { vision, tensors: tensors.sort((a, b) => compareTensorNames(a.name, b.name)) };
}

interface Prepared {
  readonly plan: { tensors: readonly PlannedTensor[]; dataBytes: number; parameters: number };
  readonly layout: GgufLayout<PlannedTensor>;
  readonly preview: MmprojPreview;
  readonly imagesFile: string;
}

async function prepare(model: Model, { type = usualMmprojType, signal }: Options): Promise<Prepared> {
  const { vision, tensors } = await planMmproj(model, type, signal);
  const layout = layOutGguf(await keyValuesOf(model, vision, type, signal), tensors);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const parameters = sum(tensors.map(({ shape }) => elementsOf(shape)!));
  return {
    plan: { tensors, parameters, dataBytes: sum(tensors.map(({ bytes }) => bytes)) },
    layout,
    imagesFile: vision.imagesFile,
    preview: {
      ...{ projector: vision.projector, type, parameters, bytes: layout.fileBytes, notes: vision.notes },
      tensors: tensors.map(
        ({ converted: _converted, values: _values, importance: _importance, ...row }) => row,
      ),
    },
  };
}

async function keyValuesOf(
  model: Model,
  { keyValues }: VisionPart,
  type: MmprojType,
  signal: AbortSignal | undefined,
): Promise<KeyValue[]> {
  const text = (key: string, value: string): KeyValue => ({ key, type: 'string', value });
  return [
    text('general.architecture', visionArchitecture),
    text('general.type', 'mmproj'),
    text('general.name', await checkpointName(model, signal)),
    ...keyValues,
    { key: 'general.quantization_version', type: 'u32', value: 2 },
    { key: 'general.file_type', type: 'u32', value: fileTypeNamed(type).id },
  ];
}

/** What the export reads, after a check of what it is to write. */
async function checkedInputs({ description }: Model, { imagesFile }: Prepared, out: string) {
  const inputs = await inputsOf(description, imagesFile);
  await inputs.check([out]);
  return inputs;
}
