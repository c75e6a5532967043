import { createHash } from 'node:crypto';
import { readdir, readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { triangle, type EvidenceParts } from '../../evaluation/evidence';
import { writeAtomically } from '../../files/atomicFile';
import { filesUnder, makeFolderAtomically, removeFolder } from '../../files/atomicFolder';
import { partialEnding } from '../../files/partials';
import { readSealed, writeSealed } from '../../files/sealedFile';
import type { InputStatistics } from '../../graph/transformer/tapSums';
import { isRecord } from '../../model/json';
import { seal, unseal } from '../../model/sealedJson';
import { areCurrent, versionsOf } from '../../quant/algorithms';

/** A measured input as the index lists it; its numbers are in files named after its place in the index. */
export interface KeptInput extends Pick<InputStatistics, 'tensors' | 'expert' | 'rows'> {
  readonly columns: number;
  /** Rows of it that are kept. */
  readonly samples: number;
}

/** What a pass over a text has measured; all of it is on disk. */
export interface KeptEvidence {
  readonly folder: string;
  readonly text: {
    readonly path: string;
    readonly hash: string;
    readonly tokens: number;
    readonly context: number;
  };
  readonly parts: EvidenceParts;
  readonly inputs: readonly KeptInput[];
}

type Index = Omit<KeptEvidence, 'folder'>;

const algorithms = ['states', 'evidence'];

/** Disk space for evidence of all models; what was used least recently is removed first (bytes). */
const maxBytes = 128 * 1024 ** 3;

/** Evidence in a folder: `evidence/MODEL/TEXT/index.json`, and next to it the numbers of each input. An index is written last. */
export class EvidenceStore {
  /** Folder of all evidence. */
  readonly root: string;

  constructor(
    folder: string,
    private readonly limit = maxBytes,
  ) {
    this.root = join(folder, 'evidence');
  }

  /**
   * What an earlier pass has measured; damaged files and those of other versions do not count.
   * @param model its contentKey.
   * @param key of the text and of where it was run; the latest pass over any text where it is absent.
   * @param hash of the text, where only passes over it count.
   */
  async find(
    model: string,
    parts: EvidenceParts,
    { key, hash }: { readonly key?: string; readonly hash?: string | undefined } = {},
  ): Promise<KeptEvidence | undefined> {
    const names = key === undefined ? await namesIn(this.ofModel(model)) : [digestOf(key)];
    const found = await Promise.all(names.map((name) => readIndex(join(this.ofModel(model), name))));
    const [best] = found
      .filter((item) => item !== undefined)
      .filter(({ kept }) => has(kept.parts, parts) && (hash === undefined || kept.text.hash === hash))
      .sort((a, b) => b.usedMs - a.usedMs);
    if (!best) return undefined;
    const now = new Date();
    await utimes(join(best.kept.folder, indexName), now, now).catch(() => undefined); // only its age suffers
    return best.kept;
  }

  /** What a pass over a text has measured, even if it is less than is needed now. */
  async measuredParts(model: string, key: string): Promise<EvidenceParts> {
    return (await readIndex(join(this.ofModel(model), digestOf(key))))?.kept.parts ?? noParts;
  }

  /**
   * Keeps what `measure` hands over, input by input. Until it has ended, an earlier result of the same text stays; after an error, or
   * when it is cancelled, nothing of the new one is left. Passes over the same text at the same time do not disturb each other.
   * @param model its contentKey.
   */
  async add(
    model: string,
    { key, text, parts }: Pick<Index, 'text' | 'parts'> & { readonly key: string },
    measure: (onInput: (input: InputStatistics) => Promise<void>) => Promise<void>,
  ): Promise<KeptEvidence> {
    const folder = join(this.ofModel(model), digestOf(key));
    const inputs: KeptInput[] = [];
    await makeFolderAtomically(folder, async (temporary) => {
      await measure(async (input) => {
        inputs.push(await writeInput(temporary, inputs.length, input));
      });
      const index: Index & { versions: unknown } = { text, parts, inputs, versions: versionsOf(algorithms) };
      const bytes = Buffer.from(`${seal(index)}\n`);
      await writeAtomically(join(temporary, indexName), (file) => file.write(bytes));
    });
    await this.trim(folder);
    return { folder, text, parts, inputs };
  }

  private ofModel(model: string): string {
    return join(this.root, model.slice(0, 32));
  }

  /** Whatever takes space counts, also what another version has kept. */
  private async trim(kept: string): Promise<void> {
    const models = await namesIn(this.root);
    const folders = models.map(async (model) =>
      (await namesIn(join(this.root, model))).map((name) => join(this.root, model, name)),
    );
    const found = (await Promise.all((await Promise.all(folders)).flat().map(spaceOf))).filter(
      (item) => item !== undefined,
    );
    let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { folder, bytes } of found.sort((a, b) => a.usedMs - b.usedMs)) {
      if (total <= this.limit) return;
      if (folder === kept) continue;
      await removeFolder(folder);
      total -= bytes;
    }
  }
}

