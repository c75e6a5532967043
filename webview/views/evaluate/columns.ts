import * as l10n from '@vscode/l10n';
import type { Retrieval } from '../../../src/protocol/embedding';
import type { Divergence, EvaluationResult } from '../../../src/protocol/evaluation';
import { estimateText, percentText, preciseText } from '../../../src/protocol/figures';
import { bits, number } from '../../format';
import { resultName } from '../../../src/protocol/resultName';
import { size } from '../../../src/protocol/words';

/** One figure of a result: what it is called, what it means, what orders it, and how it is shown. */
export interface Column {
  readonly id: string;
  readonly label: string;
  /** The definition, for the header's tooltip. */
  readonly meaning: string;
  /** Undefined where the run did not measure it. */
  readonly value: (result: EvaluationResult) => number | string | undefined;
  readonly show: (result: EvaluationResult) => string;
  /** Details for the cell's tooltip. */
  readonly detail?: (result: EvaluationResult) => string | undefined;
}

type Figure = Omit<Column, 'value' | 'show'> & {
  readonly value: (result: EvaluationResult) => number | undefined;
  readonly show: (value: number, result: EvaluationResult) => string;
};

/** A column of a figure that some runs lack. */
const figure = ({ show, ...column }: Figure): Column => ({
  ...column,
  show: (result) => {
    const value = column.value(result);
    return value === undefined ? '–' : show(value, result);
  },
});

/** A column of the divergence from the base. */
const divergence = (
  column: Pick<Column, 'id' | 'label' | 'meaning'> & {
    value: (divergence: Divergence) => number;
    show: (divergence: Divergence) => string;
  },
): Column =>
  figure({
    ...column,
    value: ({ text }) => text?.divergence && column.value(text.divergence),
    show: (_, { text }) => (text?.divergence ? column.show(text.divergence) : '–'),
    detail: ({ text }) => text?.divergence && l10n.t('from {0}', text.divergence.base),
  });

/** A column of how well documents are found. */
const retrieval = (
  column: Pick<Column, 'id' | 'label' | 'meaning'> & {
    value: (retrieval: Retrieval) => number;
    show: (retrieval: Retrieval) => string;
  },
): Column =>
  figure({
    ...column,
    value: ({ pairs }) => pairs && column.value(pairs.retrieval),
    show: (_, { pairs }) => (pairs ? column.show(pairs.retrieval) : '–'),
    detail: ({ pairs }) => pairs?.original && l10n.t('original: {0}', column.show(pairs.original.retrieval)),
  });

