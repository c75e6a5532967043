import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { isRemote } from '../model/remote/address';
import { hasRemoteChanged } from '../model/remote/remoteFiles';
import { coveringFiles } from '../model/weightCandidates';
import type { ModelDescription, ModelFileIdentity } from '../protocol/model';
import { said } from '../protocol/said';
import { manifestPath } from './digests/manifest';
import { fileIdentity, findTarget, followLinks, statIfPresent, type OutputTarget } from './target';

/** Files on servers cannot be outputs. */
const onThisMachine = ({ format, files }: ModelFiles): ModelFiles => ({
  format,
  files: files.filter(({ path }) => !isRemote(path)),
});

/** A file that is read while the outputs are written: if it changes meanwhile, they would mix two versions of it. */
export type StreamedFile = Pick<ModelFileIdentity, 'path' | 'size' | 'mtimeMs'>;

interface FileState {
  /** Undefined when absent: a missing input cannot be destroyed. */
  readonly identity: string | undefined;
  /** Size and time of the last change (ns). */
  readonly stamp: string | undefined;
}

interface InputFile extends FileState {
  readonly path: string;
  readonly streamed: boolean;
}

/**
 * The files that a job reads. No output may replace one of them, under whatever name (symbolic and hard links, other
 * spellings on file systems that ignore case), and outputs are put in place only if those that were streamed are unchanged, and what
 * the outputs replace is what was there when they were checked.
 */
export class Inputs {
  /** What outputs replace, by their destinations. */
  private readonly replaced = new Map<string, FileState>();

  private constructor(
    private readonly files: InputFile[],
    /** Files of a set of which some are missing: one that an output created would be taken for a part of it. */
    private readonly awaited: ReadonlyMap<string, string>,
  ) {}

  /**
   * @param others files that are read besides; absent ones may be created.
   * @param shards all files of the sets that the streamed ones belong to; absent ones may not.
   * @throws QuantscopeError IO when a streamed file has changed since it was opened.
   */
  static async of(
    streamed: readonly StreamedFile[],
    others: readonly (string | undefined)[] = [],
    shards: readonly string[] = [],
  ): Promise<Inputs> {
    const files: InputFile[] = [];
    // What damage to an input is found by is lost with them.
    const digests = streamed.map(({ path }) => manifestPath(path));
    for (const { path, size, mtimeMs } of streamed) {
      const state = await stateOf(path);
      await ensureAsOpened({ path, size, mtimeMs });
      files.push({ path, streamed: true, ...state });
    }
    const awaited = new Map<string, string>();
    for (const path of [...others, ...digests, ...shards]) {
      if (path === undefined) continue;
      const state = await stateOf(path);
      files.push({ path, streamed: false, ...state });
      if (state.identity === undefined && shards.includes(path))
        awaited.set(sameName(await followLinks(path)), path);
    }
    return new Inputs(files, awaited);
  }

  /** One more file that is read, where it is known only later: no output that is checked from now on may replace it. */
  async add(path: string | undefined): Promise<void> {
    if (path !== undefined) this.files.push({ path, streamed: false, ...(await stateOf(path)) });
  }

  /**
   * Checks outputs before work on them starts: each is writable, none is an input, no two are the same. What they replace is what the first
   * check found.
   * @throws QuantscopeError REQUEST naming the output.
   */
  async check(outputs: readonly (string | undefined)[]): Promise<void> {
    const targets: OutputTarget[] = [];
    for (const output of outputs) if (output !== undefined) targets.push(await findTarget(output));
    ensureDistinct(targets);
    for (const target of targets) {
      await this.refuse(target);
      // A further check does not take what others wrote meanwhile for what was there.
      if (!this.replaced.has(target.destination))
        this.replaced.set(target.destination, await stateOf(target.destination));
    }
  }

  /** @throws QuantscopeError IO for an output that somebody else wrote after it was checked: its content would be lost. */
  async ensureNotWritten({ path, destination }: OutputTarget): Promise<void> {
    const before = this.replaced.get(destination);
    const now = await stateOf(destination);
    if (!before || (now.identity === before.identity && now.stamp === before.stamp)) return;
    const message = said`The file was changed while what replaces it was being made; it is left as it is now. Run again, or choose another output.`;
    throw new QuantscopeError('IO', message, { file: path });
  }

  /** @throws QuantscopeError REQUEST when the output would replace an input, or a missing file of the model. */
  async refuse({ path, destination }: OutputTarget): Promise<void> {
    const awaited = this.awaited.get(sameName(destination));
    if (awaited !== undefined) {
      const message = said`The output would be taken for ${basename(awaited)}, a missing file of the model; choose another name.`;
      throw new QuantscopeError('REQUEST', message, { file: path });
    }
    const identity = await fileIdentity(destination);
    if (identity === undefined) return;
    const input = this.files.find((file) => file.identity === identity);
    if (!input) return;
    const other = path === resolve(input.path) ? '' : ` (${input.path})`;
    const message = said`The output would replace an input file${other}; choose another name.`;
    throw new QuantscopeError('REQUEST', message, { file: path });
  }

