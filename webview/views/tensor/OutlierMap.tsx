import * as l10n from '@vscode/l10n';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { OutlierMap as BaseMap } from '../../../src/protocol/analysis';
import { ChartFrame } from '../../charts/ChartFrame';
import { canvasPicture } from '../../charts/picture';
import { useColors } from '../../charts/plot';
import { Button } from '../../controls';
import { compose, pictureData, type Picture } from '../../map/compose';
import { cursorAfterKey, viewAfterKey } from '../../map/keys';
import { margin, paintOn, sizeOf, type Painting } from '../../map/paint';
import { paletteOf } from '../../map/palette';
import { cellFor, mostWeights, tilesOf } from '../../map/tiles';
import { useTiles } from '../../map/useTiles';
import { usePointer } from '../../map/usePointer';
import { areaOf, clamped, isWholeView, wholeView, type Anchor, type Area, type View } from '../../map/view';
import { cellAt, pointWords, viewWords } from '../../map/words';
import { useWidth } from '../../useWidth';
import { MapLegend } from './MapLegend';
import { Failed } from '../states';
import { usePersistent } from '../../usePersistent';

/** Weights beyond the threshold are counted at once in tensors of at most so many bytes; else when the user moves it. */
const countedBytes = 64_000_000;
/** CSS pixels of the map itself, where the tensor has enough rows. */
const mapHeight = 320;

interface Props {
  readonly tensor: string;
  /** Bytes of the tensor, as it is stored, and whether these are on a server. */
  readonly bytes: number;
  readonly isRemote: boolean;
  readonly map: BaseMap;
  /** Robust standard deviation of the weights; 0 where it is not defined. */
  readonly sigma: number;
  /** What is shown; undefined for the whole tensor. */
  readonly view: View | undefined;
  readonly show: (view: View | undefined) => void;
}

/** max |w| of cells of the matrix, down to single weights, with the maxima of the rows and columns in sight beside it. */
export function OutlierMap({ tensor, bytes, isRemote, map, sigma, view: asked, show }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [threshold, setThreshold] = usePersistent('map.threshold', 6);
  const area = areaOf(map, { width: width - margin.left - margin.right, height: mapHeight });
  const view = clamped(asked ?? wholeView(map), map, area);
  const { picture, failure, isLoading, retry } = usePicture({ tensor, isRemote, map, view, area });
  const go = (next: View): void => show(isWholeView(next, map) ? undefined : next);
  const shown = { view, picture, area, map, sigma };
  const reading = useReading(frame, shown, go);
  const painting = usePainting({ ...shown, threshold });
  const words = viewWords(view, picture, map);
  return (
    <ChartFrame
      title={l10n.t('Outlier map')}
      of={tensor}
      description={isLoading ? l10n.t('{0} Reading…', words) : words}
      data={() => pictureData(picture)}
      picture={() => pictureOf(painting)}
      controls={
        <Button disabled={asked === undefined} onClick={() => show(undefined)}>
          {l10n.t('Whole Tensor')}
        </Button>
      }
    >
      {failure !== undefined && <Failed message={failure} retry={retry} />}
      <div
        class="map"
        ref={frame}
        role="application"
        tabIndex={0}
        aria-label={l10n.t(
          'Outlier map. Plus and minus zoom, arrow keys move, Shift with arrow keys reads single cells, Escape shows the whole tensor.',
        )}
        style={{ height: `${area.height + margin.top + margin.bottom}px` }}
        onKeyDown={reading.onKey}
      >
        {width > 0 && <MapCanvas painting={painting} />}
        {reading.box && <div class="map-box" style={boxStyle(reading.box, area)} />}
        {reading.at && <Callout {...shown} at={reading.at} />}
        <span class="unseen" role="status">
          {reading.isByKey && reading.at ? pointWords(picture, view, reading.at, map, sigma) : words}
        </span>
      </div>
      <MapLegend
        {...{ tensor, sigma, picture, threshold, setThreshold }}
        counts={!isRemote && bytes <= countedBytes}
      />
    </ChartFrame>
  );
}

interface Shown {
  readonly view: View;
  readonly picture: Picture;
  readonly area: Area;
  readonly map: BaseMap;
  readonly sigma: number;
}

/** The cells of a view, sharper as soon as their tiles are there. */
function usePicture({
  tensor,
  isRemote,
  map,
  view,
  area,
}: Pick<Props, 'tensor' | 'isRemote' | 'map'> & Pick<Shown, 'view' | 'area'>) {
  const tiles = useTiles(tensor);
  const most = mostWeights[isRemote ? 'remote' : 'local'];
  const cell = cellFor(view, area, { rows: map.cellRows, columns: map.cellColumns }, most);
  const isDrawn = area.width > 1;
  const key = JSON.stringify([view, area]);
  const wanted = useMemo(() => (cell && isDrawn ? tilesOf(view, cell, map) : []), [key, map]);
  useEffect(() => tiles.want(wanted), [tiles, wanted]);
  const picture = useMemo(
    () => compose(view, cell, map, (tile) => tiles.find(tile)),
    [key, map, tiles, tiles.arrived],
  );
  const { failure } = tiles;
  return {
    picture,
    failure,
    isLoading: !picture.isSharp && failure === undefined,
    retry: () => tiles.retry(),
  };
}

