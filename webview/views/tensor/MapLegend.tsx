import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useEffect, useState } from 'preact/hooks';
import { plural } from '../../../src/protocol/words';
import { useColors } from '../../charts/plot';
import { heatScales } from '../../../src/protocol/heatScale';
import { useApp, useAppState } from '../../context';
import { number, percent } from '../../format';
import { cellsAbove, type Picture } from '../../map/compose';
import { beyondColor } from '../../map/palette';
import { isSingle } from '../../map/words';
import { useAnswer } from '../../useAnswer';

/** Thresholds that can be chosen, in σ. */
const range = { min: 1, max: 12, step: 0.5 };
/** The weights beyond a threshold are counted once it has not moved for so long (ms). */
const rest = 250;

interface Props {
  readonly tensor: string;
  /** Whether the weights beyond the threshold are counted before the user has moved it: the tensor is read for that. */
  readonly counts: boolean;
  readonly sigma: number;
  readonly picture: Picture;
  readonly threshold: number;
  readonly setThreshold: (threshold: number) => void;
}

/** What the colours mean, from which magnitude on cells stand out, and how many weights do. */
export function MapLegend({ tensor, counts, sigma, picture, threshold, setThreshold }: Props) {
  const [isMoved, setMoved] = useState(false);
  const { isDark } = useColors();
  const ramp = heatScales[isDark ? 'dark' : 'light'].join(', ');
  if (sigma <= 0) return <p class="muted">{l10n.t('Colours: |w| from 0 to the largest.')}</p>;
  const above = cellsAbove(picture, threshold * sigma);
  return (
    <div class="map-legend">
      <span class="map-scale">
        0 <i style={{ background: `linear-gradient(to right, ${ramp})` }} /> {threshold} σ
      </span>
      <label>
        {mixed(
          l10n.t('{0} stands out above {1}'),
          <i class="map-beyond" style={{ background: beyondColor(isDark) }} />,
          <input
            type="range"
            {...range}
            value={threshold}
            aria-label={l10n.t('Magnitude from which cells stand out, in robust standard deviations')}
            aria-valuetext={`${threshold} σ`}
            onInput={(event) => {
              setMoved(true);
              setThreshold(event.currentTarget.valueAsNumber);
            }}
          />,
        )}
        <output>{threshold.toFixed(1)} σ</output>
      </label>
      <span class="muted" role="status">
        {l10n.t('{0} in sight', plural(above, isSingle(picture) ? 'weight' : 'cell'))}
        {(isMoved || counts) && <Beyond tensor={tensor} limit={threshold * sigma} />}
        {` · σ = ${number(sigma, 3)}`}
      </span>
    </div>
  );
}

/** How many weights of the whole tensor lie beyond a magnitude. */
function Beyond({ tensor, limit }: { tensor: string; limit: number }) {
  const { host } = useApp();
  const { revision } = useAppState();
  const [rested, setRested] = useState<number>();
  useEffect(() => {
    const timer = setTimeout(() => setRested(limit), rest);
    return () => clearTimeout(timer);
  }, [limit]);
  const key = rested === undefined ? undefined : `${revision} ${tensor} ${rested}`;
  const { value } = useAnswer(key, (signal) =>
    host.call('analyse', { tensor, bins: 1, range: { min: -rested!, max: rested! } }, { signal }),
  );
  if (!value || rested !== limit) return null;
  const { below, above } = value.histogram.outside ?? { below: 0, above: 0 };
  const share = value.statistics.count > 0 ? ` (${percent((below + above) / value.statistics.count)})` : '';
  return (
    <>
      , {plural(below + above, 'weight')}
      {l10n.t('{0} of the tensor', share)}
    </>
  );
}
