import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RegionMap, TensorRegion } from '../../src/protocol/analysis';
import { useRegion } from '../charts/useRegion';
import { Button } from '../controls';
import { aligned } from '../format';

/** Weights that are shown in each direction. */
const shownRows = 16;
const shownColumns = 16;

interface Props {
  readonly tensor: string;
  readonly rows: number;
  readonly columns: number;
}

/** Any slice of the weights as a table, from a row and a column that can be typed in. */
export function Values({ tensor, rows, columns }: Props) {
  const [firstRow, setFirstRow] = useState(0);
  const [firstColumn, setFirstColumn] = useState(0);
  useEffect(() => {
    setFirstRow(0);
    setFirstColumn(0);
  }, [tensor]);
  const region = useMemo((): TensorRegion | undefined => {
    if (rows === 0 || columns === 0) return undefined;
    const row = Math.min(firstRow, rows - 1);
    const column = Math.min(firstColumn, columns - 1);
    return {
      ...{ firstRow: row, rows: Math.min(shownRows, rows - row) },
      ...{ firstColumn: column, columns: Math.min(shownColumns, columns - column) },
    };
  }, [tensor, firstRow, firstColumn, rows, columns]);
  const { value: map, failure, retry } = useRegion(tensor, region);
  if (!region) return <p class="muted">The tensor is empty.</p>;
  return (
    <div class="values">
      <div class="values-from">
        <From label="Row" value={region.firstRow} end={rows} onChange={setFirstRow} />
        <From label="Column" value={region.firstColumn} end={columns} onChange={setFirstColumn} />
        <span class="muted">
          of {rows.toLocaleString('en-US')} × {columns.toLocaleString('en-US')}
        </span>
      </div>
      {failure !== undefined && (
        <p class="notice error" role="alert">
          {failure} <Button onClick={retry}>Retry</Button>
        </p>
      )}
      {map && <Table map={map} />}
    </div>
  );
}

function Table({ map }: { map: RegionMap }) {
  const texts = aligned(map.values);
  return (
    <div class="values-table">
      <table>
        <thead>
          <tr>
            <th />
            {Array.from({ length: map.mapColumns }, (_, column) => (
              <th key={column} scope="col">
                {map.firstColumn + column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: map.mapRows }, (_, row) => (
            <tr key={row}>
              <th scope="row">{map.firstRow + row}</th>
              {map.values.slice(row * map.mapColumns, (row + 1) * map.mapColumns).map((value, column) => (
                <td key={column} title={String(value)} class={value - value === 0 ? '' : 'bad'}>
                  {texts[row * map.mapColumns + column]}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Where the slice begins in one direction. */
function From(props: { label: string; value: number; end: number; onChange: (value: number) => void }) {
  const { label, value, end, onChange } = props;
  return (
    <label>
      {label}{' '}
      <input
        type="number"
        min={0}
        max={Math.max(0, end - 1)}
        step={1}
        value={value}
        onChange={(event) => {
          const typed = Math.floor(event.currentTarget.valueAsNumber);
          if (typed >= 0) onChange(Math.min(end - 1, typed));
        }}
      />
    </label>
  );
}
