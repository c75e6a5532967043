import { useEffect, useRef, useState } from 'preact/hooks';
import bar from 'plotly.js/lib/bar';
import Plotly from 'plotly.js/lib/core';
import heatmap from 'plotly.js/lib/heatmap';

/** Only the traces that are drawn here: they need no eval. */
Plotly.register([bar, heatmap]);

/** Colours of the theme in force. */
export interface Colors {
  readonly foreground: string;
  readonly muted: string;
  readonly grid: string;
  readonly background: string;
  readonly series: string;
  readonly second: string;
}

const variables: Readonly<Record<keyof Colors, readonly string[]>> = {
  foreground: ['--vscode-foreground'],
  muted: ['--vscode-descriptionForeground', '--vscode-foreground'],
  grid: ['--vscode-editorIndentGuide-background1', '--vscode-widget-border', '--vscode-foreground'],
  background: ['--vscode-editor-background'],
  series: ['--vscode-charts-blue', '--vscode-textLink-foreground'],
  second: ['--vscode-charts-yellow', '--vscode-editorWarning-foreground'],
};

function readColors(): Colors {
  const style = getComputedStyle(document.body);
  const first = (names: readonly string[]): string =>
    names.map((name) => style.getPropertyValue(name).trim()).find(Boolean) ?? '';
  return Object.fromEntries(
    Object.entries(variables).map(([key, names]) => [key, first(names)]),
  ) as unknown as Colors;
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

/** Draws into the element that the returned ref is given to, and redraws when traces, layout or width change. */
export function usePlot(traces: readonly Trace[], layout: Layout, colors: Colors) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (element.current)
      void Plotly.react(
        element.current,
        traces,
        { ...baseLayout(colors), ...layout },
        { displayModeBar: false },
      );
  }, [traces, layout, colors]);
  useEffect(() => {
    const target = element.current;
    if (!target) return undefined;
    // Plotly itself follows the window only, not the splitter.
    const observer = new ResizeObserver(() => {
      if (target.clientWidth > 0 && target.classList.contains('js-plotly-plot'))
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
