import { useEffect, useRef, useState } from 'preact/hooks';
import bar from 'plotly.js/lib/bar';
import Plotly from 'plotly.js/lib/core';
import heatmap from 'plotly.js/lib/heatmap';
import type { Picture } from './picture';

/** Only the trace types used here: they do not need eval. */
Plotly.register([bar, heatmap]);

/** Colours of the current theme. */
export interface Colors {
  readonly foreground: string;
  readonly muted: string;
  readonly grid: string;
  readonly background: string;
  readonly series: string;
  readonly second: string;
  /** Whether the background is dark. */
  readonly isDark: boolean;
}

const variables: Readonly<Record<Exclude<keyof Colors, 'isDark'>, readonly string[]>> = {
  foreground: ['--vscode-foreground'],
  muted: ['--vscode-descriptionForeground', '--vscode-foreground'],
  grid: ['--vscode-editorIndentGuide-background1', '--vscode-widget-border', '--vscode-foreground'],
  background: ['--vscode-editor-background'],
  series: ['--vscode-charts-blue', '--vscode-textLink-foreground'],
  second: ['--vscode-charts-yellow', '--vscode-editorWarning-foreground'],
};

export function readColors(): Colors {
  const style = getComputedStyle(document.body);
  const first = (names: readonly string[]): string =>
    names.map((name) => style.getPropertyValue(name).trim()).find(Boolean) ?? '';
  const themed = Object.fromEntries(
    Object.entries(variables).map(([key, names]) => [key, first(names)]),
  ) as Record<keyof typeof variables, string>;
  const { classList } = document.body;
  const isLight = ['vscode-light', 'vscode-high-contrast-light'].some((name) => classList.contains(name));
  // High contrast themes draw guides in the colour of the text, which would hide what the lines are for.
  const grid = classList.contains('vscode-high-contrast') ? 'rgba(127, 127, 127, 0.5)' : themed.grid;
  return { ...themed, grid, isDark: !isLight };
}

/** The theme's colours, read again when the theme changes. */
export function useColors(): Colors {
  const [colors, setColors] = useState(readColors);
  useEffect(() => {
    const observer = new MutationObserver(() => setColors(readColors()));
    observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
    return () => observer.disconnect();
  }, []);
  return colors;
}

export type Trace = Record<string, unknown>;
export type Layout = Record<string, unknown>;

/** User actions on a chart, by plotly's event names. */
export type PlotEvents = Readonly<Record<string, (event: Readonly<Record<string, unknown>>) => void>>;

/** An element that plotly drew into. */
type Drawn = HTMLDivElement & {
  on?: (name: string, listener: (event?: Record<string, unknown>) => void) => void;
};

/**
 * Draws into the element that the returned ref is given to, and redraws when traces, layout or width change.
 * @param events the same names at every call.
 */
export function usePlot(traces: readonly Trace[], layout: Layout, colors: Colors, events: PlotEvents = {}) {
  const element = useRef<Drawn>(null);
  const listeners = useRef(events);
  listeners.current = events;
  const isDrawn = useRef(false);
  /** Pixels that it was drawn for. */
  const width = useRef(0);
  useEffect(() => {
    const target = element.current;
    if (!target) return;
    const options = { displayModeBar: false, doubleClick: false };
    void Plotly.react(target, traces, { ...baseLayout(colors), ...layout }, options);
    width.current = target.clientWidth;
    if (isDrawn.current) return;
    isDrawn.current = true;
    for (const name of Object.keys(events))
      target.on?.(name, (event = {}) => listeners.current[name]?.(event));
  }, [traces, layout, colors]);
  useEffect(() => {
    const target = element.current;
    if (!target) return undefined;
    // Plotly itself follows the window only, not the splitter.
    const observer = new ResizeObserver(() => {
      const { clientWidth } = target;
      // An observer also reports the width that it begins with; drawing is the costliest part of an opening page.
      if (clientWidth === 0 || clientWidth === width.current) return;
      if (!target.classList.contains('js-plotly-plot')) return;
      width.current = clientWidth;
      void Plotly.Plots.resize(target);
    });
    observer.observe(target);
    return () => {
      observer.disconnect();
      Plotly.purge(target);
    };
  }, []);
  return element;
}

/** What plotly has drawn into an element; undefined before it has. */
export async function plotPicture(element: HTMLElement | null): Promise<Picture | undefined> {
  if (!element?.classList.contains('js-plotly-plot')) return undefined;
  const { clientWidth: width, clientHeight: height } = element;
  const svg = await Plotly.toImage(element, { format: 'svg', width, height, imageDataOnly: true });
  return { svg, width, height };
}

function baseLayout(colors: Colors): Layout {
  return {
    margin: { l: 56, r: 12, t: 8, b: 36 },
    paper_bgcolor: 'transparent',
    plot_bgcolor: 'transparent',
    font: { family: 'inherit', size: 11, color: colors.foreground },
    hoverlabel: { bgcolor: colors.background, bordercolor: colors.grid, font: { color: colors.foreground } },
    showlegend: false,
  };
}

/** Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them where hardly one would be in sight. */
export const logTicks = (least: number, greatest: number): { dtick: number | string } => ({
  dtick: greatest / least < 50 ? 'D2' : 1,
});

/** An axis in the theme's colours. */
export function axis(colors: Colors, more: Layout = {}): Layout {
  return {
    gridcolor: colors.grid,
    zerolinecolor: colors.grid,
    linecolor: colors.grid,
    tickcolor: colors.grid,
    ...more,
  };
}
