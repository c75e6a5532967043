import * as l10n from '@vscode/l10n';
import { mixed } from '../../mixed';
import { useMemo } from 'preact/hooks';
import { evidenceWords } from '../../../src/protocol/evidence';
import type { LensRow, MethodChoices } from '../../../src/protocol/lens';
import type { MethodResult } from '../../../src/protocol/methods';
import { plural } from '../../../src/protocol/words';
import { LensChart } from '../../charts/LensChart';
import {
  firstFilter,
  firstOrder,
  linesOf,
  offeredMethods,
  readFilter,
  readOrder,
  sortedLines,
  wantedRecipes,
  withoutResult,
  type LensFilter,
  type LensLine,
} from '../../lensRecipes';
import { useLens, type Lens } from '../../useLens';
import { useMethodOptions } from '../../useMethodOptions';
import { usePersistent } from '../../usePersistent';
import { usePlannedFormat } from '../../usePlannedFormat';
import { GridEditor } from './GridEditor';
import { LensDetail } from './LensDetail';
import { LensFilters } from './LensFilters';
import { LensTable } from './LensTable';
import { MethodOptions } from './MethodOptions';
import { Failed } from '../states';

/** Recipes as a chart and a table, and one of them in detail. */
export function Recipes(props: { tensor: string; choices: MethodChoices; basis: string }) {
  const { tensor, choices, basis } = props;
  const { methods } = choices;
  const [filter, setFilter] = usePersistent('lens.filter', firstFilter, readFilter);
  const [order, setOrder] = usePersistent('lens.order', firstOrder, readOrder);
  const [chosen, choose] = usePersistent('lens.chosen', '');
  const settings = useMethodOptions(methods);
  const change = (part: Partial<LensFilter>): void => setFilter((now) => ({ ...now, ...part }));
  const recipes = useMemo(() => wantedRecipes(choices, filter), [choices, filter]);
  const lens = useLens({ tensor, recipes, options: settings.options, basis });
  const lines = useMemo(() => linesOf(choices, recipes, lens.rows), [choices, recipes, lens.rows]);
  const shown = useMemo(
    () => sortedLines(filter.front ? lines.filter(({ isOnFront }) => isOnFront) : lines, order),
    [lines, order, filter.front],
  );
  // The first recipe that is measured is the likeliest to be asked for.
  const line = lines.find(({ id, result }) => id === chosen && result) ?? lines.find(({ result }) => result);
  const hasOutputs = lines.some(({ result }) => result?.outputError !== undefined);
  const method = methods.find(({ id }) => id === line?.method);
  const planned = usePlannedFormat(tensor);
  const offered = useMemo(() => offeredMethods(choices, filter), [choices, filter]);
  return (
    <>
      <LensFilters {...{ filter, change, settings }} methods={offered}>
        <Progress lens={lens} wanted={recipes.length} />
      </LensFilters>
      {lens.failure !== undefined && <Failed message={lens.failure} retry={lens.retry} />}
      <MethodOptions {...{ methods, settings }} />
      <LensChart tensor={tensor} lines={lines} chosen={line?.id} choose={choose} isOfOutputs={hasOutputs} />
      <LensTable {...{ lines: shown, hasOutputs, order, setOrder, chosen: line?.id, choose, planned }} />
      <Without rows={lens.rows} />
      <GridEditor
        grids={choices.grids}
        shown={filter.added}
        add={(grid) => change({ added: [...filter.added, grid] })}
      />
      <Added filter={filter} change={change} />
      {lens.facts && isMeasured(line) && method && (
        <LensDetail
          {...{ tensor, line, method, basis, planned }}
          isBusy={lens.isRunning}
          histogram={lens.facts.histogram}
          options={settings.options[method.id] ?? {}}
        />
      )}
    </>
  );
}

const isMeasured = (line: LensLine | undefined): line is LensLine & { readonly result: MethodResult } =>
  line?.result !== undefined;

/** How many recipes are measured. */
function Progress({ lens, wanted }: { lens: Lens; wanted: number }) {
  const { rows, isRunning, progress } = lens;
  const known = [...rows.values()].filter(({ share }) => share === undefined).length;
  const { done = 0, total = 0 } = progress ?? {};
  return (
    <div class="lens-progress" {...(isRunning ? {} : { role: 'status' })}>
      {isRunning ? (
        <>
          <progress value={done} max={total || 1} aria-label={l10n.t('Recipes')} />
          {l10n.t('{0} of {1}', known, plural(wanted, 'recipe'))}
        </>
      ) : (
        plural(wanted, 'recipe')
      )}
    </div>
  );
}

/** Recipes without a result, in words. */
function Without({ rows }: { rows: ReadonlyMap<string, LensRow> }) {
  const { missing, refused } = useMemo(() => withoutResult(rows.values()), [rows]);
  if (missing.size === 0 && refused.length === 0) return null;
  const needs = [...missing].map(([kind, count]) =>
    l10n.t('{0} by {1}', plural(count, 'recipe'), evidenceWords[kind]),
  );
  return (
    <div class="lens-without muted caption">
      {needs.length > 0 && <p>{l10n.t('A calibration adds {0}.', needs.join(', '))}</p>}
      {refused.length > 0 && (
        <details class="caption">
          <summary>{l10n.t('{0} cannot be applied', plural(refused.length, 'recipe'))}</summary>
          <ul>
            {refused.map(({ grid, method, refused: why }) => (
              <li key={`${grid} ${method}`}>{l10n.t('{0} by {1}: {2}', grid, method, why ?? '')}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

/** Grids that the user added, to be removed again. */
function Added({ filter, change }: { filter: LensFilter; change: (part: Partial<LensFilter>) => void }) {
  const { added } = filter;
  if (added.length === 0) return null;
  return (
    <p class="muted added">
      {mixed(
        l10n.t('Added: {0} {1}'),
        added.map((grid) => (
          <span key={grid} class="added-grid">
            {grid}{' '}
            <button
              class="icon-button"
              aria-label={l10n.t('Remove {0}', grid)}
              title={l10n.t('Remove')}
              onClick={() => change({ added: added.filter((other) => other !== grid) })}
            >
              ✕
            </button>
          </span>
        )),
        <button class="link" onClick={() => change(firstFilter)}>
          {l10n.t('Reset')}
        </button>,
      )}
    </p>
  );
}
