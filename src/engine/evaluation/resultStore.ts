import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { writeAtomically } from '../../files/atomicFile';
import { markUsed, trimFiles } from '../../files/leastRecentlyUsed';
import { readSealed, sealBytes, writeSealed } from '../../files/sealedFile';
import { StateFile } from '../../evaluation/stateFile';
import { cacheRemedy, ensureFreeSpace, fits } from '../../exporter/diskSpace';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { seal, unseal } from '../../model/sealedJson';
import type { EvaluationResult } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import { isCurrent, versionsOf, type UsedVersions } from '../../quant/algorithms';
import { makeFolder } from '../../files/makeFolder';

/** What a result keeps of each scored token, so that it can be paired with others. */
export interface ResultTokens {
  readonly losses: Float64Array;
  readonly divergences?: Float64Array | undefined;
}

/** A result, and the models that it belongs to: its own and its base. */
interface StoredResult {
  /** Versions of what computed the figures: those of other versions are not comparable with new ones. */
  readonly versions: UsedVersions;
  readonly models: readonly string[];
  readonly result: EvaluationResult;
}

/** What computed the figures of each part of a result, besides the forward pass. */
const measuresOf = {
  text: 'divergences',
  tasks: 'tasks',
  pairs: 'pairs',
} as const;

/** Disk space for states of base models; least recently used ones are removed first (bytes). */
const maxStateBytes = 8 * 1024 ** 3;

/** Finished evaluations in a folder: `results/ID.json` with `ID.tokens`, and `bases/KEY.states`. */
export class ResultStore {
  private readonly results: string;
  private readonly bases: string;

  /** @param maxStates disk space for states of base models (bytes). */
  constructor(
    folder: string,
    private readonly maxStates = maxStateBytes,
  ) {
    this.results = join(folder, 'results');
    this.bases = join(folder, 'bases');
  }

  /**
   * Results of a model, or measured from it, the latest first. Files that are damaged, were edited, or hold figures of other versions
   * of formats or measures are left out.
   */
  async list(modelHash: string): Promise<EvaluationResult[]> {
    const names = await namesIn(this.results, '.json');
    const stored = await Promise.all(names.map((name) => readStored(join(this.results, name))));
    return stored
      .flatMap((item) => (item?.models.includes(modelHash) ? [item.result] : []))
      .sort((a, b) => b.at.localeCompare(a.at));
  }

  /** @param formats what weights were changed by: formats, methods. */
  async add(
    result: EvaluationResult,
    {
      models,
      formats,
      tokens,
    }: Pick<StoredResult, 'models'> & { formats: Iterable<string>; tokens?: ResultTokens },
  ): Promise<void> {
    await makeFolder(this.results);
    if (tokens) await writeFloats(join(this.results, `${result.id}.tokens`), tokens);
    const parts = (['text', 'tasks', 'pairs'] as const).filter((part) => result[part]);
    const measures = ['states', ...parts.map((part) => measuresOf[part])];
    const stored: StoredResult = { versions: versionsOf([...measures, ...formats]), models, result };
    const text = Buffer.from(`${seal(stored)}\n`);
    await writeAtomically(join(this.results, `${result.id}.json`), (file) => file.write(text));
  }

  async remove(id: string): Promise<void> {
    for (const ending of ['json', 'tokens']) await rm(this.fileOf(id, ending), { force: true });
  }

  /** @throws QuantscopeError REQUEST when the tokens of the result are not kept as they were written. */
  async tokens(result: EvaluationResult): Promise<ResultTokens> {
    const file = this.fileOf(result.id, 'tokens');
    const { scoredTokens: count, divergence } = result.text ?? { scoredTokens: 0 };
    const values = await readFloats(file, divergence ? 2 * count : count);
    if (!values || count === 0)
      throw new QuantscopeError('REQUEST', said`The tokens of the result "${result.variant}" are not kept.`, {
        file,
      });
    const losses = values.subarray(0, count);
    return divergence ? { losses, divergences: values.subarray(count) } : { losses };
  }

