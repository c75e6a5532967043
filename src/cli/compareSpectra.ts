import {
  changeTotals,
  relativeChange,
  spectrumSentence,
  type ChangeSpectra,
  type ChangeSpectrum,
} from '../protocol/spectrum';
import type { CommandResult } from './command';
import { count, figure, table } from './text';

/** What changed in each matrix, and in how many directions; those that changed most come first. */
export function spectraResult(result: ChangeSpectra, limit: number): CommandResult {
  const { spectra, skipped } = result;
  const changed = spectra.filter(({ norm }) => norm > 0);
  const sorted = [...changed].sort((a, b) => relativeChange(b) - relativeChange(a));
  const head = ['matrix', 'change', 'rank', 'in 8', 'in 16', 'in 32', 'in 64', ''];
  return {
    json: result,
    lines: [
      ...(sorted.length > 0 ? [...table(head, sorted.slice(0, limit).map(rowOf)), ''] : []),
      `${count(changed.length)} of ${count(spectra.length)} matrices changed; ${changeTotals(spectra)}`,
      ...(skipped.length > 0
        ? [`${count(skipped.length)} tensors have no spectrum: ${reasons(skipped)}`]
        : []),
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
    ...[8, 16, 32, 64].map(shareIn),
    spectrumSentence(spectrum),
  ];
}

/** Each reason once, with how many tensors have it. */
function reasons(skipped: ChangeSpectra['skipped']): string {
  const counts = new Map<string, number>();
  for (const { reason } of skipped) {
    const text = reason.replace(/^Its shape is \[[^\]]*\]: only/, 'Only');
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, of]) => `${text.replace(/\.$/, '')} (${count(of)})`).join('; ');
}