  /** @throws QuantscopeError IO naming a streamed file that has changed. */
  async ensureUnchanged(): Promise<void> {
    for (const file of this.files) {
      if (!file.streamed) continue;
      if (isRemote(file.path) && hasRemoteChanged(file.path)) throw changed(file.path);
      const now = await stateOf(file.path);
      if (now.identity !== file.identity || now.stamp !== file.stamp) throw changed(file.path);
    }
  }
}

/** @throws QuantscopeError IO for a file that is not the one that was opened any more. */
async function ensureAsOpened({ path, size, mtimeMs }: StreamedFile): Promise<void> {
  // Each answer of a server is compared with the first one.
  if (isRemote(path)) {
    if (hasRemoteChanged(path)) throw changed(path);
    return;
  }
  const found = await statIfPresent(path);
  if (!found || Number(found.size) !== size || Math.abs(Number(found.mtimeNs) / 1e6 - mtimeMs) > 0.01)
    throw changed(path);
}

/**
 * For what is measured of a model rather than written.
 * @throws QuantscopeError IO naming a file that has changed since it was opened: figures would mix two versions of it.
 */
export async function ensureUnchanged({ files }: Pick<ModelDescription, 'files'>): Promise<void> {
  for (const file of files) await ensureAsOpened(file);
}

type ModelFiles = Pick<ModelDescription, 'format' | 'files'>;

/**
 * All files that work on a model reads: its weights, which are streamed, the other files of a set of which it is a part, what describes
 * it next to them, and others that the request names.
 */
export function inputsOf(model: ModelFiles, ...others: readonly (string | undefined)[]): Promise<Inputs> {
  return inputsOfModels([model], ...others);
}

/** The same of work on several models. */
export async function inputsOfModels(
  models: readonly ModelFiles[],
  ...others: readonly (string | undefined)[]
): Promise<Inputs> {
  const local = models.map(onThisMachine);
  const sets = await Promise.all(local.map(setsOf));
  const files = models.flatMap((model) => model.files);
  const beside = await Promise.all(local.map(filesBeside));
  return Inputs.of(files, [...beside.flat(), ...others], sets.flat());
}

/** The files of a model for outputs that are not made of its weights: it may have changed since it was opened. */
export async function modelInputs(model: ModelFiles): Promise<Inputs> {
  const local = onThisMachine(model);
  const paths = local.files.map(({ path }) => path);
  return Inputs.of([], [...paths, ...(await filesBeside(local))], await setsOf(local));
}

/** The sets of shards or parts, with their indexes, that files of a model belong to: one may have been opened alone, others be missing. */
async function setsOf({ files }: ModelFiles): Promise<string[]> {
  const paths = new Set<string>();
  for (const { path } of files) {
    if (paths.has(path)) continue;
    const folder = dirname(path);
    const set = await coveringFiles(folder, basename(path));
    for (const name of set?.files ?? []) paths.add(join(folder, name));
    if (set?.index) paths.add(set.index.path);
  }
  return [...paths];
}

async function filesBeside({ format, files }: ModelFiles): Promise<string[]> {
  if (format === 'gguf') return [];
  const folders = [...new Set(files.map(({ path }) => dirname(path)))];
  const ranks = await Promise.all(folders.map((folder) => listed(folder, '.tiktoken')));
  const templates = await Promise.all(
    folders.map((folder) => listed(join(folder, 'additional_chat_templates'), '.jinja')),
  );
  const named = folders.flatMap((folder) => companions.map((name) => join(folder, name)));
  return [...named, ...ranks.flat(), ...templates.flat()];
}

/** Files of a folder whose names end so; none where it cannot be listed. */
async function listed(folder: string, ending: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

/** Files of a checkpoint's folder that are read besides its weights, and those of any name with certain endings. */
const companions = [
  'config.json',
  'params.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'tekken.json',
  'tiktoken.model',
  'tokenizer_config.json',
  'added_tokens.json',
  'special_tokens_map.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.json',
  'chat_template.jinja',
  'modules.json',
  'README.md',
];

/**
 * Two outputs must not have one name, nor two that differ in case only: some file systems treat those as one.
 * @throws QuantscopeError REQUEST naming the second.
 */
export function ensureDistinct(targets: readonly OutputTarget[]): void {
  const seen = new Set<string>();
  for (const { path, destination } of targets) {
    const key = sameName(destination);
    if (seen.has(key))
      throw new QuantscopeError(
        'REQUEST',
        said`Two outputs would be the same file; give them different names.`,
        {
          file: path,
        },
      );
    seen.add(key);
  }
}

/** Equal for paths that some file systems treat as one. */
const sameName = (path: string): string => path.normalize('NFC').toLowerCase();

async function stateOf(path: string): Promise<FileState> {
  const found = await statIfPresent(path).catch(() => undefined);
  return {
    identity: found && `${found.dev}:${found.ino}`,
    stamp: found && `${found.size}:${found.mtimeNs}`,
  };
}

function changed(file: string): QuantscopeError {
  const message = said`The file was changed while it was read; nothing was written. Run again when it is complete.`;
  return new QuantscopeError('IO', message, { file });
}