export const noParts: EvidenceParts = { hessians: false, activations: false };

const has = (kept: EvidenceParts, needed: EvidenceParts): boolean =>
  (kept.hessians || !needed.hessians) && (kept.activations || !needed.activations);

const indexName = 'index.json';
const digestOf = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 32);
const fileOf = (folder: string, input: number, what: 'sums' | 'hessian' | 'rows'): string =>
  join(folder, `${input}.${what}`);

/** Without the folders of passes that are running. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []); // nothing is kept there
  return names.filter((name) => !name.endsWith(partialEnding));
}

/** What a folder takes, and when it was used last; undefined where another process has removed it. */
async function spaceOf(
  folder: string,
): Promise<{ folder: string; bytes: number; usedMs: number } | undefined> {
  try {
    const bytes = [...(await filesUnder(folder)).values()].reduce((sum, size) => sum + size, 0);
    const { mtimeMs } = await stat(join(folder, indexName)).catch(() => stat(folder));
    return { folder, bytes, usedMs: mtimeMs };
  } catch {
    return undefined;
  }
}

async function readIndex(folder: string): Promise<{ kept: KeptEvidence; usedMs: number } | undefined> {
  try {
    const file = join(folder, indexName);
    const value = unseal((await readFile(file, 'utf8')).trimEnd());
    if (!isRecord(value) || !areCurrent(value['versions'], algorithms)) return undefined;
    const { text, parts, inputs } = value as unknown as Index;
    return { kept: { folder, text, parts, inputs }, usedMs: (await stat(file)).mtimeMs };
  } catch {
    return undefined; // not finished, or removed in the meantime
  }
}

/** Rows of a triangle that are written at a time (entries). */
const piece = 1 << 18;

async function writeInput(folder: string, at: number, input: InputStatistics): Promise<KeptInput> {
  const { tensors, expert, rows, squares, sums, largest, gram, samples } = input;
  const columns = squares.length;
  const means = (values: Float64Array): Float64Array => values.map((value) => value / rows);
  await writeSealed(fileOf(folder, at, 'sums'), async (append) => {
    for (const values of [means(squares), means(sums), largest]) await append(values);
  });
  if (gram)
    await writeSealed(fileOf(folder, at, 'hessian'), (append) => writeTriangle(gram, columns, rows, append));
  if (samples) await writeSealed(fileOf(folder, at, 'rows'), (append) => append(samples));
  return {
    ...{ tensors, rows, columns, samples: (samples?.length ?? 0) / columns },
    ...(expert === undefined ? {} : { expert }),
  };
}

/** XᵀX / rows below its diagonal, row by row, in float32: its relative error of 6e-8 is far below what dampening adds. */
async function writeTriangle(
  gram: Float64Array,
  columns: number,
  rows: number,
  append: (values: Float32Array) => Promise<void>,
): Promise<void> {
  const buffer = new Float32Array(piece + columns);
  let used = 0;
  for (let row = 0; row < columns; row++) {
    for (let column = 0; column <= row; column++) buffer[used++] = gram[row * columns + column]! / rows;
    if (used < piece) continue;
    await append(buffer.subarray(0, used));
    used = 0;
  }
  await append(buffer.subarray(0, used));
}

/** The kept numbers of an input; undefined where they are damaged or missing. */
export const keptNumbers = {
  /** Mean of x², mean of x, max|x|. */
  async sums(folder: string, at: number, { columns }: KeptInput) {
    const values = new Float64Array(3 * columns);
    if (!(await readSealed(fileOf(folder, at, 'sums'), values))) return undefined;
    const part = (index: number): Float64Array => values.subarray(index * columns, (index + 1) * columns);
    return { squares: part(0), means: part(1), largest: part(2) };
  },
  /** Adds XᵀX / rows, times a weight, to `[columns, columns]`. */
  async addHessian(folder: string, at: number, { columns }: KeptInput, weight: number, target: Float64Array) {
    const values = new Float32Array(triangle(columns));
    if (!(await readSealed(fileOf(folder, at, 'hessian'), values))) return undefined;
    let next = 0;
    for (let row = 0; row < columns; row++)
      for (let column = 0; column <= row; column++) {
        const value = weight * values[next++]!;
        target[row * columns + column]! += value;
        if (column < row) target[column * columns + row]! += value;
      }
    return target;
  },
  /** `[samples, columns]`. */
  async rows(folder: string, at: number, { columns, samples }: KeptInput) {
    const values = new Float32Array(samples * columns);
    return (await readSealed(fileOf(folder, at, 'rows'), values)) ? values : undefined;
  },
};
