import { basename } from 'node:path';
import { dot, normalized, rank, readPairs, retrievalOf, type Ranking } from '../../evaluation/pairs';
import { mean, share } from '../../evaluation/statistics';
import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { turn } from '../../graph/transformer/decoder';
import { openEmbedder, type Embedder } from '../../graph/transformer/embedding/embedder';
import type { WeightChanges } from '../../graph/transformer/weights';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import { nameFromPath } from '../../model/modelName';
import type { EmbeddingParams, EmbeddingResult } from '../../protocol/embedding';
import { leastOf } from '../../protocol/extremes';
import type { JobContext } from '../job';
import { StepMeter } from './progress';
import { runDevice } from './runPlan';
import { planVariant } from './weightVariant';

/**
 * Embeds pairs of texts with a model, and with a variant of it where one is named, and counts how many queries find their document.
 * @throws QuantscopeError UNSUPPORTED for a model that does not embed texts, REQUEST and IO for the file of pairs, and as `planVariant`.
 */
export async function runPairs(
  model: Model,
  params: EmbeddingParams,
  context: JobContext,
): Promise<EmbeddingResult> {
  const { signal } = context;
  const started = performance.now();
  const { path } = model.description;
  await (await openEmbedder(model, { device: 'ort-cpu' })).close(); // says before anything else that it cannot
  const pairs = await readPairs(params.pairs, signal);
  const where = await runDevice(params.device, signal);
  const variant = await planVariant(model, params, context);
  const isChanged = variant.changes.size > 0;
  const tokenizer = await openTokenizer(model, signal);
  let meter: StepMeter | undefined;
  const embedBy = async (changes?: WeightChanges) => {
    const embedder = await openEmbedder(model, { device: where.device, changes });
    try {
      const { texts, cut } = await tokensOf(pairs.texts, tokenizer, embedder, params.pairs, signal);
      const { length } = embedder.pass.blocks;
      const steps = texts.length * length * (isChanged ? 2 : 1);
      meter ??= new StepMeter(steps, texts.length, where.device, context.progress);
      const onStep = (): void => meter?.step(`embedding ${texts.length} texts`);
      const vectors = normalized(await embedder.embed(texts, { signal, onStep }));
      return { vectors, cut, longest: embedder.longest, pooling: embedder.pass.pooling };
    } finally {
      await embedder.close();
    }
  };
  const pause = async (): Promise<void> => {
    throwIfCancelled(signal);
    await turn();
  };
  const found = await embedBy(variant.changes);
  const ranking = await rank(pairs, found.vectors, pause);
  const original = isChanged ? (await embedBy()).vectors : undefined;
  return {
    model: { name: nameFromPath(model.folder, basename(path)), path },
    variant: variant.label,
    bytes: variant.bytes,
    bitsPerWeight: (8 * variant.bytes) / variant.parameters,
    pairs: pairs.pairs.length,
    documents: new Set(pairs.pairs.map(({ document }) => document)).size,
    texts: pairs.texts.length,
    ...{ cut: found.cut, longest: found.longest, pooling: found.pooling },
    retrieval: retrievalOf(ranking),
    ...(original
      ? { original: compared(found.vectors, original, ranking, await rank(pairs, original, pause)) }
      : {}),
    seconds: (performance.now() - started) / 1000,
    device: where.device,
    deviceLabel: where.label,
  };
}

function compared(
  ours: readonly Float32Array[],
  theirs: readonly Float32Array[],
  ranking: Ranking,
  other: Ranking,
): NonNullable<EmbeddingResult['original']> {
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
      throw new QuantscopeError('REQUEST', `The text ${JSON.stringify(text.slice(0, 80))} has no tokens.`, {
        file,
      });
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
