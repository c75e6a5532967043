import { useMemo } from 'preact/hooks';
import type { OutlierMap, TensorRegion } from '../../src/protocol/analysis';
import { Button } from '../controls';
import { number } from '../format';
import { spanText } from './cells';
import { ChartFrame } from './ChartFrame';
import { heatMapData, heatMapLayout, heatMapTraces, type HeatMap } from './heatMap';
import { plotPicture, useColors, usePlot } from './plot';
import { useRegion } from './useRegion';
import { isWhole, moved, regionOf, scaled, wholeOf } from './zoom';

/** Robust standard deviations at which the colour scale saturates. */
const topSigma = 12;

interface Props {
  readonly tensor: string;
  readonly map: OutlierMap;
  /** Robust standard deviation of the weights; 0 where it is not defined. */
  readonly sigma: number;
  /** The region shown; undefined for the whole tensor. */
  readonly region: TensorRegion | undefined;
  readonly zoomTo: (region: TensorRegion | undefined) => void;
}

/** max |w| of each cell of the matrix, or of a region down to single weights, with row and column maxima next to it. */
export function OutlierChart({ tensor, map, sigma, region, zoomTo }: Props) {
  const colors = useColors();
  const { value: part, failure, isLoading, retry } = useRegion(tensor, region);
  const shown = region ? part : { ...map, ...wholeOf(map) };
  const cells = useMemo(
    () => cellsOf(shown ?? { ...map, ...wholeOf(map) }, sigma),
    [map, part, region === undefined, sigma],
  );
  const traces = useMemo(() => heatMapTraces(cells), [cells]);
  const layout = useMemo(() => heatMapLayout(cells, ticksOf(cells, sigma), colors), [cells, colors]);
  const current = region ?? wholeOf(map);
  const show = (next: TensorRegion): void => zoomTo(isWhole(next, map) ? undefined : next);
  const element = usePlot(traces, layout, colors, {
    plotly_relayout: (event) => {
      const x = rangeOf(event, 'xaxis');
      const y = rangeOf(event, 'yaxis');
      if (x ?? y) show(regionOf({ ...(x ? { x } : {}), ...(y ? { y } : {}) }, current, map));
    },
    plotly_doubleclick: () => zoomTo(undefined),
  });
  const onKey = (event: KeyboardEvent): void => {
    const next = keyTo(event.key, current, map);
    if (!next) return;
    show(next);
    event.preventDefault();
  };
  return (
    <ChartFrame
      title="Outlier map"
      of={tensor}
      data={() => heatMapData(cells, { name: isSingle(cells) ? 'weight' : 'max |w|' })}
      picture={() => plotPicture(element.current)}
    >
      <div class="zoom">
        <span class="muted" role="status">
          {captionOf(cells)}
          {isLoading && ' Reading…'}
        </span>
        {region && <Button onClick={() => zoomTo(undefined)}>Whole tensor</Button>}
      </div>
      {failure !== undefined && (
        <p class="notice error" role="alert">
          {failure} <Button onClick={retry}>Retry</Button>
        </p>
      )}
      <div
        class="outliers"
        role="application"
        tabIndex={0}
        aria-label="Outlier map. Plus and minus zoom, arrow keys move, Escape shows the whole tensor."
        onKeyDown={onKey}
        onPointerDown={(event) => event.currentTarget.focus({ preventScroll: true })}
        ref={element}
      />
    </ChartFrame>
  );
}

/** Whether each cell is one weight. */
const isSingle = ({ cellRows, cellColumns }: Pick<HeatMap, 'cellRows' | 'cellColumns'>): boolean =>
  cellRows === 1 && cellColumns === 1;

function cellsOf(shown: Omit<HeatMap, 'inWords'>, sigma: number): HeatMap {
  const sigmas = (value: number): string =>
    sigma > 0 && Number.isFinite(value) ? `, ${(Math.abs(value) / sigma).toFixed(1)} σ` : '';
  const inWords = (value: number): string =>
    `${isSingle(shown) ? '' : 'max |w| '}${number(value, 4)}${sigmas(value)}`;
  const largest = shown.values.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);
  const top = sigma > 0 ? Math.min(topSigma * sigma, Math.max(largest, sigma)) : largest || 1;
  return { ...shown, top, inWords };
}

function captionOf({ cellRows, cellColumns, firstRow = 0, firstColumn = 0, rows, columns }: HeatMap): string {
  const where = `${spanText('row', [firstRow, firstRow + rows - 1])}, ${spanText('column', [firstColumn, firstColumn + columns - 1])}`;
  const what = isSingle({ cellRows, cellColumns })
    ? 'one weight'
    : `the largest |w| of ${cellRows} × ${cellColumns} weights`;
  return `${where}: ${what} per cell. Drag to zoom.`.replace(/^r/, 'R');
}

/** The scale in weights and in robust standard deviations. */
function ticksOf({ top = 1 }: HeatMap, sigma: number) {
  if (sigma <= 0) return { title: '|w|' };
  const step = Math.max(1, Math.ceil(top / sigma / 4));
  const counts = Array.from({ length: Math.floor(top / sigma / step) + 1 }, (_, i) => i * step);
  const texts = counts.map((count) => (count === topSigma ? `≥ ${count} σ` : `${count} σ`));
  return { title: `|w|, σ = ${number(sigma, 3)}`, values: counts.map((count) => count * sigma), texts };
}

/** A changed range in a plotly event. */
function rangeOf(
  event: Readonly<Record<string, unknown>>,
  name: 'xaxis' | 'yaxis',
): [number, number] | undefined {
  const ends = [event[`${name}.range[0]`], event[`${name}.range[1]`]];
  return ends.every((end) => typeof end === 'number') ? (ends as [number, number]) : undefined;
}

function keyTo(key: string, region: TensorRegion, map: OutlierMap): TensorRegion | undefined {
  switch (key) {
    case '+':
    case '=':
      return scaled(region, 0.5, map);
    case '-':
      return scaled(region, 2, map);
    case 'ArrowLeft':
      return moved(region, { right: -0.25 }, map);
    case 'ArrowRight':
      return moved(region, { right: 0.25 }, map);
    case 'ArrowUp':
      return moved(region, { down: -0.25 }, map);
    case 'ArrowDown':
      return moved(region, { down: 0.25 }, map);
    case 'Escape':
      return wholeOf(map);
    default:
      return undefined;
  }
}
