import * as l10n from '@vscode/l10n';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Extent } from '../../map/view';
import { useTiles } from '../../map/useTiles';
import { useWidth } from '../../useWidth';
import { tilesInSight, valuesInSight, type Sight } from '../../values/cells';
import { leadingOf, type Slice } from '../../values/slice';
import { extentOf, windowOf, type Lines } from '../../values/window';
import { Failed } from '../states';

/** Pixels. */
const [rowHeight, headHeight, mostHeight, bar] = [22, 24, 380, 14] as const;
const [leastColumn, perLetter, gap] = [84, 7.4, 22] as const;

interface Props {
  readonly tensor: string;
  readonly extent: Extent;
  readonly slice: Slice;
  readonly format: (value: number) => string;
  /** Letters of the longest value. */
  readonly letters: number;
}

/** The values of a slice: only those in sight are read and drawn, in both directions. */
export function ValuesGrid({ tensor, extent, slice, format, letters }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const width = useWidth(scroller);
  const [offset, setOffset] = useState({ x: 0, y: 0 });
  useEffect(() => scroller.current?.scrollTo(0, 0), [slice]);
  const columnWidth = Math.max(leastColumn, perLetter * letters + gap);
  const nameWidth = perLetter * leadingText(slice, slice.rows - 1).length + gap;
  const columnLines: Lines = { count: slice.columns, size: columnWidth, sight: width - nameWidth - bar };
  const height = Math.min(mostHeight, slice.rows * rowHeight + headHeight + bar);
  const rowLines: Lines = { count: slice.rows, size: rowHeight, sight: height - headHeight - bar };
  const [rows, columns] = [windowOf(offset.y, rowLines), windowOf(offset.x, columnLines)];
  const sight = {
    ...{ firstRow: rows.first, rows: rows.count },
    ...{ firstColumn: columns.first, columns: width > 0 ? columns.count : 0 },
  };
  const { values, failure, retry } = useValues(tensor, extent, slice, sight);
  return (
    <>
      {failure !== undefined && <Failed message={failure} retry={retry} />}
      <div
        class="values-grid"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label={l10n.t('Values of {0}', tensor)}
        style={{ height: `${height}px` }}
        onScroll={({ currentTarget }) =>
          setOffset({ x: currentTarget.scrollLeft, y: currentTarget.scrollTop })
        }
      >
        <div
          style={{
            width: `${nameWidth + extentOf(columnLines)}px`,
            height: `${headHeight + extentOf(rowLines)}px`,
          }}
        >
          <SliceTable {...{ slice, sight, values, format, nameWidth, columnWidth }} />
        </div>
      </div>
    </>
  );
}

interface TableProps extends Pick<Props, 'slice' | 'format'> {
  readonly sight: Sight;
  readonly values: readonly (readonly (number | undefined)[])[];
  /** Pixels. */
  readonly nameWidth: number;
  readonly columnWidth: number;
}

/** The part of a slice that is in sight, with the heads of its rows and columns. */
function SliceTable({ slice, sight, values, format, nameWidth, columnWidth }: TableProps) {
  return (
    <table
      aria-rowcount={slice.rows + 1}
      aria-colcount={slice.columns + 1}
      style={{ width: `${nameWidth + columnWidth * sight.columns}px` }}
    >
      <thead>
        <tr aria-rowindex={1} style={{ height: `${headHeight}px` }}>
          <th style={{ width: `${nameWidth}px` }} />
          {Array.from({ length: sight.columns }, (_, i) => (
            <th key={i} scope="col" style={{ width: `${columnWidth}px` }}>
              {slice.firstColumn + sight.firstColumn + i}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {values.map((cells, i) => (
          <tr key={i} aria-rowindex={sight.firstRow + i + 2} style={{ height: `${rowHeight}px` }}>
            <th scope="row">{leadingText(slice, sight.firstRow + i)}</th>
            {cells.map((value, column) => (
              <Value key={column} value={value} format={format} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Value({ value, format }: { value: number | undefined; format: (value: number) => string }) {
  if (value === undefined) return <td class="muted">…</td>;
  return (
    <td title={String(value)} class={value - value === 0 ? '' : 'bad'}>
      {format(value)}
    </td>
  );
}

const leadingText = (slice: Slice, row: number): string => leadingOf(slice, row).join(', ');

function useValues(tensor: string, extent: Extent, slice: Slice, sight: Sight) {
  const tiles = useTiles(tensor);
  const key = JSON.stringify(sight);
  useEffect(() => tiles.want(tilesInSight(slice, sight, extent)), [tiles, slice, key]);
  const values = useMemo(
    () => valuesInSight(slice, sight, extent, (tile) => tiles.find(tile)),
    [tiles, tiles.arrived, slice, key],
  );
  return { values, failure: tiles.failure, retry: () => tiles.retry() };
}
