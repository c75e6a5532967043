import * as l10n from '@vscode/l10n';
import { axis, logTicks, type Colors, type Layout } from './plot';
import type { CountScale } from './ScaleToggle';

/** The axis of a histogram's counts. On a logarithmic one bars of one weight are seen, and nothing is below them. */
export function countAxis(colors: Colors, scale: CountScale, largest: number): Layout {
  const log = {
    ...logTicks(1, largest),
    range: [Math.log10(0.7), Math.log10(1.3 * Math.max(1, largest))],
  };
  return axis(colors, {
    type: scale,
    title: { text: l10n.t('count') },
    exponentformat: 'SI',
    ...(scale === 'log' ? log : {}),
  });
}
