import { join, resolve } from 'node:path';
import type { AtomicFile } from '../../files/atomicFile';
import type { DigestRecorder } from '../../files/digests/recorder';
import { writeWithDigests } from '../../files/digests/writeWithDigests';
import { findFolderTarget } from '../../files/folderTarget';
import { inputsOf, type Inputs } from '../../files/inputs';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { EngineProgress } from '../../protocol/engine';
import type { OnnxPreview, OnnxResult } from '../../protocol/exportOnnx';
import { ensureFreeSpace } from '../diskSpace';
import { originOf } from '../origin';
import { requantizedNote } from '../requantized';
import { companionFiles, type Companion } from './companions';
import type { MatrixChoices } from './graphTensors';
import { fillPlace, inTensor, PlaceMeter } from './fillPlace';
import { layerFile, type LayerOptions } from './layerGraph';
import type { OnnxFile } from './onnxFile';
import { planOnnx, type OnnxOptions } from './planOnnx';

/** What an export reads and must not replace. */
interface ReadOptions {
  /** As it was when the work began that the export ends; the files of the model as they are now where it is absent. */
  readonly inputs?: Inputs | undefined;
}

export interface WriteOptions extends ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/**
 * Dry run: what `writeOnnx` would write. Rejects what it would reject because of headers, configuration or target.
 * @param out the folder.
 */
export async function previewOnnx(
  model: Model,
  choices: MatrixChoices,
  out: string | undefined,
  { inputs, ...options }: OnnxOptions & ReadOptions = {},
): Promise<OnnxPreview> {
  return checkedPreview(model, await modelOutput(model, choices, out, options), out, inputs);
}

/** The same for `writeOnnxLayers`. */
export async function previewOnnxLayers(
  model: Model,
  names: readonly string[],
  choices: MatrixChoices,
  out: string | undefined,
  { inputs, ...options }: LayerOptions & ReadOptions = {},
): Promise<OnnxPreview> {
  const files = names.map((name) => layerFile(model, name, choices, options));
  return checkedPreview(model, { files, companions: [] }, out, inputs);
}

async function checkedPreview(
  model: Model,
  output: Output,
  out: string | undefined,
  inputs: Inputs | undefined,
): Promise<OnnxPreview> {
  if (out !== undefined) await checkedInputs(model, output, out, inputs);
  return previewOf(output);
}

/** What an export reads, after a check of where it writes. */
async function checkedInputs(
  { description }: Model,
  output: Output,
  out: string,
  known: Inputs | undefined,
): Promise<Inputs> {
  await findFolderTarget(out, description);
  const inputs = known ?? (await inputsOf(description));
  await inputs.check(pathsOf(output, out));
  return inputs;
}

/**
 * Writes a model as ONNX into a folder, atomically: `model.onnx`, `model.onnx_data` where weights lie beside the graph, and what
 * generation tools read besides (`companionFiles`). Existing files of these names are replaced at the very end; after an error or a cancellation
 * they are unchanged. Memory is bounded by a slab of rows, and by 256 MiB of a matrix that is transposed.
 * @param choices by names in GGUF.
 * @param out the folder.
 * @throws QuantscopeError as `planOnnx`; MODEL_FILE naming the first weight that is not finite; IO; CANCELLED.
 */
export async function writeOnnx(
  model: Model,
  choices: MatrixChoices,
  out: string,
  options: OnnxOptions & WriteOptions = {},
): Promise<OnnxResult> {
  return writeOutput(model, await modelOutput(model, choices, out, options), out, options);
}

async function modelOutput(
  model: Model,
  choices: MatrixChoices,
  out: string | undefined,
  options: OnnxOptions,
): Promise<Output> {
  const planned = await planOnnx(model, choices, options);
  return { files: [planned.file], companions: await companionFiles(model, planned, out, options) };
}

/**
 * Writes some matrices of a model as ONNX models of their own into a folder, atomically: `x` `[rows, in]` → `y` `[rows, out]`.
 * @param names of tensors, as the model spells them; choices go by the same names.
 * @throws QuantscopeError as `layerFile` and `writeOnnx`.
 */
