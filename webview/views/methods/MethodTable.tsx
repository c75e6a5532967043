import { evidenceWords } from '../../../src/protocol/evidence';
import { leastOf } from '../../../src/protocol/extremes';
import type { MethodCell, MethodResult, MethodRow } from '../../../src/protocol/methods';
import type { MethodDescription } from '../../../src/protocol/recipe';
import { size } from '../../../src/protocol/words';
import { Spinner } from '../../controls';
import { bits, decibels, percent } from '../../format';
import type { MethodSettings } from '../../useMethodOptions';
import type { GridState } from '../../methodRows';
import { changedCount } from './MethodOptions';

/** A cell of the table. */
export interface Place {
  readonly grid: string;
  readonly method: string;
}

interface Props {
  readonly states: readonly GridState[];
  readonly methods: readonly MethodDescription[];
  readonly remove: (grid: string) => void;
  readonly chosen: Place | undefined;
  readonly choose: (place: Place) => void;
  readonly settings: MethodSettings;
}

/** Rows are grids, columns methods. */
export function MethodTable({ states, methods, settings, ...actions }: Props) {
  const hasOutputs = states.some(({ row }) =>
    row?.cells.some(({ result }) => result?.outputError !== undefined),
  );
  return (
    <>
      <p class="muted legend-line">
        Relative error of the weights
        {hasOutputs ? '; after the arrow that of the outputs, for inputs of the calibration text' : ''}. Click
        a figure for all others.
      </p>
      <div class="wide-table" tabIndex={0} role="region" aria-label="Grids and methods">
        <table class="methods">
          <thead>
            <tr>
              <th scope="col">Grid</th>
              <th scope="col">
                Bits
                <br />
                Size
              </th>
              {methods.map((method) => (
                <MethodHead key={method.id} method={method} settings={settings} />
              ))}
              <th />
            </tr>
          </thead>
          <tbody>
            {states.map((state) => (
              <Row key={state.name} state={state} methods={methods} {...actions} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** A method, what it must know of the inputs, and its options. */
function MethodHead({ method, settings }: { method: MethodDescription; settings: MethodSettings }) {
  const { id, label, description, options } = method;
  const { texts, opened, open } = settings;
  const changed = changedCount(texts[id]);
  return (
    <th scope="col" title={description}>
      {label}
      <br />
      <span class="needs">{needsText(method)}</span>
      {options.length > 0 && (
        <button
          class="link"
          aria-expanded={opened === id}
          aria-label={`Options of ${label}`}
          onClick={() => open(opened === id ? undefined : id)}
        >
          Options{changed > 0 ? ` (${changed})` : ''}
        </button>
      )}
    </th>
  );
}

/** "needs Hessian"; "uses importance" where it can do without. */
function needsText({ evidence, improvedBy }: MethodDescription): string {
  if (evidence !== 'none') return `needs ${evidenceWords[evidence]}`;
  return improvedBy === undefined ? 'needs no data' : `uses ${evidenceWords[improvedBy]}`;
}

function Row(props: Omit<Props, 'states' | 'settings'> & { state: GridState }) {
  const { state, methods, remove, chosen, choose } = props;
  const { name, row, failure } = state;
  const first = row?.cells.find(({ result }) => result)?.result;
  return (
    <tr data-grid={name}>
      <th scope="row" title={row?.grid.label}>
        {row?.grid.name ?? name}
      </th>
      <td>
        {first && (
          <>
            {bits(first.bitsPerWeight)}
            <br />
            <span class="muted">{size(first.bytes)}</span>
          </>
        )}
      </td>
      {failure !== undefined && (
        <td class="failure" colSpan={methods.length}>
          {failure}
        </td>
      )}
      {failure === undefined &&
        methods.map(({ id, label }) => (
          <td key={id} data-method={id}>
            <Cell
              {...{ row, label }}
              cell={row?.cells.find(({ method }) => method === id)}
              isChosen={chosen?.grid === name && chosen.method === id}
              choose={() => choose({ grid: name, method: id })}
            />
          </td>
        ))}
      <td>
        <button class="icon-button" aria-label={`Remove ${name}`} title="Remove" onClick={() => remove(name)}>
          ✕
        </button>
      </td>
    </tr>
  );
}

interface CellProps {
  readonly row: MethodRow | undefined;
  readonly cell: MethodCell | undefined;
  /** Of the method. */
  readonly label: string;
  readonly isChosen: boolean;
  readonly choose: () => void;
}

function Cell(props: CellProps) {
  const { row, cell } = props;
  if (!row || !cell) return <Spinner />;
  if (cell.result) return <ResultCell {...props} row={row} result={cell.result} />;
  if (cell.missing)
    return (
      <span class="needs" title="Calibrate on a text to measure it">
        needs {evidenceWords[cell.missing]}
      </span>
    );
  return (
    <span class="muted" title={cell.refused}>
      –
    </span>
  );
}

/** Errors of the weights and, where they are known, of the outputs. */
function ResultCell(props: CellProps & { row: MethodRow; result: MethodResult }) {
  const { row, result, label, isChosen, choose } = props;
  const { error, outputError, evidence } = result;
  const mark = `${isChosen ? ' chosen' : ''}${result === bestOf(row) ? ' best' : ''}`;
  return (
    <button
      class={`method-cell${mark}`}
      aria-pressed={isChosen}
      title={titleOf(label, result)}
      onClick={choose}
    >
      <span class={outputError === undefined ? 'decisive' : ''}>{percent(error.relativeError)}</span>
      {outputError !== undefined && (
        <span class="decisive">
          <span class="muted">→ </span>
          {percent(Math.sqrt(outputError))}
        </span>
      )}
      <span class="evidence" title="What the method knew of the inputs">
        {evidenceWords[evidence]}
      </span>
    </button>
  );
}

/** What a cell is short of. */
function titleOf(label: string, { error, outputError }: MethodResult): string {
  const outputs = outputError === undefined ? '' : `; outputs ${decibels(outputError, 1)}`;
  return `${label}: SQNR ${decibels(error.relativeSquaredError, 1)}${outputs}`;
}

/** The method with the least error of the outputs, or of the weights where outputs are not known. */
function bestOf({ cells }: MethodRow): MethodCell['result'] {
  const results = cells.flatMap(({ result }) => result ?? []);
  if (results.length < 2) return undefined;
  const figure = (result: (typeof results)[number]): number =>
    result.outputError ?? result.error.relativeSquaredError;
  const least = leastOf(results.map(figure));
  return results.find((result) => figure(result) === least);
}
