import * as l10n from '@vscode/l10n';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { LayerMap } from '../../src/protocol/layerMap';
import { allPlaces, membersAt, nextPlace, type MapPlace } from '../planMap';
import { useWidth } from '../useWidth';
import { cellBox, layOutMap, placeAt, type MapLayout } from './layerMapLayout';
import { paintMap, type LayerCell, type MapPainting } from './layerMapPaint';
import { canvasPicture, type Picture } from './picture';
import { useColors } from './plot';

/** What can be read and done in a map by layer and role. */
export interface LayerMapProps {
  readonly map: LayerMap;
  /** What a cell shows; a new function only where cells show something else. */
  readonly cellAt: (members: readonly number[], place: MapPlace) => LayerCell;
  /** Name for screen readers. */
  readonly label: string;
  /** Whether a cell has the selected tensor. */
  readonly isChosen: (members: readonly number[]) => boolean;
  readonly choose: (members: readonly number[]) => void;
  /** Keys besides arrows, Enter and space. @returns whether it was one of them. */
  readonly onKey?: (event: KeyboardEvent, members: readonly number[]) => boolean;
  /** The drawing, to be saved. */
  readonly picture?: RefObject<() => Picture | undefined>;
}

/** Tensors by layer and role, drawn on a canvas: a click selects, arrow keys move, the cell is read out in words below. */
export function LayerMap(props: LayerMapProps) {
  const { map, cellAt, label, isChosen, choose } = props;
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const layout = useMemo(() => layOutMap(map, width), [map, width]);
  const [active, setActive] = useState<MapPlace>({ row: 0, column: 0 });
  const [isFocused, setFocused] = useState(false);
  const [pointed, setPointed] = useState<MapPlace>();
  const painting = usePainting(map, layout, cellAt);
  useLayoutEffect(() => {
    const { picture } = props;
    if (!picture) return undefined;
    picture.current = () => pictureOf(painting);
    return () => (picture.current = () => undefined); // a map that is gone is not saved
  }, [painting]);
  const placeOf = (event: MouseEvent): MapPlace | undefined => {
    const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
    return placeAt(layout, map, event.clientX - left, event.clientY - top);
  };
  const onKey = (event: KeyboardEvent): void => {
    const next = nextPlace(map, active, event.key);
    if (next) setActive(next);
    else if (event.key === 'Enter' || event.key === ' ') choose(membersAt(map, active));
    else if (props.onKey?.(event, membersAt(map, active)) !== true) return;
    event.preventDefault();
  };
  const read = pointed ?? (isFocused ? active : undefined);
  const members = read ? membersAt(map, read) : [];
  const words = read && members.length > 0 ? cellAt(members, read).words : '';
  const chosen = useMemo(
    () => allPlaces(map).filter((place) => isChosen(membersAt(map, place))),
    [map, isChosen],
  );
  return (
    <div class="layer-map-frame" ref={frame}>
      <div
        class="layer-map"
        role="application"
        aria-label={l10n.t('{0}. Arrow keys move, Enter selects.', label)}
        tabIndex={0}
        style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
        onKeyDown={onKey}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
        onPointerMove={(event) => setPointed(placeOf(event))}
        onPointerLeave={() => setPointed(undefined)}
        onClick={(event) => {
          const place = placeOf(event);
          if (!place) return;
          setActive(place);
          choose(membersAt(map, place));
        }}
      >
        {width > 0 && <MapCanvas painting={painting} />}
        {chosen.map((place) => (
          <Outline key={`${place.row} ${place.column}`} name="chosen" {...{ layout, map, place }} />
        ))}
        {read && <Outline name="active" {...{ layout, map }} place={read} />}
      </div>
      <p class="layer-map-words muted" role="status">
        {words}
      </p>
    </div>
  );
}

function usePainting(map: LayerMap, layout: MapLayout, cellAt: LayerMapProps['cellAt']): MapPainting {
  const colors = useColors();
  return useMemo(
    () => ({ map, layout, cellAt, colors, font: getComputedStyle(document.body).fontFamily }),
    [map, layout, cellAt, colors],
  );
}

/** Nothing but pixels, described by the element around it. */
function MapCanvas({ painting }: { painting: MapPainting }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const ratio = window.devicePixelRatio || 1;
  useLayoutEffect(() => {
    if (canvas.current) paintMap(canvas.current, painting, ratio);
  }, [painting, ratio]);
  const { width, height } = painting.layout;
  return <canvas ref={canvas} aria-hidden="true" style={{ width: `${width}px`, height: `${height}px` }} />;
}

/** The drawing for a file, at twice the page's resolution. */
function pictureOf(painting: MapPainting): Picture {
  const canvas = document.createElement('canvas');
  paintMap(canvas, painting, 2);
  const { width, height } = painting.layout;
  return canvasPicture(canvas, { width, height });
}

function Outline(props: { name: string; layout: MapLayout; map: LayerMap; place: MapPlace }) {
  const { x, y, width, height } = cellBox(props.layout, props.map, props.place);
  const style = { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` };
  return <span class={`layer-map-box ${props.name}`} style={style} aria-hidden="true" />;
}
