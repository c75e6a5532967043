import type { ModelDescription, TensorDescriptor } from '../protocol/model';
import type { TensorTable } from '../protocol/tensorTable';
import { said } from '../protocol/said';
import type { ByteSource } from './byteSource';
import { suggestion } from './closest';
import type { CodeReader } from './codeRows';
import { QuantscopeError } from './errors';
import type { GgufFile } from './gguf';
import type { FileMetadata, ModelContent } from './modelContent';
import type { SentenceModule } from './sentenceModules';
import { readElements } from './strides';
import { membersOf, tableOf, withTensorsOf } from './tabledModel';
import { missingBytesOf } from './truncated';

/** Fills `target` with a tensor's data, from `offset` (bytes) relative to its start. */
export type ReadInto = (
  tensor: TensorDescriptor,
  offset: number,
  target: Uint8Array,
  signal?: AbortSignal,
) => Promise<void>;

/** An open model: its description, and reads of its tensors. Close it. */
export interface Model {
  readonly description: ModelDescription;
  /** The folder of its files. */
  readonly folder: string;
  /** config.json next to the weights, when there is one. */
  readonly config?: Record<string, unknown>;
  /** Why the config.json next to the weights cannot be read. */
  readonly configProblem?: QuantscopeError;
  /** The steps of an embedding model of sentence-transformers, when there are any. */
  readonly modules?: readonly SentenceModule[];
  /** Why the modules.json next to the weights, or what it names, cannot be used. */
  readonly modulesProblem?: QuantscopeError;
  /** Tensors that adapters change, as the files have them, by name: their weights are computed when they are read. */
  readonly merged?: ReadonlyMap<string, TensorDescriptor>;
  /** Present for GGUF. */
  readonly gguf?: GgufFile;
  /** @throws QuantscopeError REQUEST when there is no tensor of that name. */
  tensor(name: string): TensorDescriptor;
  /** Data of a tensor: as stored, or float32 where a layout decodes it (`readAs`). */
  read(tensor: TensorDescriptor, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  readonly readInto: ReadInto;
  /** The codes of a weight that a layout decodes; undefined where it does not show them. */
  codes(tensor: TensorDescriptor): CodeReader | undefined;
  /** Bytes of the GGUF file itself (to copy metadata). */
  source(file: string): ByteSource;
  close(): Promise<void>;
}

/** The open files of a model, and what they say. */
export interface OpenFiles {
  /** The path that was opened, absolute. */
  readonly path: string;
  readonly folder: string;
  readonly content: ModelContent;
  /** Empty for GGUF. */
  readonly metadataOfFiles: FileMetadata;
  source(file: string): ByteSource;
  close(): Promise<void>;
}

/** @param reads of tensors whose data is not one range of a file. */
export function modelOf(files: OpenFiles, reads?: Pick<Model, 'readInto' | 'codes'>): Model {
  const { path, folder, content } = files;
  const { gguf, config, configProblem, modules, modulesProblem, ...described } = membersOf(content);
  let named: ReadonlyMap<string, TensorDescriptor> | undefined; // made when a tensor is first asked for by name
  const byName = (): ReadonlyMap<string, TensorDescriptor> =>
    (named ??= new Map(content.tensors.map((tensor) => [tensor.name, tensor])));
  const fill: ReadInto =
    reads?.readInto ??
    ((tensor, offset, target, signal) =>
      readElements(files.source(tensor.file), tensor, offset, target, signal));
  return {
    description: withTensorsOf(
      { path, folder, ...described, ...(gguf ? { version: gguf.version } : {}), ...sizesOf(content) },
      content,
    ),
    folder,
    ...(config ? { config } : {}),
    ...(configProblem ? { configProblem } : {}),
    ...(modules ? { modules } : {}),
    ...(modulesProblem ? { modulesProblem } : {}),
    ...(gguf ? { gguf } : {}),
    tensor(name) {
      const tensor = byName().get(name);
      if (tensor) return tensor;
      const message = said`The model has no such tensor.${suggestion(name, byName().keys())}`;
      throw new QuantscopeError('REQUEST', message, { file: path, tensor: name });
    },
    async read(tensor, offset, length, signal) {
      const bytes = new Uint8Array(length);
      await fill(tensor, offset, bytes, signal);
      return bytes;
    },
    readInto: fill,
    codes: (tensor) => reads?.codes(tensor),
    source: (file) => files.source(file),
    close: () => files.close(),
  };
}

type Sizes = Pick<ModelDescription, 'parameters' | 'missingBytes' | 'dataBytes'>;

function sizesOf(content: ModelContent): Sizes {
  const table = tableOf(content);
  if (table) return sizesIn(table);
  const counted = content.format === 'pytorch' ? withoutTied(content.tensors) : content.tensors;
  return {
    parameters: counted.reduce((sum, tensor) => sum + tensor.elements, 0),
    missingBytes: missingBytesOf(counted),
    dataBytes: counted.reduce((sum, tensor) => sum + tensor.byteLength, 0),
  };
}

/** The same by kinds; of tensors of a table, all data is there. */
function sizesIn(table: TensorTable): Sizes {
  let [parameters, dataBytes] = [0, 0];
  for (let i = 0; i < table.count; i++) {
    const { elements, byteLength } = table.kinds[table.kindOf(i)]!;
    parameters += elements;
    dataBytes += byteLength;
  }
  return { parameters, missingBytes: 0, dataBytes };
}

/** Tensors without those that are the same data as an earlier one; only PyTorch files have such. */
function withoutTied(tensors: readonly TensorDescriptor[]): TensorDescriptor[] {
  const places = new Set<string>();
  return tensors.filter(({ file, offset, byteLength }) => {
    const place = `${offset} ${byteLength} ${file}`;
    const isNew = byteLength === 0 || !places.has(place);
    places.add(place);
    return isNew;
  });
}
