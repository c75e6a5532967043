import { basename, dirname } from 'node:path';
import type { ByteSource } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { fileKind } from '../model/fileKind';
import { fileIdentity } from '../model/identity';
import { absolutePlace, exists, joinPlace, openSource, statPlace } from '../model/place';
import { headerReaders } from '../model/readHeader';
import { readElements } from '../model/strides';
import { loadNative } from '../native';
import type { Danger, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { readAdapterConfig, type AdapterConfig, type ModuleScale } from './adapterConfig';

/** The low-rank change of a module: `alpha / divisor · B · A`. */
export interface ModuleChange extends ModuleScale {
  /** Name of the module without the prefix of PEFT. */
  readonly module: string;
  /** Factors of an embedding `[tokens, size]` are those of its transpose. */
  readonly isEmbedding: boolean;
  /** `[rank, in]`; of an embedding `[rank, tokens]`. */
  readonly a: TensorDescriptor;
  /** `[out, rank]`; of an embedding `[size, rank]`. */
  readonly b: TensorDescriptor;
}

/** An open adapter of PEFT: what its headers say, and reads of its factors. Close it. */
export interface Adapter {
  /** The folder or file that was named, absolute. */
  readonly path: string;
  readonly name: string;
  readonly config: AdapterConfig;
  /** The file of its tensors. */
  readonly weights: ModelFileIdentity;
  readonly changes: readonly ModuleChange[];
  /** Tensors that take the place of the base's, by their names there. */
  readonly whole: ReadonlyMap<string, TensorDescriptor>;
  readonly dangers: readonly Danger[];
  /**
   * Elements of one of its tensors.
   * @param range some of them; all where it is absent.
   * @throws QuantscopeError MODEL_FILE where one is not finite.
   */
  floats(tensor: TensorDescriptor, range?: ElementRange, signal?: AbortSignal): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface ElementRange {
  readonly first: number;
  readonly count: number;
}

const fileNames = ['adapter_model.safetensors', 'adapter_model.bin'] as const;

/**
 * Opens an adapter, reading headers only.
 * @param path its folder, or a file in it.
 * @throws QuantscopeError IO or MODEL_FILE for files that are not those of an adapter, UNSUPPORTED for kinds of adapters that are not read.
 */
export async function openAdapter(path: string, signal?: AbortSignal): Promise<Adapter> {
  const absolute = absolutePlace(path);
  const file = await weightsOf(absolute);
  const config = await readAdapterConfig(dirname(file), signal);
  const source = await openSource(file);
  try {
    const kind = await fileKind(source);
    if (kind !== 'safetensors' && kind !== 'pytorch') {
      const message = said`The file is ${kind.toUpperCase()}; the tensors of an adapter are in safetensors or a PyTorch file.`;
      throw new QuantscopeError('MODEL_FILE', message, { file });
    }
    const header = await headerReaders[kind](source, signal);
    const { factors, whole } = sorted(header.tensors);
    const scales = config.scalesOf([...factors.keys()]);
    return {
      ...{ path: absolute, name: basename(dirname(file)), config, whole, dangers: header.dangers ?? [] },
      weights: await fileIdentity(source, header, 1, signal),
      changes: [...factors].map(([module, found]) => changeOf(module, found, scales.get(module)!, file)),
      floats: (tensor, range = { first: 0, count: tensor.elements }, stop) =>
        finiteFloats(source, tensor, range, stop),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function weightsOf(path: string): Promise<string> {
  const { isFolder } = await statPlace(path);
  if (!isFolder && basename(path) !== 'adapter_config.json') return path;
  const folder = isFolder ? path : dirname(path);
  for (const name of fileNames) {
    const file = joinPlace(folder, name);
    if (await exists(file)) return file;
  }
  const message = said`The folder holds no adapter: ${fileNames.join(' or ')} is missing.`;
  throw new QuantscopeError('REQUEST', message, { file: folder });
}

type Factors = Partial<Record<Factor, TensorDescriptor>>;
type Factor = 'lora_A' | 'lora_B' | 'lora_embedding_A' | 'lora_embedding_B';

/** What PEFT puts before the names of modules, and what saved modules have inside theirs. */
const prefix = /^base_model\.model\./;
const inside = /\.(base_layer|modules_to_save)(?=\.)/;
const factorName = /^(.+)\.(lora_(?:embedding_)?[AB])(?:\.default)?(?:\.weight)?$/;

/** Factors by module, and all other tensors by their names in the base. */
function sorted(tensors: readonly TensorDescriptor[]) {
  const factors = new Map<string, Factors>();
  const whole = new Map<string, TensorDescriptor>();
  for (const tensor of tensors) {
    if (!tensor.readable || tensor.missingBytes !== undefined)
      throw wrong(
        tensor,
        said`The tensor cannot be read: ${tensor.unreadableReason ?? 'bytes of it are missing'}.`,
      );
    const name = tensor.name.replace(prefix, '');
    const [, module, factor] = factorName.exec(name) ?? [];
    if (module === undefined) {
      if (/\.lora_/.test(name)) throw notRead(tensor);
      whole.set(name.replace(inside, ''), tensor);
    } else factors.set(module, { ...factors.get(module), [factor as Factor]: tensor });
  }
  return { factors, whole };
}

function notRead(tensor: TensorDescriptor): QuantscopeError {
  const what = tensor.name.includes('lora_magnitude_vector')
    ? said`The adapter is one of DoRA, which scales rows of the sum of base and change`
    : said`The adapter has a part that is not a factor of a low-rank change`;
  return new QuantscopeError('UNSUPPORTED', said`${what}; it is not supported.`, {
    ...{ file: tensor.file, tensor: tensor.name, offset: tensor.offset },
  });
}

const wrong = ({ file, name, offset }: TensorDescriptor, message: string): QuantscopeError =>
  new QuantscopeError('MODEL_FILE', message, { file, tensor: name, offset });

function changeOf(module: string, found: Factors, scale: ModuleScale, file: string): ModuleChange {
  const isEmbedding = found.lora_embedding_A !== undefined || found.lora_embedding_B !== undefined;
  const a = isEmbedding ? found.lora_embedding_A : found.lora_A;
  const b = isEmbedding ? found.lora_embedding_B : found.lora_B;
  if (!a || !b || Object.keys(found).length > 2) {
    const message = said`"${module}" needs one pair of factors A and B; it has ${Object.keys(found).join(', ')}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file });
  }
  for (const [tensor, at] of [
    [a, 0],
    [b, 1],
  ] as const) {
    if (tensor.shape.length !== 2)
      throw new QuantscopeError(
        'UNSUPPORTED',
        said`Only changes of matrices are supported, not of convolutions.`,
        {
          ...{ file, tensor: tensor.name, offset: tensor.offset },
        },
      );
    if (tensor.shape[at] !== scale.rank)
      throw wrong(
        tensor,
        said`The shape is [${tensor.shape.join(', ')}]; adapter_config.json says rank ${scale.rank}.`,
      );
  }
  return { module, isEmbedding, a, b, ...scale };
}

async function finiteFloats(
  source: ByteSource,
  tensor: TensorDescriptor,
  { first, count }: ElementRange,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const size = tensor.byteLength / tensor.elements;
  const bytes = new Uint8Array(count * size);
  await readElements(source, tensor, first * size, bytes, signal);
  const values = new Float32Array(count);
  await loadNative().decode(tensor.dtype, bytes, values, signal);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw wrong(tensor, said`Number ${first + bad} is ${values[bad]!}; adapters must be finite.`);
  return values;
}