  /** States of a base model kept by an earlier run. */
  async findStates(key: string, tokens: number, hiddenSize: number): Promise<StateFile | undefined> {
    const file = this.statesFile(key);
    const found = await StateFile.find(file, tokens, hiddenSize);
    if (found) await markUsed(file);
    return found;
  }

  /**
   * Keeps states of a base model: `write` hands them over piece by piece. Where the store's disk has no room for them, they are in a
   * temporary folder until they are closed.
   * @throws QuantscopeError IO where that has no room either, saying what to do; what `write` throws.
   */
  async addStates(
    key: string,
    { tokens, hiddenSize }: { readonly tokens: number; readonly hiddenSize: number },
    write: (append: (states: Float32Array) => Promise<void>) => Promise<void>,
  ): Promise<StateFile> {
    const file = this.statesFile(key);
    const bytes = tokens * hiddenSize * Float32Array.BYTES_PER_ELEMENT + sealBytes;
    if (!(await fits(file, bytes))) return temporaryStates(file, bytes, { tokens, hiddenSize }, write);
    await makeFolder(this.bases);
    await writeSealed(file, write);
    await trimFiles(this.bases, '.states', { limit: this.maxStates, kept: file });
    return found(await this.findStates(key, tokens, hiddenSize), file);
  }

  private statesFile(key: string): string {
    return join(this.bases, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.states`);
  }

  /** @throws QuantscopeError REQUEST for an id that no result can have. */
  private fileOf(id: string, ending: string): string {
    if (/^[\w-]+$/.test(id)) return join(this.results, `${id}.${ending}`);
    throw new QuantscopeError('REQUEST', said`"${id}" is not the id of a result.`);
  }
}

async function namesIn(folder: string, ending: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith(ending));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new QuantscopeError(
      'IO',
      said`The results cannot be listed: ${reason(cause)}`,
      { file: folder },
      cause,
    );
  }
}

async function readStored(file: string): Promise<StoredResult | undefined> {
  try {
    const value = unseal((await readFile(file, 'utf8')).trimEnd());
    if (!isRecord(value) || !isCurrent(value['versions']) || !Array.isArray(value['models']))
      return undefined;
    const result = value['result'];
    if (!isRecord(result) || typeof result['id'] !== 'string' || typeof result['at'] !== 'string')
      return undefined;
    return value as unknown as StoredResult;
  } catch {
    return undefined; // damaged, or removed in the meantime
  }
}

async function writeFloats(file: string, { losses, divergences }: ResultTokens): Promise<void> {
  await writeSealed(file, async (append) => {
    await append(losses);
    if (divergences) await append(divergences);
  });
}

/** So many numbers of a sealed file; undefined when it does not hold them, or not as they were written. */
async function readFloats(file: string, count: number): Promise<Float64Array | undefined> {
  const values = new Float64Array(count);
  return (await readSealed(file, values)) ? values : undefined;
}

/** @param wanted where the states would be kept. */
async function temporaryStates(
  wanted: string,
  bytes: number,
  { tokens, hiddenSize }: { readonly tokens: number; readonly hiddenSize: number },
  write: (append: (states: Float32Array) => Promise<void>) => Promise<void>,
): Promise<StateFile> {
  // The error names the place that the user can do something about.
  if (!(await fits(join(tmpdir(), 'states'), bytes)))
    await ensureFreeSpace(wanted, bytes, 'What the evaluation keeps of the base model', cacheRemedy);
  const folder = await mkdtemp(join(tmpdir(), 'quantscope-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const file = join(folder, basename(wanted));
  try {
    await writeSealed(file, write);
    return found(await StateFile.find(file, tokens, hiddenSize, remove), file);
  } catch (error) {
    await remove();
    throw error;
  }
}

function found(states: StateFile | undefined, file: string): StateFile {
  if (states) return states;
  throw new QuantscopeError('IO', said`The states of the base model could not be kept.`, { file });
}
