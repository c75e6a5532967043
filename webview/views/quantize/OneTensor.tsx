import { useState } from 'preact/hooks';
import type { FormatComparison } from '../../../src/protocol/analysis';
import { greatestOf, leastOf } from '../../../src/protocol/extremes';
import type { ComparisonState } from '../../../src/protocol/editorState';
import { HistogramChart } from '../../charts/HistogramChart';
import { Spinner } from '../../controls';
import { bits, figure, fixed, nameText, ratio } from '../../format';
import { FormatBadge } from '../FormatBadge';
import { size } from '../../../src/protocol/words';
import { Saving } from './Saving';

/** A tensor in each of the formats, with one of them shown before and after. */
export function OneTensor({ comparison }: { comparison: ComparisonState }) {
  const [tensor = ''] = comparison.tensors;
  const [result] = comparison.results;
  const [chosen, setChosen] = useState<string>();
  const ordered = result ? [...result.formats].sort((a, b) => a.bytes - b.bytes) : [];
  const shown = ordered.find(({ format }) => format === chosen) ?? ordered[0];
  return (
    <section class="comparison" aria-label={tensor}>
      <h2>{nameText(tensor)}</h2>
      {!result && !comparison.done && (
        <p class="loading">
          <Spinner /> Comparing {comparison.formats.length} formats…
        </p>
      )}
      {ordered.length > 0 && <Errors formats={ordered} shown={shown} choose={setChosen} />}
      {result?.refused.map(({ format, reason }) => (
        <p key={format} class="notice warning">
          {format}: {reason}
        </p>
      ))}
      {result && shown && (
        <>
          <HistogramChart
            title={`Before and after, ${shown.format}`}
            of={tensor}
            before={result.histogram}
            after={shown.histogram}
            afterName={shown.format}
          />
          <Saving choices={[{ tensor, format: shown.format }]} label={`Save as ${shown.format}…`} />
        </>
      )}
    </section>
  );
}

/** Enough to compare, and narrow enough for all columns to be visible. */
const brief = (value: number): string => figure(value, 3);

/** The numbers of a row, and whether a larger one is better. */
const columns: readonly {
  readonly title: string;
  readonly value: (item: FormatComparison) => number;
  readonly text: (value: number) => string;
  readonly larger?: boolean;
}[] = [
  { title: 'Size', value: (item) => item.bytes, text: size },
  { title: 'Bits', value: (item) => item.bitsPerWeight, text: bits },
  { title: 'MSE', value: (item) => item.error.mse, text: brief },
  { title: 'Rel. error', value: (item) => item.error.relativeError, text: brief },
  { title: 'SQNR dB', value: (item) => item.error.sqnr, text: ratio, larger: true },
  { title: 'Cosine', value: (item) => item.error.cosine, text: (value) => fixed(value, 6), larger: true },
  { title: 'Max error', value: (item) => item.error.maxError, text: brief },
];

function Errors(props: {
  formats: readonly FormatComparison[];
  shown: FormatComparison | undefined;
  choose: (format: string) => void;
}) {
  const { formats, shown, choose } = props;
  return (
    <div class="wide-table" tabIndex={0} role="region" aria-label="Error and size of each format">
      <table class="errors">
        <thead>
          <tr>
            <th scope="col">Format</th>
            {columns.map(({ title }) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {formats.map((item) => (
            <ErrorRow
              key={item.format}
              item={item}
              all={formats}
              chosen={item === shown}
              choose={() => choose(item.format)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ErrorRow(props: {
  item: FormatComparison;
  all: readonly FormatComparison[];
  chosen: boolean;
  choose: () => void;
}) {
  const { item, all, chosen, choose } = props;
  return (
    <tr
      class={chosen ? 'chosen' : ''}
      data-format={item.format}
      tabIndex={0}
      aria-current={chosen}
      onClick={choose}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        choose();
        event.preventDefault();
      }}
    >
      <th scope="row">
        <FormatBadge format={item.format} bits={item.bitsPerWeight} />
      </th>
      {columns.map(({ value, text, larger, title }) => {
        const best = (larger ? greatestOf : leastOf)(all.map(value));
        return (
          <td key={title} class={all.length > 1 && value(item) === best ? 'best' : ''}>
            {text(value(item))}
          </td>
        );
      })}
    </tr>
  );
}
