import { resolve } from 'node:path';
import type { EmbeddingParams, EmbeddingResult, Retrieval } from '../protocol/embedding';
import { estimateText, percentText } from '../protocol/figures';
import { plural, size } from '../protocol/words';
import {
  checkDigests,
  countOption,
  textOption,
  thisFile,
  UsageError,
  type CommandContext,
  type CommandResult,
} from './command';
import { deviceOption } from './sensitivity';
import { table } from './text';

/** Options of `eval` that mean something for pairs of texts. */
const used = new Set([
  ...['pairs', 'plan', 'type', 'format', 'imatrix', 'device', 'threads', 'json'],
  ...[thisFile, checkDigests],
]);

/**
 * `quantscope eval MODEL --pairs F`: retrieval with a model that embeds texts.
 * @throws UsageError for options that only go with texts and questions.
 */
export async function evalPairs(context: CommandContext, pairs: string): Promise<CommandResult> {
  const other = Object.entries(context.options).find(
    ([name, value]) => value !== undefined && value !== false && !used.has(name),
  );
  if (other) throw new UsageError(`--${other[0]} does not go with --pairs.`);
  const file = (name: string): string | undefined => {
    const value = textOption(context, name);
    return value === undefined ? undefined : resolve(value);
  };
  const variant = {
    planFile: file('plan'),
    type: textOption(context, 'type'),
    format: textOption(context, 'format'),
  };
  const variants = Object.values(variant).filter((value) => value !== undefined).length;
  if (variants > 1) throw new UsageError('--plan, --type and --format are mutually exclusive.');
  const imatrix = file('imatrix');
  if (imatrix !== undefined && variants === 0)
    throw new UsageError('--imatrix needs --plan, --type or --format.');
  const settings = { ...variant, imatrix, threads: countOption(context, 'threads') };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const params: EmbeddingParams = {
    ...context.model,
    ...{ pairs: resolve(pairs), cacheDir: context.evaluationDir, device: deviceOption(context) },
    ...Object.fromEntries(given),
  };
  const { jobs, signal, progress } = context;
  const result = await jobs['embeddings/run'](params, { signal, progress });
  return { json: result, lines: describe(result) };
}

function describe(result: EmbeddingResult): string[] {
  const { model, variant, pairs, documents, texts, cut, longest, original } = result;
  const columns = [result.retrieval, ...(original ? [original.retrieval] : [])];
  const row = (name: string, text: (retrieval: Retrieval) => string): string[] => [
    name,
    ...columns.map(text),
  ];
  const more = original
    ? [
        ['cosine with the original, mean', estimateText(original.cosine), ''],
        ['cosine with the original, least', original.leastCosine.toPrecision(6), ''],
        ['same first document', percentText(original.sameFirst), ''],
      ]
    : [];
  const shortened = cut === 0 ? [] : [`${plural(cut, 'text')} cut to ${plural(longest, 'token')}`];
  return [
    `${model.name}: ${variant}`,
    `${plural(pairs, 'pair')}, ${plural(documents, 'document')}, ${plural(texts, 'text')}, pooling: ${result.pooling}`,
    ...shortened,
    ...table(
      ['figure', variant, ...(original ? ['original'] : [])],
      [
        row('own document first', ({ first }) => percentText(first)),
        row('own document among ten', ({ amongTen }) => percentText(amongTen)),
        row('mean reciprocal rank', ({ reciprocalRank }) => estimateText(reciprocalRank)),
        ...more,
      ],
    ),
    `${size(result.bytes)}, ${result.bitsPerWeight.toFixed(3)} bits per weight, ${result.seconds.toFixed(1)} s on ${result.deviceLabel}`,
  ];
}
