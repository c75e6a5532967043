import * as l10n from '@vscode/l10n';
import { useMemo } from 'preact/hooks';
import type { CodePoints, Histogram, TensorAnalysis } from '../../../src/protocol/analysis';
import { plural } from '../../../src/protocol/words';
import { HistogramChart } from '../../charts/HistogramChart';
import { rangeAfterKey, type Range } from '../../charts/rangeKeys';
import { useApp, useAppState } from '../../context';
import { Button } from '../../controls';
import { number } from '../../format';
import { useAnswer } from '../../useAnswer';
import { usePersistent } from '../../usePersistent';
import { Failed } from '../states';

/** Numbers of bins that can be chosen; an analysis comes with the second one. */
const binCounts = [100, 200, 500, 1000, 2000] as const;
const firstBins = 200;

/** The histogram of a tensor: bins and range can be chosen, and the values that a format has are drawn over it. */
export function TensorHistogram({ analysis }: { analysis: TensorAnalysis }) {
  const { tensor } = analysis;
  const [bins, setBins] = usePersistent('tensor.histogram.bins', firstBins);
  const [format, setFormat] = usePersistent('tensor.histogram.format', '');
  const zoom = useRange(analysis);
  const { histogram, failure } = useHistogram(analysis, bins, zoom.range);
  const points = useCodePoints(tensor, format);
  if (!isDefined(analysis)) return <NoHistogram analysis={analysis} />;
  const words = [rangeWords(histogram), pointWords(points.value)].filter(Boolean).join(' ');
  const problem = failure ?? points.failure;
  return (
    <div
      role="group"
      aria-label={l10n.t('Histogram. Plus and minus zoom, arrow keys move, Escape shows the whole range.')}
      tabIndex={0}
      onKeyDown={zoom.onKey}
    >
      <HistogramChart
        before={histogram}
        of={tensor}
        points={points.value?.values}
        onRange={zoom.show}
        description={words || undefined}
        controls={
          <>
            {zoom.range && <Button onClick={zoom.showWhole}>{l10n.t('Whole Range')}</Button>}
            <FormatSelect value={format} onChange={setFormat} />
            <BinSelect value={bins} onChange={setBins} />
          </>
        }
      />
      {problem !== undefined && <Failed message={problem} />}
    </div>
  );
}

/** Whether the tensor has finite weights. */
const isDefined = ({ statistics }: TensorAnalysis): boolean => statistics.min <= statistics.max;

/** The range that is shown of a tensor, by keys too; undefined for all of it. */
function useRange({ tensor, statistics }: TensorAnalysis) {
  const [shown, setShown] = usePersistent<{ tensor: string; range: Range } | null>(
    'tensor.histogram.range',
    null,
    readRange,
  );
  const range = shown?.tensor === tensor ? shown.range : undefined;
  const whole = { min: statistics.min, max: statistics.max };
  const show = (next: Range): void =>
    setShown(next.min <= whole.min && next.max >= whole.max ? null : { tensor, range: next });
  const onKey = (event: KeyboardEvent): void => {
    const next = event.target === event.currentTarget && rangeAfterKey(event.key, range ?? whole, whole);
    if (!next) return;
    show(next);
    event.preventDefault();
  };
  return { range, show, showWhole: () => setShown(null), onKey };
}

/** That of the analysis, or another one that is asked for; the earlier one until it has come. */
function useHistogram(analysis: TensorAnalysis, bins: number, range: Range | undefined) {
  const { tensor } = analysis;
  const { host } = useApp();
  const { revision } = useAppState();
  const isFirst = bins === firstBins && !range;
  const key = isFirst ? undefined : JSON.stringify([revision, tensor, bins, range]);
  const { value, failure } = useAnswer(key, (signal) =>
    host.call('analyse', { tensor, bins, ...(range ? { range } : {}) }, { signal }),
  );
  const isOther = !isFirst && value?.tensor === tensor;
  return { histogram: isOther ? value.histogram : analysis.histogram, failure };
}

function BinSelect({ value, onChange }: { value: number; onChange: (bins: number) => void }) {
  return (
    <select
      aria-label={l10n.t('Number of bins')}
      value={String(value)}
      onChange={(event) => onChange(Number(event.currentTarget.value))}
    >
      {binCounts.map((count) => (
        <option key={count} value={String(count)}>
          {l10n.t('{0} bins', count.toLocaleString('en-US'))}
        </option>
      ))}
    </select>
  );
}

function NoHistogram({ analysis }: { analysis: TensorAnalysis }) {
  const { count, nans, infinities } = analysis.statistics;
  const what = nans === count ? 'NaN' : infinities === count ? l10n.t('infinite') : l10n.t('NaN or infinite');
  return (
    <>
      <h3>{l10n.t('Histogram')}</h3>
      <p class="muted">
        {count === 0
          ? l10n.t('The tensor has no weights.')
          : l10n.t('No weight is finite: all {0} are {1}.', count.toLocaleString('en-US'), what)}
      </p>
    </>
  );
}

function readRange(stored: unknown): { tensor: string; range: Range } | undefined {
  const found = stored as { tensor?: unknown; range?: Partial<Range> } | null;
  const isRange = typeof found?.range?.min === 'number' && typeof found.range.max === 'number';
  return isRange && typeof found?.tensor === 'string'
    ? (found as { tensor: string; range: Range })
    : undefined;
}

/** What is outside of the range, in words. */
function rangeWords({ min, max, outside }: Histogram): string {
  if (!outside) return '';
  const beyond = [
    ...(outside.below > 0 ? [l10n.t('{0} below', plural(outside.below, 'weight'))] : []),
    ...(outside.above > 0 ? [l10n.t('{0} above', plural(outside.above, 'weight'))] : []),
  ];
  return l10n.t('From {0} to {1}; {2}.', number(min), number(max), beyond.join(l10n.t(' and ')));
}

/** Where the values of a format come from, in words. */
function pointWords(points: CodePoints | undefined): string {
  if (!points) return '';
  const { format, values, groups, scale, isSample } = points;
  const all = l10n.t('{0}{1} groups', groups.toLocaleString('en-US'), isSample ? l10n.t(' sampled') : '');
  const of =
    groups > 1
      ? l10n.t('those of the group with the median scale ({0}) of {1}', number(scale), all)
      : l10n.t('of one scale ({0})', number(scale));
  return l10n.t('{0} has {1}, {2}.', format, plural(values.length, 'value'), of);
}

function useCodePoints(tensor: string, format: string) {
  const { host } = useApp();
  const { revision } = useAppState();
  const key = format === '' ? undefined : `${revision} ${tensor} ${format}`;
  const answer = useAnswer(key, (signal) => host.call('codePoints', { tensor, format }, { signal }));
  const { value, failure } = answer;
  const isCurrent = key !== undefined && value?.tensor === tensor && value.format === format;
  return { value: isCurrent ? value : undefined, failure: key === undefined ? undefined : failure };
}

/** Formats whose values can be drawn. */
function FormatSelect({ value, onChange }: { value: string; onChange: (format: string) => void }) {
  const { formats } = useAppState();
  // Numbers of 16 bits have no scales.
  const options = useMemo(() => formats.filter((format) => format.nominalBitsPerWeight < 16), [formats]);
  return (
    <select
      aria-label={l10n.t('Format whose values are drawn over the histogram')}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      <option value="">{l10n.t('No code points')}</option>
      {options.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}
