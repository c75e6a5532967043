import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useState } from 'preact/hooks';
import type { DeadLines, OutlierCounts, OutlierLine } from '../../../src/protocol/analysis';
import { plural } from '../../../src/protocol/words';
import { spanText } from '../../charts/cells';
import { number, percent } from '../../format';

type Noun = 'row' | 'column';

const words = {
  row: {
    name: l10n.t('row'),
    title: l10n.t('Rows that stand out'),
    distance: l10n.t('Distance from the median of all rows in robust standard deviations'),
    show: (index: number) => l10n.t('Show row {0} in the map', index),
  },
  column: {
    name: l10n.t('column'),
    title: l10n.t('Columns that stand out'),
    distance: l10n.t('Distance from the median of all columns in robust standard deviations'),
    show: (index: number) => l10n.t('Show column {0} in the map', index),
  },
} as const;

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
  const { title, distance } = words[noun];
  return (
    <section aria-label={title}>
      <h4>{title}</h4>
      {lines.length === 0 && dead.count === 0 && <p class="muted">{l10n.t('None.')}</p>}
      {lines.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">{words[noun].name}</th>
              <th scope="col">{l10n.t('max |w|')}</th>
              <th scope="col" title={distance}>
                {l10n.t('σ above the median')}
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
    <button class="link" title={words[noun].show(index)} onClick={() => goTo(index)}>
      {index}
    </button>
  );
}

function Dead({ noun, dead, hasOthers, goTo }: Omit<LinesProps, 'lines'>) {
  const listed = dead.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return (
    <p class="dead">
      {dead.count === 1
        ? l10n.t('{0} is dead', plural(1, noun))
        : l10n.t('{0} are dead', plural(dead.count, noun))}
      {hasOthers ? l10n.t(' (no finite weight but 0)') : l10n.t(' (all zero)')}:{' '}
      {dead.ranges.map(({ first, last }, i) => (
        <span key={first}>
          {i > 0 && ', '}
          <button class="link" onClick={() => goTo(Math.floor((first + last) / 2))}>
            {spanText(noun, [first, last])}
          </button>
        </span>
      ))}
      {listed < dead.count && l10n.t(' and {0} more', (dead.count - listed).toLocaleString('en-US'))}.
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
    <section aria-label={l10n.t('Outliers')}>
      <h4 title={l10n.t('RMS, the root mean square of all finite weights, is {0}', number(sigma))}>
        {l10n.t('Outliers')}
      </h4>
      <table>
        <thead>
          <tr>
            <th scope="col">{l10n.t('|w| beyond')}</th>
            <th scope="col">{l10n.t('weights')}</th>
            <th scope="col">{l10n.t('share')}</th>
          </tr>
        </thead>
        <tbody>
          {beyond.map(({ k, count }) => (
            <tr key={k}>
              <td>{l10n.t('{0} × RMS', k)}</td>
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
  const hint = l10n.t(
    'LLM.int8 keeps such columns of a layer’s inputs in 16 bits; here they are those of the weights.',
  );
  if (count === 0) return <p class="muted">{l10n.t('No column has a weight beyond 6 × RMS.')}</p>;
  return (
    <p title={hint}>
      {mixed(
        count === 1
          ? l10n.t('{0} has weights beyond 6 × RMS (as LLM.int8 looks for them): {1}')
          : l10n.t('{0} have weights beyond 6 × RMS (as LLM.int8 looks for them): {1}'),
        plural(count, 'column'),
        listed.map(({ index }, i) => (
          <span key={index}>
            {i > 0 && ', '}
            <LineLink noun="column" index={index} goTo={props.goTo} />
          </span>
        )),
      )}
      {listed.length < largest.length && (
        <>
          {', '}
          <button class="link" onClick={() => setOpen(true)}>
            {l10n.t('{0} more', (largest.length - listed.length).toLocaleString('en-US'))}
          </button>
        </>
      )}
      {(isOpen || largest.length <= firstListed) &&
        largest.length < count &&
        l10n.t(' and {0} that are not listed', (count - largest.length).toLocaleString('en-US'))}
      .
    </p>
  );
}
