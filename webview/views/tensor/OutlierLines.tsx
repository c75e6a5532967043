import { useState } from 'preact/hooks';
import type { DeadLines, OutlierCounts, OutlierLine } from '../../../src/protocol/analysis';
import { plural } from '../../../src/protocol/words';
import { spanText } from '../../charts/cells';
import { number, percent } from '../../format';

type Noun = 'row' | 'column';

interface LinesProps {
  readonly noun: Noun;
  readonly lines: readonly OutlierLine[];
  readonly dead: DeadLines;
  /** Whether the tensor has weights that are not finite. */
  readonly hasOthers: boolean;
  readonly goTo: (index: number) => void;
}

/** Rows or columns that stand out: those with large weights, and those without any. */
export function OutlierLines({ noun, lines, dead, hasOthers, goTo }: LinesProps) {
  const title = `${noun === 'row' ? 'Rows' : 'Columns'} that stand out`;
  return (
    <section aria-label={title}>
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
                  <LineLink noun={noun} index={index} goTo={goTo} />
                </td>
                <td>{number(absMax)}</td>
                <td>{score.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {dead.count > 0 && <Dead {...{ noun, dead, hasOthers, goTo }} />}
    </section>
  );
}

function LineLink({ noun, index, goTo }: { noun: Noun; index: number; goTo: (index: number) => void }) {
  return (
    <button class="link" title={`Show ${noun} ${index} in the map`} onClick={() => goTo(index)}>
      {index}
    </button>
  );
}

function Dead({ noun, dead, hasOthers, goTo }: Omit<LinesProps, 'lines'>) {
  const listed = dead.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return (
    <p class="dead">
      {dead.count === 1 ? `1 ${noun} is` : `${plural(dead.count, noun)} are`} dead
      {hasOthers ? ' (no finite weight but 0)' : ' (all zero)'}:{' '}
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

/** Columns that are listed before the user asks for more. */
const firstListed = 12;

interface BeyondProps {
  readonly counts: OutlierCounts;
  /** Weights of the tensor. */
  readonly total: number;
  readonly goTo: (column: number) => void;
}

/** How many weights lie beyond multiples of the root mean square, and the columns that hold outliers as LLM.int8 looks for them. */
export function OutlierShares({ counts, total, goTo }: BeyondProps) {
  const { sigma, beyond, columns } = counts;
  return (
    <section aria-label="Outliers">
      <h4 title={`RMS, the root mean square of all finite weights, is ${number(sigma)}`}>Outliers</h4>
      <table>
        <thead>
          <tr>
            <th scope="col">|w| beyond</th>
            <th scope="col">weights</th>
            <th scope="col">share</th>
          </tr>
        </thead>
        <tbody>
          {beyond.map(({ k, count }) => (
            <tr key={k}>
              <td>{k} × RMS</td>
              <td>{count.toLocaleString('en-US')}</td>
              <td>{total > 0 ? percent(count / total) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {columns && <OutlierColumns columns={columns} goTo={goTo} />}
    </section>
  );
}

function OutlierColumns(props: {
  columns: NonNullable<OutlierCounts['columns']>;
  goTo: (column: number) => void;
}) {
  const { count, largest } = props.columns;
  const [isOpen, setOpen] = useState(false);
  const listed = isOpen ? largest : largest.slice(0, firstListed);
  const hint =
    'LLM.int8 keeps such columns of a layer’s inputs in 16 bits; here they are those of the weights.';
  if (count === 0) return <p class="muted">No column has a weight beyond 6 × RMS.</p>;
  return (
    <p title={hint}>
      {plural(count, 'column')} {count === 1 ? 'has' : 'have'} weights beyond 6 × RMS (as LLM.int8 looks for
      them):{' '}
      {listed.map(({ index }, i) => (
        <span key={index}>
          {i > 0 && ', '}
          <LineLink noun="column" index={index} goTo={props.goTo} />
        </span>
      ))}
      {listed.length < largest.length && (
        <>
          {', '}
          <button class="link" onClick={() => setOpen(true)}>
            {(largest.length - listed.length).toLocaleString('en-US')} more
          </button>
        </>
      )}
      {(isOpen || largest.length <= firstListed) &&
        largest.length < count &&
        ` and ${(count - largest.length).toLocaleString('en-US')} that are not listed`}
      .
    </p>
  );
}
