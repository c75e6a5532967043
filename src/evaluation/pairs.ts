import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readTextFile } from '../model/textFile';
import type { Retrieval } from '../protocol/embedding';
import { said } from '../protocol/said';
import { mean, share } from './statistics';

/** A query and the document that answers it: indexes of texts, each text listed once. */
export interface Pairs {
  readonly texts: readonly string[];
  readonly pairs: readonly { readonly query: number; readonly document: number }[];
}

/** Every query is compared with every document. */
const maxPairs = 5000;

/** Bytes; texts of that many pairs have less. */
const maxPairFile = 256 * 1024 * 1024;

/**
 * Reads pairs from JSONL: `{"query", "document"}`, blank lines skipped.
 * @throws QuantscopeError REQUEST naming file and line of what is not a pair, IO when the file cannot be read.
 */
export async function readPairs(file: string, signal?: AbortSignal): Promise<Pairs> {
  const text = await readTextFile(file, maxPairFile, signal);
  return parsePairs(text.replace(/^\uFEFF/, ''), file);
}

/** The pairs of a file's text; `file` is for errors. */
export function parsePairs(text: string, file: string): Pairs {
  const numbers = new Map<string, number>();
  const numberOf = (item: string): number => {
    const known = numbers.get(item) ?? numbers.size;
    numbers.set(item, known);
    return known;
  };
  const pairs = text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '') return [];
    const { query, document } = parseLine(line, index + 1, file);
    return { query: numberOf(query), document: numberOf(document) };
  });
  if (pairs.length < 2)
    throw new QuantscopeError('REQUEST', said`The file has ${pairs.length} pairs; at least 2 are needed.`, {
      file,
    });
  if (pairs.length > maxPairs)
    throw new QuantscopeError(
      'REQUEST',
      said`The file has ${pairs.length} pairs; at most ${maxPairs} are compared.`,
      { file },
    );
  return { texts: [...numbers.keys()], pairs };
}

function parseLine(text: string, line: number, file: string): { query: string; document: string } {
  const bad = (what: string, cause?: unknown): QuantscopeError =>
    new QuantscopeError('REQUEST', said`Line ${line} ${what}.`, { file }, cause);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(said`is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  const { query, document } = isRecord(value) ? value : {};
  const isText = (item: unknown): item is string => typeof item === 'string' && item.trim() !== '';
  if (isText(query) && isText(document)) return { query, document };
  throw bad(said`needs a "query" and a "document", both texts that are not empty`);
}

/** Vectors of length 1, so that products are cosines; a vector of zeros stays one. */
export function normalized(vectors: readonly Float32Array[]): Float32Array[] {
  return vectors.map((vector) => {
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
    return length === 0 ? vector.slice() : vector.map((x) => x / length);
  });
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** For each query: the rank of its own document among all, from 1, and the document with the largest cosine. */
export interface Ranking {
  readonly ranks: Float64Array;
  readonly firsts: readonly number[];
}

/**
 * @param vectors of all texts, of length 1.
 * @param pause between queries: lets messages through, and throws when the work is cancelled.
 */
export async function rank(
  { pairs }: Pairs,
  vectors: readonly Float32Array[],
  pause: () => Promise<void>,
): Promise<Ranking> {
  const documents = [...new Set(pairs.map(({ document }) => document))];
  const ranks = new Float64Array(pairs.length);
  const firsts: number[] = [];
  for (const [i, { query, document }] of pairs.entries()) {
    const own = dot(vectors[query]!, vectors[document]!);
    let [first, most] = [document, -Infinity];
    ranks[i] = 1;
    for (const other of documents) {
      const cosine = dot(vectors[query]!, vectors[other]!);
      // Not "at least": a cosine that is not a number is no better than any other.
      if (other !== document && !(cosine < own)) ranks[i] += 1;
      if (cosine > most) [first, most] = [other, cosine];
    }
    firsts.push(first);
    await pause();
  }
  return { ranks, firsts };
}

export const retrievalOf = ({ ranks }: Ranking): Retrieval => ({
  first: share(ranks.map((found) => (found === 1 ? 1 : 0))),
  amongTen: share(ranks.map((found) => (found <= 10 ? 1 : 0))),
  reciprocalRank: mean(ranks.map((found) => 1 / found)),
});