/** What is read out: under the pointer, or the cell that keys have moved to. */
function useReading(
  frame: { current: HTMLDivElement | null },
  { view, picture, area, map }: Shown,
  show: (view: View) => void,
) {
  const pointer = usePointer(frame, { view, extent: map, area, show });
  const [cursor, setCursor] = useState<{ row: number; column: number }>();
  useEffect(() => setCursor(undefined), [map, pointer.at]);
  const onKey = (event: KeyboardEvent): void => {
    if (event.shiftKey && event.key.startsWith('Arrow')) {
      const middle = { row: view.row + view.rows / 2, column: view.column + view.columns / 2 };
      const from = cursor ?? { row: Math.floor(middle.row), column: Math.floor(middle.column) };
      setCursor(cursorAfterKey(event.key, from, picture.cell, map));
    } else {
      const next = viewAfterKey(event.key, view, map, area);
      if (!next) return;
      show(next);
    }
    event.preventDefault();
  };
  const key = cursor && {
    x: (cursor.column + 0.5 - view.column) / view.columns,
    y: (cursor.row + 0.5 - view.row) / view.rows,
  };
  const isInSight = key && key.x >= 0 && key.x <= 1 && key.y >= 0 && key.y <= 1;
  return {
    ...{ onKey, box: pointer.box },
    at: pointer.at ?? (isInSight ? key : undefined),
    isByKey: pointer.at === undefined && cursor !== undefined,
  };
}

/** What is drawn: the ramp ends at the threshold, beyond which one colour stands out. */
function usePainting({ view, picture, area, map, sigma, threshold }: Shown & { readonly threshold: number }) {
  const colors = useColors();
  return useMemo((): Painting => {
    const largest = map.values.reduce((most, value) => Math.max(most, value), 0);
    const { fontFamily } = getComputedStyle(document.body);
    return {
      ...{ view, picture, area, colors, palette: paletteOf(colors.isDark), font: `11px ${fontFamily}` },
      scale:
        sigma > 0 ? { top: threshold * sigma, marksBeyond: true } : { top: largest || 1, marksBeyond: false },
    };
  }, [JSON.stringify([view, area]), picture, map, sigma, threshold, colors]);
}

/** The drawing itself: nothing but pixels, described by the element around it. */
function MapCanvas({ painting }: { painting: Painting }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = window.devicePixelRatio || 1;
  useLayoutEffect(() => {
    if (canvas.current) paintOn(canvas.current, painting, ratio);
  }, [painting, ratio]);
  const { width, height } = sizeOf(painting);
  return <canvas ref={canvas} aria-hidden="true" style={{ width: `${width}px`, height: `${height}px` }} />;
}

/** The drawing for a file, at twice the page's resolution. */
function pictureOf(painting: Painting) {
  const canvas = document.createElement('canvas');
  paintOn(canvas, painting, 2);
  return canvasPicture(canvas, sizeOf(painting));
}

/** The cell that is read out, and its value in words beside it. */
function Callout({ view, picture, area, map, sigma, at }: Shown & { readonly at: Anchor }) {
  const { cellRow, cellColumn } = cellAt(picture, view, at, map);
  const perRow = area.height / view.rows;
  const perColumn = area.width / view.columns;
  const left = margin.left + (cellColumn * picture.cell.columns - view.column) * perColumn;
  const top = margin.top + (cellRow * picture.cell.rows - view.row) * perRow;
  const place = {
    ...(at.x > 0.5
      ? { right: `calc(100% - ${margin.left + at.x * area.width - 12}px)` }
      : { left: `${margin.left + at.x * area.width + 12}px` }),
    ...(at.y > 0.5
      ? { bottom: `calc(100% - ${margin.top + at.y * area.height - 12}px)` }
      : { top: `${margin.top + at.y * area.height + 12}px` }),
  };
  return (
    <>
      <div
        class="map-cell"
        style={{
          ...{ left: `${left}px`, top: `${top}px` },
          ...{
            width: `${perColumn * picture.cell.columns}px`,
            height: `${perRow * picture.cell.rows}px`,
          },
        }}
      />
      <div class="map-callout" style={place} aria-hidden="true">
        {pointWords(picture, view, at, map, sigma)}
      </div>
    </>
  );
}

function boxStyle([a, b]: readonly [Anchor, Anchor], area: Area) {
  return {
    left: `${margin.left + Math.min(a.x, b.x) * area.width}px`,
    top: `${margin.top + Math.min(a.y, b.y) * area.height}px`,
    width: `${Math.abs(a.x - b.x) * area.width}px`,
    height: `${Math.abs(a.y - b.y) * area.height}px`,
  };
}