const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)} %`;

/** The decisive figures come first, to be visible in a narrow panel. */
export const columns: readonly Column[] = [
  divergence({
    id: 'kld',
    label: l10n.t('Mean KLD'),
    meaning: l10n.t(
      'Kullback–Leibler divergence of the probabilities of the next token from those of the base, mean over the scored tokens, in nats, with its standard error',
    ),
    value: ({ mean }) => mean.value,
    show: ({ mean }) => estimateText(mean),
  }),
  figure({
    id: 'perplexity',
    label: l10n.t('Perplexity'),
    meaning: l10n.t('exp(mean of −ln p of the scored tokens), with its standard error; lower is better'),
    value: ({ text }) => text?.perplexity.value,
    show: (_, { text }) => (text ? preciseText(text.perplexity) : '–'),
    detail: ({ text }) => text && l10n.t('{0} nats per token', preciseText(text.loss)),
  }),
  figure({
    id: 'cosine',
    label: l10n.t('Cosine'),
    meaning: l10n.t(
      'Cosine of the embedding of a text and the one that the original gives, mean over all texts, with its standard error',
    ),
    value: ({ pairs }) => pairs?.original?.cosine.value,
    show: (_, { pairs }) => (pairs?.original ? estimateText(pairs.original.cosine) : '–'),
    detail: ({ pairs }) =>
      pairs?.original && l10n.t('at least {0}', pairs.original.leastCosine.toPrecision(6)),
  }),
  retrieval({
    id: 'first',
    label: l10n.t('Found first'),
    meaning: l10n.t(
      'Share of queries whose own document has the largest cosine of all documents of the file, with its standard error',
    ),
    value: ({ first }) => first.value,
    show: ({ first }) => percentText(first),
  }),
  retrieval({
    id: 'ten',
    label: l10n.t('Among ten'),
    meaning: l10n.t('Share of queries whose own document is one of the ten with the largest cosines'),
    value: ({ amongTen }) => amongTen.value,
    show: ({ amongTen }) => percentText(amongTen),
  }),
  retrieval({
    id: 'rank',
    label: l10n.t('1 / rank'),
    meaning: l10n.t(
      'Mean reciprocal rank of the own document among all documents of the file, with its standard error',
    ),
    value: ({ reciprocalRank }) => reciprocalRank.value,
    show: ({ reciprocalRank }) => estimateText(reciprocalRank),
  }),
  figure({
    id: 'sameFirst',
    label: l10n.t('Same first'),
    meaning: l10n.t(
      'Share of queries for which the original has the same document first, with its standard error',
    ),
    value: ({ pairs }) => pairs?.original?.sameFirst.value,
    show: (_, { pairs }) => (pairs?.original ? percentText(pairs.original.sameFirst) : '–'),
  }),
  figure({
    id: 'size',
    label: l10n.t('Size'),
    meaning: l10n.t('Bytes of all tensors in this variant'),
    value: ({ bytes }) => bytes,
    show: size,
    detail: ({ bytes }) => l10n.t('{0} bytes', bytes.toLocaleString('en-US')),
  }),
  figure({
    id: 'bits',
    label: l10n.t('bpw'),
    meaning: l10n.t('Bits per weight: 8 × bytes / parameters of the whole model'),
    value: ({ bitsPerWeight }) => bitsPerWeight,
    show: bits,
  }),
  divergence({
    id: 'ratio',
    label: l10n.t('ln PPL ratio'),
    meaning: l10n.t(
      'ln(perplexity / perplexity of the base), token by token: nats per token that the variant loses, with its standard error',
    ),
    value: ({ logPerplexityRatio }) => logPerplexityRatio.value,
    show: ({ logPerplexityRatio }) => estimateText(logPerplexityRatio),
  }),
  divergence({
    id: 'kld999',
    label: l10n.t('99.9 % KLD'),
    meaning: l10n.t(
      'Divergence, in nats, that 99.9 % of the tokens stay below: how bad the worst tokens are',
    ),
    value: ({ percentile999 }) => percentile999,
    show: ({ percentile999 }) => number(percentile999, 3),
  }),
  divergence({
    id: 'top',
    label: l10n.t('Same top token'),
    meaning: l10n.t(
      'Share of tokens whose most probable continuation is that of the base, with its standard error',
    ),
    value: ({ sameTopToken }) => sameTopToken.value,
    show: ({ sameTopToken }) => percentText(sameTopToken),
  }),
  divergence({
    id: 'deltaP',
    label: l10n.t('Δp rms'),
    meaning: l10n.t('Root mean square of the change of the probability that the text’s own token gets'),
    value: ({ deltaPRms }) => deltaPRms,
    show: ({ deltaPRms }) => percent(deltaPRms),
  }),
  figure({
    id: 'accuracy',
    label: l10n.t('Accuracy'),
    meaning: l10n.t('Share of questions whose right choice is the likeliest, with its standard error'),
    value: ({ tasks }) => tasks?.accuracy.value,
    show: (_, { tasks }) => (tasks ? percentText(tasks.accuracy) : '–'),
    detail: ({ tasks }) =>
      tasks &&
      l10n.t(
        '{0} questions of {1}; {2} by likelihood per byte of the choice',
        tasks.questions,
        tasks.file.replace(/^.*[\\/]/, ''),
        percentText(tasks.normalizedAccuracy),
      ),
  }),
  figure({
    id: 'speed',
    label: l10n.t('Tokens/s'),
    meaning: l10n.t('Tokens processed per second when windows are scored, weight loading included'),
    value: ({ measures }) => measures.tokensPerSecond || undefined, // 0 where only questions were asked
    show: (value) => number(value, 3),
    detail: ({ measures }) => l10n.t('the whole run took {0} s', number(measures.seconds, 3)),
  }),
  figure({
    id: 'latency',
    label: l10n.t('ms/token'),
    meaning: l10n.t(
      'Generation: time until the first token after a full window / for each token that follows, in milliseconds',
    ),
    value: ({ measures }) => measures.nextTokenMs,
    show: (value, { measures }) => `${number(measures.firstTokenMs ?? NaN, 3)} / ${number(value, 3)}`,
  }),
  figure({
    id: 'memory',
    label: l10n.t('Peak memory'),
    meaning: l10n.t('Peak memory of the engine process during the run'),
    value: ({ measures }) => measures.peakMemory,
    show: size,
    detail: ({ measures }) =>
      measures.memory === 'whole' ? l10n.t('the whole model at once') : l10n.t('block by block'),
  }),
  {
    id: 'device',
    label: l10n.t('Device'),
    meaning: l10n.t('The device that ran the model'),
    value: ({ deviceLabel }) => deviceLabel,
    show: ({ deviceLabel }) => deviceLabel,
  },
  {
    id: 'date',
    label: l10n.t('Date'),
    meaning: l10n.t('When the run ended'),
    value: ({ at }) => at,
    show: ({ at }) => new Date(at).toLocaleString('en-GB', { dateStyle: 'short', timeStyle: 'short' }),
  },
];

/** The first column, which every table has. */
export const variantColumn: Column = {
  id: 'variant',
  label: l10n.t('Variant'),
  meaning: l10n.t('How the weights were changed before the run'),
  value: ({ variant }) => variant,
  show: ({ variant }) => variant,
};

/** What a row is called. @param path the model in the editor. */
export const nameOf = (result: EvaluationResult, path: string): string =>
  resultName(result, result.model.path === path);
