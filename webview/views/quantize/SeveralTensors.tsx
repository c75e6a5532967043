import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useCallback, useMemo, useState } from 'preact/hooks';
import type { FormatComparison, TensorComparison } from '../../../src/protocol/analysis';
import type { ComparisonState } from '../../../src/protocol/editorState';
import { plural, size } from '../../../src/protocol/words';
import { HistogramChart } from '../../charts/HistogramChart';
import { useAppState } from '../../context';
import { Spinner } from '../../controls';
import { decibels, nameText } from '../../format';
import { formatFor, totalsOf, type ChoiceTotals } from '../../quantizeChoices';
import { menuContext } from '../../rowMenu';
import { DataGrid } from '../DataGrid';
import { TensorName } from '../TensorName';
import { columnsOf, type ChoiceLine } from './ChoiceCells';
import { Saving } from './Saving';

/** Several tensors, one per row, each with its own format; saved together. */
export function SeveralTensors({ comparison }: { comparison: ComparisonState }) {
  const { model } = useAppState();
  const { lines, common, chooseAll, choose } = useChoices(comparison);
  const columns = useMemo(() => columnsOf(choose), [choose]);
  const [shown, setShown] = useState(comparison.tensors[0]);
  const chosen = lines.filter(isChosen);
  const detail = chosen.find(({ tensor }) => tensor === shown);
  return (
    <>
      <FormatOfAll {...{ comparison, common, chooseAll }} />
      <Refusals results={comparison.results} />
      <DataGrid
        id="quantize"
        label={l10n.t('Tensors and their formats')}
        nameLabel={l10n.t('Tensor')}
        lines={lines}
        columns={columns}
        keyOf={({ tensor }) => tensor}
        name={({ tensor }) => <TensorName name={tensor} />}
        nameTitle={({ tensor }) => tensor}
        choose={({ tensor }) => setShown(tensor)}
        isChosen={({ tensor }) => tensor === shown}
        dataOf={({ tensor }) => ({ 'data-tensor': tensor })}
        contextOf={({ tensor }) => menuContext('tensor', model?.path, [tensor])}
        empty={l10n.t('No tensors.')}
      />
      {chosen.length > 0 && <Totals totals={totalsOf(chosen)} />}
      <Saving
        choices={chosen.map(({ tensor, format }) => ({ tensor, format: format.format }))}
        label={l10n.t('Save {0}…', plural(chosen.length, 'Tensor'))}
        disabled={!comparison.done || chosen.length === 0}
      />
      {detail && <BeforeAndAfter {...detail} />}
    </>
  );
}

/** The tensors with their formats: one for all of them, but where another was chosen. */
function useChoices(comparison: ComparisonState) {
  const { formats } = useAppState();
  const [common, setCommon] = useState(comparison.formats[0]);
  const [own, setOwn] = useState<ReadonlyMap<string, string>>(new Map());
  const lines = useMemo(() => {
    const bitsOf = (id: string): number => formats.find((item) => item.id === id)?.nominalBitsPerWeight ?? 0;
    const results = new Map(comparison.results.map((result) => [result.tensor, result]));
    return comparison.tensors.map((tensor): ChoiceLine => {
      const result = results.get(tensor);
      return {
        tensor,
        ...(result && { result, format: formatFor(result, common, own.get(tensor), bitsOf) }),
      };
    });
  }, [comparison, formats, common, own]);
  const choose = useCallback(
    (tensor: string, format: string): void => setOwn((now) => new Map(now).set(tensor, format)),
    [],
  );
  const chooseAll = (format: string): void => {
    setCommon(format);
    setOwn(new Map());
  };
  return { lines, common, chooseAll, choose };
}

interface MeasuredLine extends ChoiceLine {
  readonly result: TensorComparison;
  readonly format: FormatComparison;
}

const isChosen = (line: ChoiceLine): line is MeasuredLine =>
  line.result !== undefined && line.format !== undefined;

/** Chooses the format of all tensors, and says how many are measured. */
function FormatOfAll(props: {
  comparison: ComparisonState;
  common: string | undefined;
  chooseAll: (format: string) => void;
}) {
  const { comparison, common, chooseAll } = props;
  return (
    <div class="measure">
      <label>
        {mixed(
          l10n.t('Format of all {0}'),
          <select
            aria-label={l10n.t('Format of all tensors')}
            value={common}
            onChange={(event) => chooseAll(event.currentTarget.value)}
          >
            {comparison.formats.map((format) => (
              <option key={format}>{format}</option>
            ))}
          </select>,
        )}
      </label>
      {!comparison.done && (
        <span class="going" role="status">
          {mixed(
            l10n.t('{0} {1} of {2}'),
            <Spinner />,
            comparison.results.length,
            plural(comparison.tensors.length, 'tensor'),
          )}
        </span>
      )}
    </div>
  );
}

function BeforeAndAfter({ tensor, result, format }: MeasuredLine) {
  return (
    <section aria-label={l10n.t('{0} before and after', tensor)}>
      <HistogramChart
        title={l10n.t('Before and after')}
        of={`${tensor}, ${format.format}`}
        description={`${nameText(tensor)}, ${format.format}`}
        before={result.histogram}
        after={format.histogram}
        afterName={format.format}
      />
    </section>
  );
}

/** Formats that do not fit some tensors, one sentence each. */
function Refusals({ results }: { results: readonly TensorComparison[] }) {
  const reasons = new Map<string, number>();
  for (const { refused } of results)
    for (const { format, reason } of refused) {
      const text = reason.startsWith(format) ? reason : `${format}: ${reason}`;
      reasons.set(text, (reasons.get(text) ?? 0) + 1);
    }
  return (
    <>
      {[...reasons].map(([text, tensors]) => (
        <p key={text} class="notice warning">
          {plural(tensors, 'tensor')}: {text}
        </p>
      ))}
    </>
  );
}

function Totals({ totals }: { totals: ChoiceTotals }) {
  const { tensors, bytes, sourceBytes, bitsPerWeight, error } = totals;
  return (
    <dl class="totals">
      <div>
        <dt>{l10n.t('tensors')}</dt>
        <dd>{tensors.toLocaleString('en-US')}</dd>
      </div>
      <div>
        <dt>{l10n.t('size')}</dt>
        <dd>
          {size(bytes)} <span class="muted">{l10n.t('of {0}', size(sourceBytes))}</span>
        </dd>
      </div>
      <div>
        <dt>{l10n.t('bits per weight')}</dt>
        <dd>{bitsPerWeight.toFixed(3)}</dd>
      </div>
      <div title={l10n.t('From the mean of the relative squared errors over the weights')}>
        <dt>{l10n.t('SQNR')}</dt>
        <dd>{decibels(error, 2)}</dd>
      </div>
    </dl>
  );
}
