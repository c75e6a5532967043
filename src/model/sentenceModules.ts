import type { Danger, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { OpenSource } from './byteSource';
import { QuantscopeError } from './errors';
import { fileIdentity } from './identity';
import { isRecord } from './json';
import { readJsonFile } from './jsonFiles';
import { maxSentenceModules } from './limits';
import { exists, joinPlace } from './place';
import { headerReaders, type CheckpointFormat } from './readHeader';

/** A step of an embedding model of sentence-transformers, in the order of its modules.json. */
export interface SentenceModule {
  /** The class: "sentence_transformers.models.Dense". */
  readonly type: string;
  /** Its folder inside the model's; '' for the model itself. */
  readonly path: string;
  /** Its config.json; empty where there is none. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** What a folder says about the steps of an embedding model. */
export interface SentenceModules {
  readonly modules: readonly SentenceModule[];
  /** The JSON files that were read. */
  readonly files: readonly ModelFileIdentity[];
  /** Why an existing modules.json, or a file that it names, cannot be used. */
  readonly problem?: QuantscopeError;
}

/**
 * modules.json of a folder and the config.json of each module. The weights can be inspected without them, so a problem is
 * returned, not thrown.
 */
export async function readSentenceModules(folder: string, signal?: AbortSignal): Promise<SentenceModules> {
  const files: ModelFileIdentity[] = [];
  const read = async (path: string): Promise<unknown> => {
    const { value, hash, size, mtimeMs } = await readJsonFile(path, signal);
    files.push({ path, size, mtimeMs, headerHash: hash });
    return value;
  };
  const list = joinPlace(folder, 'modules.json');
  if (!(await exists(list, signal))) return { modules: [], files };
  try {
    const modules: SentenceModule[] = [];
    for (const { type, path } of listed(await read(list), list)) {
      const file = joinPlace(folder, path, 'config.json');
      // That of the model itself is the model's.
      const config = path !== '' && (await exists(file, signal)) ? await read(file) : {};
      if (!isRecord(config)) throw fail(file, said`The file does not hold a JSON object.`);
      modules.push({ type, path, config });
    }
    return { modules, files };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    return { modules: [], files: [], problem: error };
  }
}

function fail(file: string, message: string): QuantscopeError {
  return new QuantscopeError('MODEL_FILE', message, { file, offset: 0 });
}

function listed(value: unknown, file: string): Omit<SentenceModule, 'config'>[] {
  if (!Array.isArray(value)) throw fail(file, said`The file does not hold a list of modules.`);
  if (value.length > maxSentenceModules)
    throw fail(file, said`The file lists ${value.length} modules; at most ${maxSentenceModules} are read.`);
  return value.filter(isRecord).map(({ type, path }) => {
    const folder = textOf(path);
    if (folder === '' || /^\w[\w.-]*$/.test(folder)) return { type: textOf(type), path: folder };
    const message = said`A module has the path ${JSON.stringify(folder)}, which is not a folder of this model.`;
    throw fail(file, message);
  });
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Whether a module is of a class of sentence-transformers, whatever package it is in. */
export const isModule = ({ type }: Pick<SentenceModule, 'type'>, name: string): boolean =>
  type === name || type.endsWith(`.${name}`);

/** The name of a tensor of a module within the model: "2_Dense.linear.weight". */
export const moduleTensor = ({ path }: Pick<SentenceModule, 'path'>, name: string): string =>
  `${path}.${name}`;

export interface ModuleWeights {
  readonly tensors: readonly TensorDescriptor[];
  readonly files: readonly ModelFileIdentity[];
  readonly dangers: readonly Danger[];
}

/** Names of the file of a module, the preferred one first. */
const moduleFiles: readonly (readonly [string, CheckpointFormat])[] = [
  ['model.safetensors', 'safetensors'],
  ['pytorch_model.bin', 'pytorch'],
];

/**
 * The tensors of dense layers after the pooling, which have a file each in their folder.
 * @throws QuantscopeError MODEL_FILE or IO for a file that exists but cannot be used.
 */
export async function openModuleWeights(
  folder: string,
  modules: readonly SentenceModule[],
  open: OpenSource,
  signal?: AbortSignal,
): Promise<ModuleWeights> {
  const tensors: TensorDescriptor[] = [];
  const files: ModelFileIdentity[] = [];
  const dangers: Danger[] = [];
  for (const module of modules) {
    if (module.path === '' || !isModule(module, 'Dense')) continue;
    const found = await weightsFile(joinPlace(folder, module.path), signal);
    if (!found) continue;
    const source = await open(found.file);
    const header = await headerReaders[found.format](source, signal);
    for (const danger of header.dangers ?? []) dangers.push(danger);
    files.push(await fileIdentity(source, header, modules.length, signal));
    for (const tensor of header.tensors) tensors.push({ ...tensor, name: moduleTensor(module, tensor.name) });
  }
  return { tensors, files, dangers };
}

async function weightsFile(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly file: string; readonly format: CheckpointFormat } | undefined> {
  for (const [name, format] of moduleFiles) {
    const file = joinPlace(folder, name);
    if (await exists(file, signal)) return { file, format };
  }
  return undefined;
}
