import type { DeadLines, OutlierLine, TensorAnalysis } from '../../src/protocol/analysis';
import type { TensorDescriptor } from '../../src/protocol/model';
import { plural } from '../../src/protocol/words';
import { spanText } from '../charts/cells';
import { HistogramChart } from '../charts/HistogramChart';
import { number } from '../format';
import { viewFrom, viewOfLine, type View } from '../map/view';
import { OutlierMap } from './tensor/OutlierMap';
import { Values } from './tensor/Values';
import { TensorStatistics } from './TensorStatistics';
import { usePersistent } from '../usePersistent';

/** Quantiles of a normal distribution at 1 and 99 %: their distance in standard deviations. */
const centralWidth = 2 * 2.3263;

/** Result of reading a tensor once: statistics, histogram, outlier map, lines that stand out, values. */
export function Analysis({
  analysis,
  tensor: descriptor,
}: {
  analysis: TensorAnalysis;
  tensor: TensorDescriptor;
}) {
  const { tensor, outliers, statistics } = analysis;
  const bytes = descriptor.byteLength;
  const [view, show] = usePersistent<View | undefined>(`map ${tensor}`, undefined, viewFrom);
  const { rows, columns } = outliers;
  const goToRow = (index: number): void => show(viewOfLine('row', index, outliers));
  const goToColumn = (index: number): void => show(viewOfLine('column', index, outliers));
  return (
    <>
      <TensorStatistics figures={statistics} />
      <HistogramChart before={analysis.histogram} of={tensor} />
      {rows > 0 && columns > 0 && (
        <OutlierMap {...{ tensor, bytes, map: outliers, sigma: robustSigma(statistics), view, show }} />
      )}
      <div class="lines">
        <Lines noun="row" lines={outliers.outlierRows} dead={outliers.deadRows} goTo={goToRow} />
        <Lines noun="column" lines={outliers.outlierColumns} dead={outliers.deadColumns} goTo={goToColumn} />
      </div>
      <Values {...{ tensor: descriptor, extent: outliers, statistics }} />
    </>
  );
}

/** Standard deviation from the central 98 % of the weights, as of a normal distribution; 0 where it is not defined. */
function robustSigma({ percentiles }: TensorAnalysis['statistics']): number {
  const at = (wanted: number): number => percentiles.find(({ percent }) => percent === wanted)?.value ?? NaN;
  const sigma = (at(99) - at(1)) / centralWidth;
  return sigma > 0 ? sigma : 0;
}

interface LinesProps {
  readonly noun: 'row' | 'column';
  readonly lines: readonly OutlierLine[];
  readonly dead: DeadLines;
  readonly goTo: (index: number) => void;
}

/** Rows or columns that stand out: those with large weights, and those without any. */
function Lines({ noun, lines, dead, goTo }: LinesProps) {
  const title = `${noun === 'row' ? 'Rows' : 'Columns'} that stand out`;
  return (
    <section>
      <h4>{title}</h4>
      {lines.length === 0 && dead.count === 0 && <p class="muted">None.</p>}
      {lines.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">{noun}</th>
              <th scope="col">max |w|</th>
              <th
                scope="col"
                title={`Distance from the median of all ${noun}s in robust standard deviations`}
              >
                σ above the median
              </th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ index, absMax, score }) => (
              <tr key={index}>
                <td>
                  <button class="link" title={`Show ${noun} ${index} in the map`} onClick={() => goTo(index)}>
                    {index}
                  </button>
                </td>
                <td>{number(absMax)}</td>
                <td>{score.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {dead.count > 0 && <Dead noun={noun} dead={dead} goTo={goTo} />}
    </section>
  );
}

function Dead({ noun, dead, goTo }: Omit<LinesProps, 'lines'>) {
  const listed = dead.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return (
    <p class="dead">
      {dead.count === 1 ? `1 ${noun} is` : `${plural(dead.count, noun)} are`} dead (all zero):{' '}
      {dead.ranges.map(({ first, last }, i) => (
        <span key={first}>
          {i > 0 && ', '}
          <button class="link" onClick={() => goTo(Math.floor((first + last) / 2))}>
            {spanText(noun, [first, last])}
          </button>
        </span>
      ))}
      {listed < dead.count && ` and ${(dead.count - listed).toLocaleString('en-US')} more`}.
    </p>
  );
}