export async function writeOnnxLayers(
  model: Model,
  names: readonly string[],
  choices: MatrixChoices,
  out: string,
  options: LayerOptions & WriteOptions = {},
): Promise<OnnxResult> {
  const files = names.map((name) => layerFile(model, name, choices, options));
  return writeOutput(model, { files, companions: [] }, out, options);
}

/** All files of an export. */
interface Output {
  readonly files: readonly OnnxFile[];
  readonly companions: readonly Companion[];
}

async function writeOutput(
  model: Model,
  output: Output,
  out: string,
  { signal, onProgress, inputs: known }: WriteOptions,
): Promise<OnnxResult> {
  const start = performance.now();
  const preview = previewOf(output);
  const inputs = await checkedInputs(model, output, out, known);
  await ensureFreeSpace(join(out, 'model.onnx'), preview.fileBytes);
  const meter = new PlaceMeter(
    output.files.flatMap(({ places }) => places),
    onProgress,
  );
  const fillers = fillersOf(output, model.description.path, meter, signal);
  const hasWeights = weightFilesOf(output);
  await writeWithDigests({
    files: filesOf(output).map(({ name, bytes }) => ({
      ...{ path: join(resolve(out), name), bytes, hasWeights: hasWeights.has(name) },
    })),
    ...{ origin: originOf(model, 'onnx'), inputs, signal },
    async fill(file, digests, index) {
      await fillers[index]!(file, digests);
      throwIfCancelled(signal);
    },
  });
  return { ...preview, out: resolve(out), seconds: (performance.now() - start) / 1000 };
}

/** Name and bytes of each file, in the order in which they are written. */
function filesOf({ files, companions }: Output): { readonly name: string; readonly bytes: number }[] {
  return [
    ...files.flatMap(({ name, graph, data }) => [{ name, bytes: graph.byteLength }, ...(data ? [data] : [])]),
    ...companions.map(({ name, bytes }) => ({ name, bytes: bytes.length })),
  ];
}

/** Names of graphs and of the files beside them. */
const weightFilesOf = ({ files }: Output): ReadonlySet<string> =>
  new Set(files.flatMap(({ name, data }) => (data ? [name, data.name] : [name])));

const pathsOf = (output: Output, out: string): string[] =>
  filesOf(output).map(({ name }) => join(resolve(out), name));

/** How a tensor that is not quantized is stored. */
const isFloatForm = (to: string): boolean => ['F32', 'F16', 'BF16'].includes(to);

function previewOf(output: Output): OnnxPreview {
  const files = filesOf(output);
  const tensors = output.files.flatMap((file) => file.tensors);
  const weights = tensors.reduce(
    (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const requantized = requantizedNote(tensors.filter(({ to }) => !isFloatForm(to)).map(({ from }) => from));
  return {
    ...{ tensors, files, parameters: weights },
    notes: [
      ...(requantized === undefined ? [] : [requantized]),
      ...new Set(output.files.flatMap(({ notes }) => notes)),
    ],
    fileBytes: files.reduce((sum, file) => sum + file.bytes, 0),
    bitsPerWeight: (8 * bytes) / weights,
  };
}

type Filler = (file: AtomicFile, digests: DigestRecorder) => Promise<void>;

/** What writes each file, in the order of `filesOf`. */
function fillersOf(
  { files, companions }: Output,
  model: string,
  meter: PlaceMeter,
  signal: AbortSignal | undefined,
): Filler[] {
  const weights =
    (of: OnnxFile): Filler =>
    async (file, digests) => {
      for (const place of of.places) {
        meter.begin(place);
        const target = { file, digests, gaps: of.graph.gaps };
        await fillPlace(target, place, meter, signal).catch((cause: unknown) => {
          throw inTensor(cause, model, place.tensor);
        });
      }
    };
  const graph =
    (of: OnnxFile): Filler =>
    async (file, digests) => {
      for (const { offset, bytes } of of.graph.pieces) await file.writeAt(offset, bytes);
      if (!of.data) await weights(of)(file, digests);
    };
  return [
    ...files.flatMap((of) => [graph(of), ...(of.data ? [weights(of)] : [])]),
    ...companions.map(
      ({ bytes }): Filler =>
        (file) =>
          file.write(bytes),
    ),
  ];
}
