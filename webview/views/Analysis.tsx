import type { TensorAnalysis } from '../../src/protocol/analysis';
import type { TensorDescriptor } from '../../src/protocol/model';
import { LineProfileChart } from '../charts/LineProfileChart';
import { viewFrom, viewOfLine, type View } from '../map/view';
import { usePersistent } from '../usePersistent';
import { OutlierLines, OutlierShares } from './tensor/OutlierLines';
import { OutlierMap } from './tensor/OutlierMap';
import { TensorHistogram } from './tensor/TensorHistogram';
import { Values } from './tensor/Values';
import { TensorStatistics } from './TensorStatistics';

/** Quantiles of a normal distribution at 1 and 99 %: their distance in standard deviations. */
const centralWidth = 2 * 2.3263;

/** Result of reading a tensor once: statistics, histogram, outlier map, lines that stand out, values. */
export function Analysis({ analysis, tensor }: { analysis: TensorAnalysis; tensor: TensorDescriptor }) {
  const { outliers, statistics } = analysis;
  const [view, show] = usePersistent<View | undefined>(`map ${tensor.name}`, undefined, viewFrom);
  const isEmpty = outliers.rows === 0 || outliers.columns === 0;
  return (
    <>
      <TensorStatistics figures={statistics} />
      <TensorHistogram analysis={analysis} />
      {!isEmpty && (
        <>
          <OutlierMap
            {...{
              tensor: tensor.name,
              bytes: tensor.byteLength,
              isRemote: isRemote(tensor),
              map: outliers,
              view,
              show,
            }}
            sigma={robustSigma(statistics)}
          />
          <Lines analysis={analysis} goTo={(noun, index) => show(viewOfLine(noun, index, outliers))} />
        </>
      )}
      <Values {...{ tensor, extent: outliers, statistics }} />
    </>
  );
}

const isRemote = ({ file }: TensorDescriptor): boolean => /^https?:/.test(file);

/** Standard deviation from the central 98 % of the weights, as of a normal distribution; 0 where it is not defined. */
function robustSigma({ percentiles }: TensorAnalysis['statistics']): number {
  const at = (wanted: number): number => percentiles.find(({ percent }) => percent === wanted)?.value ?? NaN;
  const sigma = (at(99) - at(1)) / centralWidth;
  return sigma > 0 ? sigma : 0;
}

interface LinesProps {
  readonly analysis: TensorAnalysis;
  readonly goTo: (noun: 'row' | 'column', index: number) => void;
}

/** Rows and columns: their magnitudes as curves, and those that stand out. A vector has curves in one direction only. */
function Lines({ analysis, goTo }: LinesProps) {
  const { tensor, outliers, outlierCounts, rowProfile, columnProfile, statistics } = analysis;
  const { outlierRows, outlierColumns, deadRows, deadColumns } = outliers;
  const goToRow = (index: number): void => goTo('row', index);
  const goToColumn = (index: number): void => goTo('column', index);
  const isSeen = statistics.absMax > 0;
  const hasOthers = statistics.nans + statistics.infinities > 0;
  return (
    <>
      <div class="profiles">
        {rowProfile && rowProfile.lines > 1 && isSeen && (
          <LineProfileChart
            {...{ tensor, noun: 'row', profile: rowProfile, outstanding: outlierRows, goTo: goToRow }}
          />
        )}
        {columnProfile && columnProfile.lines > 1 && isSeen && (
          <LineProfileChart
            {...{ tensor, noun: 'column', profile: columnProfile, outstanding: outlierColumns }}
            goTo={goToColumn}
          />
        )}
      </div>
      <div class="lines">
        <OutlierLines {...{ noun: 'row', lines: outlierRows, dead: deadRows, hasOthers, goTo: goToRow }} />
        <OutlierLines
          {...{ noun: 'column', lines: outlierColumns, dead: deadColumns, hasOthers, goTo: goToColumn }}
        />
        <OutlierShares counts={outlierCounts} total={statistics.count} goTo={goToColumn} />
      </div>
    </>
  );
}
