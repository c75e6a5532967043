import { basename, dirname } from 'node:path';
import type { ModelFormat, ModelPart, ModelRef } from '../protocol/model';
import { said } from '../protocol/said';
import { QuantscopeError, throwIfCancelled } from './errors';
import { fileKind, kindByName, type FileKind } from './fileKind';
import { linkTarget } from './linkTarget';
import { maxSniffedFiles } from './limits';
import { joinPlace, listPlace, openSource, statPlace } from './place';
import { bestOf, coveringFiles, listCandidates, type Candidate } from './weightCandidates';
import { formatOf, readWeightIndex, shardPaths, type WeightIndex } from './weightIndex';

/** The files that a path stands for. */
export interface WeightFiles {
  readonly format: ModelFormat;
  /** Of the configuration and the tokenizer, absolute. */
  readonly folder: string;
  /** Absolute, in order, including missing ones. Of a split GGUF only the file that was named. */
  readonly files: readonly string[];
  readonly index?: WeightIndex;
  /** Which of the files of a larger model the path is. */
  readonly part?: ModelPart;
  /** What was chosen, as sentences. */
  readonly notes: readonly string[];
}

/**
 * The files to open for a path: those of the index or the group that a file belongs to, or the best that a folder holds.
 * Content decides what a file is. Reads first bytes and indexes only.
 * @throws QuantscopeError IO when the path cannot be opened, MODEL_FILE saying what a file is instead of a model, REQUEST for
 * a folder without a model or with several that are equally good.
 */
export async function findWeightFiles(
  { path, alone = false }: ModelRef,
  signal?: AbortSignal,
): Promise<WeightFiles> {
  const { isFolder, special } = await statPlace(path, signal);
  if (isFolder) return ofFolder(path, signal);
  if (special !== undefined)
    throw new QuantscopeError('IO', said`The path is ${special}: a model is a regular file or a folder.`, {
      file: path,
    });
  const { file, kind, notes } = await recognize(path, signal);
  const folder = dirname(path);
  if (kind === 'json') return { ...ofIndex(await readWeightIndex(file, signal)), notes };
  const single: WeightFiles = { format: kind, folder, files: [file], notes };
  if (kind === 'gguf') return single;
  const whole = await coveringFiles(folder, basename(path), signal);
  if (!whole) return single;
  const name = basename(path);
  // An index lists files in the order of its tensors.
  const number = [...whole.files].sort().indexOf(name) + 1;
  const part = { file: name, number, count: whole.files.length, alone };
  return alone ? { ...single, part } : { ...ofCandidate(folder, whole), part, notes };
}

interface Recognized {
  readonly file: string;
  readonly kind: FileKind;
  readonly notes: readonly string[];
}

/** What a file is; a symbolic link that was saved as a text file (as Git does where links are disabled) is followed. */
async function recognize(path: string, signal: AbortSignal | undefined): Promise<Recognized> {
  const target = await linkTarget(path);
  if (target !== undefined) {
    const note = said`${basename(path)} is a symbolic link saved as text; ${target} was opened.`;
    return { file: target, kind: await kindOf(target, signal), notes: [note] };
  }
  return { file: path, kind: await kindOf(path, signal), notes: [] };
}

async function kindOf(path: string, signal: AbortSignal | undefined, byName = true): Promise<FileKind> {
  throwIfCancelled(signal);
  const source = await openSource(path, signal);
  try {
    return await fileKind(source, { byName, signal });
  } finally {
    await source.close();
  }
}

async function ofFolder(folder: string, signal: AbortSignal | undefined): Promise<WeightFiles> {
  const names = await listPlace(folder, 'all', signal);
  const { candidates: named, notes } = await listCandidates(folder, names, signal);
  const candidates = named.length > 0 ? named : await unnamed(folder, names, signal);
  const { best, others } = bestOf(folder, candidates);
  const chosen = [...notes, ...chosenNote(best, others)];
  if (best.format !== 'gguf' && best.files.length > 1) return { ...ofCandidate(folder, best), notes: chosen };
  // One file, by its content; of a split GGUF any part leads to the others.
  const name = best.files.find((file) => names.includes(file)) ?? best.files[0]!;
  if (!names.includes(name)) return { ...ofCandidate(folder, best), notes: chosen };
  const { file, kind, notes: followed } = await recognize(joinPlace(folder, name), signal);
  const format = kind === 'json' ? best.format : kind;
  return { ...ofCandidate(folder, best), format, files: [file], notes: [...chosen, ...followed] };
}

/** Files that are models by their content, where no name says so. */
async function unnamed(
  folder: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Candidate[]> {
  const found: Candidate[] = [];
  let other: QuantscopeError | undefined;
  for (const name of names.slice(0, maxSniffedFiles)) {
    try {
      const kind = await kindOf(joinPlace(folder, name), signal, kindByName(name) !== 'pytorch');
      if (kind !== 'json') found.push({ label: name, format: kind, files: [name], present: 1 });
    } catch (error) {
      throwIfCancelled(signal);
      if (/\.(bin|pt|pth|ckpt|h5)$/i.test(name) && error instanceof QuantscopeError) other ??= error;
    }
  }
  if (found.length === 0 && other) throw other;
  return found;
}

function chosenNote(best: Candidate, others: readonly Candidate[]): string[] {
  if (others.length === 0) return [];
  const named = others.slice(0, 3).map(({ label }) => label);
  const more = others.length > 3 ? said` and ${others.length - 3} more` : '';
  return [
    said`The folder holds several sets of weights: ${best.label} was chosen over ${named.join(', ')}${more}.`,
  ];
}

function ofCandidate(folder: string, { format, files, index }: Candidate): Omit<WeightFiles, 'notes'> {
  return { format, folder, files: files.map((name) => joinPlace(folder, name)), ...(index ? { index } : {}) };
}

function ofIndex(index: WeightIndex): Omit<WeightFiles, 'notes'> {
  return { format: formatOf(index), folder: dirname(index.path), files: shardPaths(index), index };
}
