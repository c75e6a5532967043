import * as l10n from '@vscode/l10n';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { EvaluationResult, PairedComparison } from '../../../src/protocol/evaluation';
import { SizeChart } from '../../charts/SizeChart';
import { useApp, useAppState } from '../../context';
import { columns, nameOf } from './columns';
import { groupsOf, type Order, type ResultGroup } from './groups';
import { TableMenu } from '../TableMenu';
import { resultData, ResultTable } from './ResultTable';
import { pairSentences } from './sentences';
import { Failed } from '../states';

/** Results of all runs of this model, a table for each text and its windows. */
export function Results({ results }: { results: readonly EvaluationResult[] }) {
  const groups = useMemo(() => groupsOf(results), [results]);
  const [order, setOrder] = useState<Order>({ column: columns.at(-1)!, descending: true });
  const [ticked, setTicked] = useState<readonly string[]>([]);
  if (results.length === 0)
    return (
      <p class="muted none-yet">
        {l10n.t(
          'No results yet. Run the original model, then a file type or a plan: the table shows the cost of each.',
        )}
      </p>
    );
  // The latest two count: a third takes the place of the first.
  const tick = (id: string, on: boolean): void =>
    setTicked(on ? [...ticked, id].slice(-2) : ticked.filter((item) => item !== id));
  return (
    <section class="results" aria-label={l10n.t('Results')}>
      {groups.length > 1 && (
        <p class="muted">
          {l10n.t(
            'Figures are comparable only on the same text cut into the same windows, or the same pairs, so each has its own table.',
          )}
        </p>
      )}
      <Pair results={results} ticked={ticked} />
      {groups.map((group) => (
        <section key={group.key} class="result-group" aria-label={`${group.title}, ${group.settings}`}>
          <div class="chart-head">
            <h3>
              {group.title} <span class="muted">{group.settings}</span>
            </h3>
            <TableMenu title={l10n.t('Results on {0}', group.title)} columns={() => resultData(group)} />
          </div>
          <ResultTable group={group} order={order} reorder={setOrder} ticked={ticked} tick={tick} />
          <BySize group={group} />
        </section>
      ))}
    </section>
  );
}

/** The two ticked results, token by token, in words. */
function Pair({ results, ticked }: { results: readonly EvaluationResult[]; ticked: readonly string[] }) {
  const path = useAppState().model?.path ?? '';
  const [a, b] = ticked.map((id) => results.find((result) => result.id === id));
  const { comparison, failure } = usePair(a, b);
  if (results.filter(({ text }) => text).length < 2) return null;
  if (!a || !b) return <p class="muted">{l10n.t('Tick two rows to compare them token by token.')}</p>;
  if (failure !== undefined) return <Failed message={failure} />;
  if (a.text?.hash !== b.text?.hash || !a.text)
    return (
      <p class="notice" role="status">
        {l10n.t(
          '{0} and {1} cannot be compared token by token: they were not scored on the same tokens.',
          nameOf(a, path),
          nameOf(b, path),
        )}
      </p>
    );
  return (
    <p class="pair" role="status">
      {comparison
        ? pairSentences(comparison, nameOf(a, path), nameOf(b, path)).join(' ')
        : l10n.t('Comparing…')}
    </p>
  );
}

/** Asks for the comparison of two results on the same tokens; an answer about others is dropped. */
function usePair(
  a: EvaluationResult | undefined,
  b: EvaluationResult | undefined,
): { comparison?: PairedComparison; failure?: string } {
  const { host } = useApp();
  const [state, setState] = useState<{ comparison?: PairedComparison; failure?: string }>({});
  useEffect(() => {
    setState({});
    if (!a?.text || a.text.hash !== b?.text?.hash) return undefined;
    let late = false;
    host.call('pairResults', { a: a.id, b: b.id }).then(
      (comparison) => !late && setState({ comparison }),
      (error: unknown) =>
        !late && setState({ failure: error instanceof Error ? error.message : String(error) }),
    );
    return () => (late = true);
  }, [host, a?.id, b?.id]);
  return state;
}

/** Variants of a group by size, where at least two were measured from one base. */
function BySize({ group }: { group: ResultGroup }) {
  const path = useAppState().model?.path ?? '';
  const [from] = group.results.flatMap(({ text }) => text?.divergence ?? []);
  const variants = useMemo(
    () =>
      group.results.flatMap((result) => {
        const { text, bytes } = result;
        if (!text?.divergence || text.divergence.baseHash !== from?.baseHash) return [];
        const { value: divergence, standardError } = text.divergence.mean;
        if (!(divergence > 0)) return []; // it cannot be shown on a logarithmic axis
        return [{ name: nameOf(result, path), bytes, divergence, standardError }];
      }),
    [group, from?.baseHash, path],
  );
  if (!from || new Set(variants.map(({ bytes }) => bytes)).size < 2) return null;
  return <SizeChart variants={variants} base={from.base} />;
}
