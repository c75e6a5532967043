import {
  changeTotals,
  relativeChange,
  spectrumSentence,
  type ChangeSpectra,
  type ChangeSpectrum,
} from '../protocol/spectrum';
import { plural } from '../protocol/words';
import type { CommandResult } from './command';
import { count, figure, table } from './text';

/** Numbers of directions whose share of the change is printed. */
const directions = [8, 16, 32, 64];

const legend = [
  'change: size of B − A as a share of A (Frobenius norms). rank: directions that stand out of the rest.',
  `first ${directions.join(', ')}: share of the squared change that so many of its largest singular values hold.`,
];

/** What changed in each matrix, and in how many directions; those that changed most come first. */
export function spectraResult(result: ChangeSpectra, limit: number): CommandResult {
  const { spectra, skipped } = result;
  const changed = spectra.filter(({ norm }) => norm > 0);
  const sorted = [...changed].sort((a, b) => relativeChange(b) - relativeChange(a));
  const shares = directions.map((of, i) => (i === 0 ? `first ${of}` : String(of)));
  const head = ['matrix', 'change', 'rank', ...shares, ''];
  return {
    json: result,
    lines: [
      ...(sorted.length > 0 ? [...table(head, sorted.slice(0, limit).map(rowOf)), '', ...legend] : []),
      `${count(changed.length)} of ${count(spectra.length)} matrices changed; ${changeTotals(spectra)}`,
      ...leftOut(skipped),
    ],
  };
}

function rowOf(spectrum: ChangeSpectrum): string[] {
  const { name, kind, rank, shares } = spectrum;
  const shareIn = (wanted: number): string => {
    const share = shares.find(({ count: of }) => of === wanted)?.share ?? NaN;
    return `${(100 * share).toFixed(1)} %`;
  };
  return [
    name,
    figure(relativeChange(spectrum)),
    kind === 'full' ? `≥ ${rank}` : String(rank),
    ...directions.map(shareIn),
    spectrumSentence(spectrum),
  ];
}

/** Each reason once, with how many tensors have it. */
function leftOut(skipped: ChangeSpectra['skipped']): string[] {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) {
    const [, text] = reasons.find(([pattern]) => pattern.test(reason)) ?? [undefined, reason];
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, of]) => `Left out: ${plural(of, 'tensor')}. ${text}`);
}

/** Reasons that differ from tensor to tensor, or speak of one, as those of several. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/only matrices have singular values/, 'Only matrices have singular values.'],
  [/^It is in one of the models only/, 'Only one of the models has them.'],
  [/^Its shapes differ/, 'Their shapes differ.'],
];
