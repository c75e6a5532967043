import type { ModelFormat } from '../protocol/model';
import { said } from '../protocol/said';
import { QuantscopeError, throwIfCancelled } from './errors';
import { kindByName, withoutEnding } from './fileKind';
import { maxShards } from './limits';
import { numberedName } from './modelName';
import { joinPlace, listPlace } from './place';
import { formatOf, indexName, readWeightIndex, type WeightIndex } from './weightIndex';

/** Files of a folder that make up one set of weights. */
export interface Candidate {
  /** What names it to the user. */
  readonly label: string;
  readonly format: ModelFormat;
  /** Base names, in order. */
  readonly files: readonly string[];
  readonly index?: WeightIndex;
  /** How many of the files are present. */
  readonly present: number;
}

/** The set of which a file is one of several; an index counts more than a number in the name. */
export async function coveringFiles(
  folder: string,
  name: string,
  signal?: AbortSignal,
): Promise<Candidate | undefined> {
  let names: readonly string[];
  try {
    names = await listPlace(folder, 'weights', signal);
  } catch {
    throwIfCancelled(signal);
    return undefined; // a file in a folder that cannot be listed stands for itself
  }
  const { candidates } = await listCandidates(folder, names, signal);
  const covering = candidates.filter(({ files }) => files.length > 1 && files.includes(name));
  return covering.sort(compareCandidates)[0];
}

/**
 * Sets of weights by the names of the files and by the indexes. A file that an index names is not a separate set.
 * @param names base names of the folder's files.
 */
export async function listCandidates(
  folder: string,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<{ candidates: Candidate[]; notes: string[] }> {
  const there = new Set(names);
  const notes: string[] = [];
  const indexed: Candidate[] = [];
  for (const name of [...names].sort().filter((item) => indexName.test(item))) {
    const index = await readIndex(joinPlace(folder, name), notes, signal);
    if (index && index.shards.length > 0) indexed.push(ofIndex(name, index, there));
  }
  const named = new Set(indexed.flatMap(({ files }) => files));
  const free = names.filter((name) => !named.has(name));
  return { candidates: [...indexed, ...groupsOf(free)], notes };
}

/** An index that cannot be read does not hide the shards next to it. */
async function readIndex(
  path: string,
  notes: string[],
  signal: AbortSignal | undefined,
): Promise<WeightIndex | undefined> {
  try {
    return await readWeightIndex(path, signal);
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    notes.push(said`The index was ignored: ${error.message}`);
    return undefined;
  }
}

function ofIndex(label: string, index: WeightIndex, there: ReadonlySet<string>): Candidate {
  const present = index.shards.filter((shard) => there.has(shard)).length;
  return { label, format: formatOf(index), files: index.shards, index, present };
}

/** Single files, and numbered ones as sets. */
function groupsOf(names: readonly string[]): Candidate[] {
  const groups = new Map<string, Candidate>();
  for (const name of [...names].sort()) {
    const format = kindByName(name);
    if (format === undefined || format === 'json') continue;
    if (format === 'pytorch' && !isWeightsByName(name)) continue;
    const set = numberedSet(name) ?? { label: name, files: [name] };
    const present = (groups.get(set.label)?.present ?? 0) + 1;
    groups.set(set.label, { ...set, format, present });
  }
  return [...groups.values()];
}

/** The files `X-00001-of-00003.safetensors` and so on that a name is one of. */
export function numberedSet(name: string): Pick<Candidate, 'label' | 'files'> | undefined {
  const [, base = '', number = '', count = '', ending = ''] = numberedName.exec(name) ?? [];
  if (Number(count) < 1 || Number(count) > maxShards || Number(number) > Number(count)) return undefined;
  const nameOf = (i: number): string =>
    `${base}-${String(i).padStart(number.length, '0')}-of-${count}${ending}`;
  const files = Array.from({ length: Number(count) }, (_, i) => nameOf(i + 1));
  return files.includes(name) ? { label: `${base}-*-of-${count}${ending}`, files } : undefined;
}

/** The set to open, and those that it was chosen over. @throws QuantscopeError REQUEST when several are equally good or there are none. */
export function bestOf(
  folder: string,
  candidates: readonly Candidate[],
): { best: Candidate; others: readonly Candidate[] } {
  const [best, ...others] = [...candidates].sort(compareCandidates);
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('REQUEST', message, { file: folder });
  if (!best) throw fail(said`The folder holds no safetensors, GGUF or PyTorch file of weights.`);
  const rivals = others.filter((other) => compareCandidates(best, other) === 0);
  if (rivals.length === 0) return { best, others };
  const labels = [best, ...rivals].slice(0, 5).map(({ label }) => label);
  throw fail(
    said`The folder holds several models (${labels.join(', ')}${rivals.length > 4 ? ', …' : ''}); name one of them.`,
  );
}

/** Sorts what is better first; 0 where nothing tells two sets apart. */
export function compareCandidates(a: Candidate, b: Candidate): number {
  const [ranksA, ranksB] = [ranksOf(a), ranksOf(b)];
  const at = ranksA.findIndex((rank, i) => rank !== ranksB[i]);
  return at < 0 ? 0 : ranksA[at]! - ranksB[at]!;
}

/** What makes one set better than another, what matters most first; smaller is better. */
function ranksOf({ label, files, index, present, format }: Candidate): number[] {
  const [family = '', ...variant] = withoutEnding(label)
    .replace(/-\*-of-\d+$/, '')
    .split('.');
  const rank = families.findIndex((pattern) => pattern.test(family));
  const isVariant = variant.length > 0 || /\.index\.[\w-]+\.json$/i.test(label);
  const tellsVariants = rank !== otherFamily; // elsewhere a dot is part of the name
  return [
    present === 0 ? 1 : 0,
    rank === families.length - 1 ? 1 : 0, // an adapter must not hide a model that is still being downloaded
    present < files.length ? 1 : 0,
    ...[formats.indexOf(format), rank, index ? 0 : 1],
    tellsVariants && isVariant ? 1 : 0,
  ];
}

/** The best first: transformers prefers safetensors to pickles; a GGUF file next to a pickle was made of it. */
const formats: readonly ModelFormat[] = ['safetensors', 'gguf', 'pytorch'];

/**
 * Whether a file is one of weights by a name that PyTorch files of anything may have: training writes its own state into such files, and
 * `.bin` is the name of any data. Others are still found by their content where nothing else is.
 */
function isWeightsByName(name: string): boolean {
  const [family = ''] = withoutEnding(name.replace(numberedName, '$1$4')).split('.');
  return /^((diffusion_)?(pytorch_)?model|consolidated|adapter_model)$/i.test(family);
}

/**
 * Beginnings of file names, the best first. transformers and diffusers write the first two; `consolidated` is the same model
 * in its maker's own layout; an adapter alone is not a model.
 */
const families: readonly RegExp[] = [
  /^(pytorch_)?model$/i,
  /^diffusion_pytorch_model$/i,
  /^(?!.*(consolidated|adapter|optimizer|scheduler|scaler|rng_state|training_args))/i,
  /^consolidated/i,
  /^/,
];
const otherFamily = 2;
