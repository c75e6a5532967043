import * as l10n from '@vscode/l10n';
import type { TensorStatistics as Figures } from '../../src/protocol/analysis';
import { float32Rows } from '../../src/protocol/float32Rows';
import { aligned, figure, percent } from '../format';

/** A figure, and whether it is a cause for concern. */
type Item = readonly [label: string, text: string, isBad?: boolean];

/** The statistics of a tensor in three groups: range, moments, percentiles. */
export function TensorStatistics({ figures: s }: { figures: Figures }) {
  const [min = '', max = ''] = aligned([s.min, s.max], figure);
  const [mean = '', deviation = ''] = aligned([s.mean, s.standardDeviation], figure);
  const percentiles = aligned(
    s.percentiles.map(({ value }) => value),
    figure,
  );
  const count = (value: number): string => value.toLocaleString('en-US');
  const share = s.count > 0 && s.zeros > 0 ? ` (${percent(s.zeros / s.count)})` : '';
  return (
    <div class="statistic-groups">
      <Group
        title={l10n.t('Range')}
        items={[
          [l10n.t('minimum'), min],
          [l10n.t('maximum'), max],
          [l10n.t('zeros'), count(s.zeros) + share],
          ['NaN', count(s.nans), s.nans > 0],
          [l10n.t('infinite'), count(s.infinities), s.infinities > 0],
          ...float32Rows(s).map(([name, value]): Item => [name, count(value), true]),
        ]}
      />
      <Group
        title={l10n.t('Moments')}
        items={[
          [l10n.t('mean'), mean],
          [l10n.t('std. deviation'), deviation],
          ['RMS', figure(Math.hypot(s.mean, s.standardDeviation))],
          [l10n.t('largest magnitude'), figure(s.absMax)],
          [l10n.t('kurtosis'), figure(s.kurtosis)],
        ]}
      />
      <Group
        title={l10n.t('Percentiles')}
        items={s.percentiles.map(({ percent: at }, index): Item => [`${at} %`, percentiles[index]!])}
      />
    </div>
  );
}

function Group({ title, items }: { title: string; items: readonly Item[] }) {
  return (
    <section>
      <h4>{title}</h4>
      <dl>
        {items.map(([label, text, isBad = false]) => (
          <div key={label} class={isBad ? 'bad' : ''}>
            <dt>{label}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
