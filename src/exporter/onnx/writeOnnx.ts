import { basename, join, resolve } from 'node:path';
import { writeAllAtomically, type AtomicFile } from '../../files/atomicFile';
import { inputsOf } from '../../files/inputs';
import { withThreads } from '../../graph/threads';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import type { OnnxPreview, OnnxResult } from '../../protocol/exportOnnx';
import { ensureFreeSpace } from '../diskSpace';
import { companionFiles, type Companion } from './companions';
import type { MatrixChoices } from './graphTensors';
import { planOnnx, type OnnxOptions, type OnnxPlan } from './planOnnx';
import type { Place } from './places';

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
  /** Threads of the addon; one for each core by default. */
  readonly threads?: number | undefined;
}

/** Names of the files of a model. */
const graphName = 'model.onnx';
const dataName = 'model.onnx.data';

/**
 * Dry run: what `writeOnnx` would write. Rejects what it would reject because of headers, configuration or target.
 * @param out the folder.
 */
export async function previewOnnx(
  model: Model,
  choices: MatrixChoices,
  out: string | undefined,
  options: OnnxOptions = {},
): Promise<OnnxPreview> {
  const plan = await planOnnx(model, choices, dataName, options);
  const companions = await companionFiles(model);
  if (out !== undefined) {
    const inputs = await inputsOf(model.description);
    await inputs.check(outputs(plan, companions, out));
  }
  return previewOf(plan, companions);
}

/**
 * Writes a model as ONNX into a folder, atomically: `model.onnx`, `model.onnx.data` where weights lie beside the graph, and copies of
 * config.json and the tokenizer's files. Existing files of these names are replaced at the very end; after an error or a cancellation
 * they are unchanged. Memory is bounded by a slab of rows, and by 256 MiB of a matrix that is transposed.
 * @param out the folder.
 * @throws QuantscopeError as `planOnnx`; MODEL_FILE naming the first weight that is not finite; IO; CANCELLED.
 */
export async function writeOnnx(
  model: Model,
  choices: MatrixChoices,
  out: string,
  options: OnnxOptions & WriteOptions = {},
): Promise<OnnxResult> {
  const start = performance.now();
  const { signal, threads } = options;
  const plan = await planOnnx(model, choices, dataName, options);
  const companions = await companionFiles(model);
  const preview = previewOf(plan, companions);
  const inputs = await inputsOf(model.description);
  const paths = outputs(plan, companions, out);
  await inputs.check(paths);
  await ensureFreeSpace(paths[0]!, preview.fileBytes);
  const fill = async (file: AtomicFile): Promise<void> => {
    const name = basename(file.target);
    const companion = companions.find((candidate) => candidate.name === name);
    if (companion) return file.write(companion.bytes);
    if (name === graphName)
      for (const { offset, bytes } of plan.graph.pieces) await file.writeAt(offset, bytes);
    const isInside = plan.externalBytes === 0;
    if (isInside || name === dataName) await fillPlaces(file, plan, model.description.path, options);
    throwIfCancelled(signal);
  };
  await withThreads(threads, () => writeAllAtomically(paths, fill, inputs));
  return { ...preview, out: resolve(out), seconds: (performance.now() - start) / 1000 };
}

function outputs({ externalBytes }: OnnxPlan, companions: readonly Companion[], out: string): string[] {
  const names = [graphName, ...(externalBytes > 0 ? [dataName] : []), ...companions.map(({ name }) => name)];
  return names.map((name) => join(resolve(out), name));
}

function previewOf(
  { graph, externalBytes, tensors, notes }: OnnxPlan,
  companions: readonly Companion[],
): OnnxPreview {
  const files = [
    { name: graphName, bytes: graph.byteLength },
    ...(externalBytes > 0 ? [{ name: dataName, bytes: externalBytes }] : []),
    ...companions.map(({ name, bytes }) => ({ name, bytes: bytes.length })),
  ];
  const weights = tensors.reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  return {
    ...{ tensors, files, parameters: weights, notes },
    fileBytes: files.reduce((sum, file) => sum + file.bytes, 0),
    bitsPerWeight: (8 * bytes) / weights,
  };
}

async function fillPlaces(
  file: AtomicFile,
  { places, graph }: OnnxPlan,
  model: string,
  { signal, onProgress }: WriteOptions,
): Promise<void> {
  const total = places.reduce((sum, place) => sum + bytesOfPlace(place), 0);
  let done = 0;
  let shown = -Infinity;
  for (const [index, place] of places.entries()) {
    const report = (bytes: number): void => {
      done += bytes;
      const now = performance.now();
      if (now - shown < interval && done < total) return;
      shown = now;
      const message = `tensor ${index + 1} of ${places.length}: ${place.tensor}`;
      onProgress?.({ message, done, total, unit: 'bytes' });
    };
    await fillPlace(file, place, graph.gaps, report, signal).catch((cause: unknown) => {
      throw inTensor(cause, model, place.tensor);
    });
  }
}

/** Milliseconds between two reports. */
const interval = 100;

const bytesOfPlace = ({ parts }: Place): number => parts.reduce((sum, { bytes }) => sum + bytes, 0);

async function fillPlace(
  file: AtomicFile,
  place: Place,
  gaps: ReadonlyMap<string, number>,
  report: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  let written = 0;
  await place.fill(async (index, offset, bytes) => {
    throwIfCancelled(signal);
    const part = place.parts[index]!;
    if (offset + bytes.length > part.bytes)
      throw new QuantscopeError('INTERNAL', `${part.name} has ${part.bytes} bytes; more were written.`);
    await file.writeAt((part.offset ?? gaps.get(part.name)!) + offset, bytes);
    written += bytes.length;
    report(bytes.length);
  }, signal);
  const expected = bytesOfPlace(place);
  if (written !== expected)
    throw new QuantscopeError('INTERNAL', `${written} of ${expected} bytes were written.`);
}

/** An error with the tensor that it is about. */
function inTensor(cause: unknown, file: string, tensor: string): unknown {
  if (cause instanceof RangeError)
    return new QuantscopeError('MODEL_FILE', cause.message, { file, tensor }, cause);
  if (!(cause instanceof QuantscopeError) || Object.keys(cause.place).length > 0) return cause;
  if (cause.code === 'CANCELLED') return cause;
  return new QuantscopeError(cause.code, cause.message, { file, tensor }, cause);
}
