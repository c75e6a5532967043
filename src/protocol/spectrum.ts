import * as l10n from '@vscode/l10n';
import { greatestOf, leastOf } from './extremes';
import { plural } from './words';

/** How a change of a matrix is spread over its directions. */
export type ChangeKind =
  /** Nothing differs. */
  | 'none'
  /** Few directions hold all but what rounding to the stored dtype causes: that of a merged low-rank adapter. */
  | 'low rank'
  /** Few directions stand out of a rest that rounding does not explain. */
  | 'directions'
  /** No direction stands out: noise, as quantizing makes. */
  | 'spread'
  /** More directions stand out than were looked for, or than a low rank has. */
  | 'full';

/** Singular values of B − A, of one matrix. */
export interface ChangeSpectrum {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** ‖B − A‖ and ‖A‖, Frobenius norms. */
  readonly norm: number;
  readonly baseNorm: number;
  /** The largest, descending: all of a small matrix, 128 of a large one. */
  readonly singularValues: readonly number[];
  readonly isComplete: boolean;
  readonly kind: ChangeKind;
  /** Directions that stand out of the rest; the number that was looked for where `kind` is `full`. */
  readonly rank: number;
  /** Share of ‖B − A‖² that the largest singular values hold. */
  readonly shares: readonly { readonly count: number; readonly share: number }[];
  /** Dtypes whose rounding explains the rest of a low rank. */
  readonly dtypes: readonly string[];
}

/** Numbers of the largest singular values whose share is told. */
export const shareCounts = [1, 8, 16, 32, 64] as const;

/** Matrices whose changes were looked at, and others with the reason why not. */
export interface ChangeSpectra {
  readonly spectra: readonly ChangeSpectrum[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** Share of the change in the directions that stand out. */
export function shareOfRank({ singularValues, rank, norm }: ChangeSpectrum): number {
  const energy = singularValues.slice(0, rank).reduce((sum, value) => sum + value * value, 0);
  return norm === 0 ? 0 : Math.min(1, energy / (norm * norm));
}

/** ‖B − A‖ / ‖A‖. */
export const relativeChange = ({ norm, baseNorm }: Pick<ChangeSpectrum, 'norm' | 'baseNorm'>): number =>
  norm === 0 ? 0 : norm / baseNorm;

/** How many matrices changed in which way, as a sentence. */
export function changeTotals(spectra: readonly ChangeSpectrum[]): string {
  const ranks = spectra.flatMap(({ kind, rank }) => (kind === 'low rank' ? [rank] : []));
  const of = (kind: ChangeKind): number => spectra.filter((spectrum) => spectrum.kind === kind).length;
  const parts = [
    ...(ranks.length > 0
      ? [
          l10n.t(
            '{0} by a low rank of {1}{2}, as a merged LoRA does',
            ranks.length,
            leastOf(ranks),
            rangeEnd(ranks),
          ),
        ]
      : []),
    ...(of('directions') > 0 ? [l10n.t('{0} in directions that stand out of a rest', of('directions'))] : []),
    ...(of('full') > 0 ? [l10n.t('{0} not by a low rank', of('full'))] : []),
    ...(of('spread') > 0 ? [l10n.t('{0} by what is spread as noise', of('spread'))] : []),
  ];
  return parts.length === 0 ? l10n.t('nothing differs.') : `${parts.join(', ')}.`;
}

const rangeEnd = (ranks: readonly number[]): string => {
  const [least, most] = [leastOf(ranks), greatestOf(ranks)];
  return least === most ? '' : l10n.t(' to {0}', most);
};

/** What a spectrum says, as a sentence. */
export function spectrumSentence(spectrum: ChangeSpectrum): string {
  const { kind, rank, dtypes } = spectrum;
  const held = `${(100 * shareOfRank(spectrum)).toFixed(1)} %`;
  switch (kind) {
    case 'none':
      return l10n.t('Nothing differs.');
    case 'low rank':
      return l10n.t(
        'Looks like a merged LoRA of rank {0}: the rest is what rounding to {1} causes.',
        rank,
        [...new Set(dtypes)].join(l10n.t(' and ')),
      );
    case 'directions':
      return rank === 1
        ? l10n.t(
            '{0} stands out and holds {1} of the change; the rest is spread.',
            plural(1, 'direction'),
            held,
          )
        : l10n.t(
            '{0} stand out and hold {1} of the change; the rest is spread.',
            plural(rank, 'direction'),
            held,
          );
    case 'spread':
      return l10n.t('No direction stands out: the change is spread as noise is, such as that of quantizing.');
    case 'full':
      return l10n.t(
        'Not of low rank: at least {0} stand out, which hold {1} of the change.',
        plural(rank, 'direction'),
        held,
      );
  }
}
