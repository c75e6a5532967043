import { createHash } from 'node:crypto';
import { peakMemory } from '../../evaluation/measures';
import {
  dot,
  normalized,
  rank,
  readPairs,
  retrievalOf,
  type Pairs,
  type Ranking,
} from '../../evaluation/pairs';
import { mean, share } from '../../evaluation/statistics';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { openEmbedder, type Embedder } from '../../graph/transformer/embedding/embedder';
import { turn } from '../../graph/transformer/pass';
import type { WeightChanges } from '../../graph/transformer/weights';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { PairsResult } from '../../protocol/embedding';
import type { EvaluationParams, RunMeasures } from '../../protocol/evaluation';
import { greatestOf, leastOf } from '../../protocol/extremes';
import { said } from '../../protocol/said';
import { StepMeter } from './progress';
import type { Run } from './run';

/** Pairs of texts that a model embedded. */
export interface PairsRun {
  readonly result: PairsResult;
  readonly measures: Omit<RunMeasures, 'seconds'>;
}

/** @throws QuantscopeError REQUEST for settings that mean nothing where texts are embedded. */
export function refuseOthers(params: EvaluationParams): void {
  const { text, tasks, recipe, against, roundActivations } = params;
  const refuse = (what: string): QuantscopeError =>
    new QuantscopeError('REQUEST', said`Pairs of texts are embedded in float32: ${what} goes with them.`);
  if (text !== undefined || tasks !== undefined) throw refuse(said`neither a text nor a file of questions`);
  if (recipe) throw refuse('no recipe');
  if (against !== undefined) throw refuse(said`no other base`);
  if (roundActivations) throw refuse(said`no rounding of activations`);
  const { convention, context, stride, windows } = params;
  if (context !== undefined || stride !== undefined || windows !== undefined || convention === 'sliding')
    throw refuse('no window');
  if (params.memory === 'whole') throw refuse(said`no model that is kept in memory as a whole`);
}

/**
 * Embeds pairs of texts with a model, and with its original where weights are changed, and counts how many queries find their document.
 * @throws QuantscopeError UNSUPPORTED for a model that does not embed texts, REQUEST and IO for the file of pairs.
 */
export async function evaluatePairs(
  { model, variant, where, context }: Run,
  file: string,
  tokenizer: TextTokenizer,
): Promise<PairsRun> {
  const { signal } = context;
  const pairs = await readPairs(file, signal);
  const isChanged = variant.changes.size > 0;
  const started = performance.now();
  let meter: StepMeter | undefined;
  const embedBy = async (changes?: WeightChanges) => {
    const embedder = await openEmbedder(model, { device: where.device, changes });
    try {
      const { texts, cut } = await tokensOf(pairs.texts, tokenizer, embedder, file, signal);
      const { blocks, pooling } = embedder.pass;
      const steps = texts.length * blocks.length * (isChanged ? 2 : 1);
      meter ??= new StepMeter(steps, texts.length, where.device, context.progress);
      const onStep = (): void => meter?.step(said`embedding ${texts.length} texts`);
      const vectors = normalized(await embedder.embed(texts, { signal, onStep }));
      const blockBytes = greatestOf(blocks.map(({ bytes }) => bytes));
      return { vectors, texts, cut, longest: embedder.longest, pooling, blockBytes };
    } finally {
      await embedder.close();
    }
  };
  const pause = async (): Promise<void> => {
    throwIfCancelled(signal);
    await turn();
  };
  const { vectors, texts, cut, longest, pooling, blockBytes } = await embedBy(variant.changes);
  const ranking = await rank(pairs, vectors, pause);
  const original = isChanged ? (await embedBy()).vectors : undefined;
  const seconds = (performance.now() - started) / 1000;
  const tokens = texts.reduce((sum, { length }) => sum + length, 0) * (isChanged ? 2 : 1);
  return {
    result: {
      ...{ file, hash: hashOf(pairs, texts), pairs: pairs.pairs.length, texts: texts.length },
      documents: new Set(pairs.pairs.map(({ document }) => document)).size,
      ...{ cut, longest, pooling, retrieval: retrievalOf(ranking) },
      ...(original
        ? { original: compared(vectors, original, ranking, await rank(pairs, original, pause)) }
        : {}),
    },
    measures: {
      ...{ tokensPerSecond: tokens / seconds, peakMemory: peakMemory(), blockBytes },
      memory: 'streamed',
    },
  };
}

/** What results must have in common to be compared. */
function hashOf({ pairs }: Pairs, texts: readonly Int32Array[]): string {
  const hash = createHash('sha256').update(JSON.stringify(pairs));
  for (const tokens of texts) hash.update(Int32Array.of(tokens.length)).update(tokens);
  return hash.digest('hex');
}

function compared(
  ours: readonly Float32Array[],
  theirs: readonly Float32Array[],
  ranking: Ranking,
  other: Ranking,
): NonNullable<PairsResult['original']> {
  const cosines = Float64Array.from(ours, (vector, i) => Math.min(1, dot(vector, theirs[i]!)));
  return {
    retrieval: retrievalOf(other),
    cosine: mean(cosines),
    leastCosine: leastOf(cosines),
    sameFirst: share(Float64Array.from(ranking.firsts, (first, i) => (first === other.firsts[i] ? 1 : 0))),
  };
}

/** Tokens of each text, with those that the model puts around one; of a text that is too long the first, and what ends it. */
async function tokensOf(
  all: readonly string[],
  tokenizer: TextTokenizer,
  { longest }: Embedder,
  file: string,
  signal: AbortSignal,
): Promise<{ texts: Int32Array[]; cut: number }> {
  const texts: Int32Array[] = [];
  let cut = 0;
  for (const text of all) {
    const tokens = await tokenizer.encode(text, { addSpecial: true, signal });
    if (tokens.length === 0)
      throw new QuantscopeError(
        'REQUEST',
        said`The text ${JSON.stringify(text.slice(0, 80))} has no tokens.`,
        {
          file,
        },
      );
    if (tokens.length > longest) cut += 1;
    const end = tokenizer.addsEos ? tokens.subarray(-1) : tokens.subarray(0, 0);
    texts.push(
      tokens.length > longest
        ? Int32Array.from([...tokens.subarray(0, longest - end.length), ...end])
        : tokens,
    );
  }
  return { texts, cut };
}
