import type { PairsResult, Retrieval } from '../protocol/embedding';
import { estimateText, percentText } from '../protocol/figures';
import { plural } from '../protocol/words';
import { checkDigests, thisFile, UsageError, type CommandContext } from './command';

/** Options of `eval` that mean something for pairs of texts. */
const used = new Set([
  ...['pairs', 'plan', 'type', 'format', 'imatrix', 'device', 'threads', 'json'],
  ...[thisFile, checkDigests],
]);

/** @throws UsageError for options that only go with texts and questions. */
export function checkPairsOptions({ options }: Pick<CommandContext, 'options'>): void {
  const other = Object.entries(options).find(
    ([name, value]) => value !== undefined && value !== false && !used.has(name),
  );
  if (other) throw new UsageError(`--${other[0]} does not go with --pairs.`);
}

/** What was embedded. */
export function pairsText({ file, pairs, documents, texts, pooling, cut, longest }: PairsResult): string {
  const amount = `${plural(pairs, 'pair')}, ${plural(documents, 'document')}, ${plural(texts, 'text')}, pooling: ${pooling}`;
  const shortened = cut === 0 ? '' : `; ${plural(cut, 'text')} cut to ${plural(longest, 'token')}`;
  return `${file}: ${amount}${shortened}`;
}

/** Figures of the variant, and of the original beside them where there are two. */
export function pairsRows({ retrieval, original }: PairsResult): [string, string][] {
  const row = (name: string, text: (of: Retrieval) => string): [string, string] => [
    name,
    original ? `${text(retrieval)} (original ${text(original.retrieval)})` : text(retrieval),
  ];
  return [
    row('own document first', ({ first }) => percentText(first)),
    row('own document among ten', ({ amongTen }) => percentText(amongTen)),
    row('mean reciprocal rank', ({ reciprocalRank }) => estimateText(reciprocalRank)),
    ...(original
      ? ([
          ['cosine with the original, mean', estimateText(original.cosine)],
          ['cosine with the original, least', original.leastCosine.toPrecision(6)],
          ['same first document', percentText(original.sameFirst)],
        ] as [string, string][])
      : []),
  ];
}
