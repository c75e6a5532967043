/** The parts of plotly.js that are used; its own types describe the whole bundle only. */
declare module 'plotly.js/lib/core' {
  const Plotly: {
    register(traces: readonly unknown[]): void;
    react(
      element: HTMLElement,
      traces: readonly unknown[],
      layout: unknown,
      config: unknown,
    ): Promise<unknown>;
    purge(element: HTMLElement): void;
    toImage(
      element: HTMLElement,
      options: { format: 'svg'; width: number; height: number; imageDataOnly: true },
    ): Promise<string>;
    readonly Plots: { resize(element: HTMLElement): Promise<unknown> };
  };
  export default Plotly;
}
declare module 'plotly.js/lib/bar' {
  const trace: unknown;
  export default trace;
}
declare module 'plotly.js/lib/heatmap' {
  const trace: unknown;
  export default trace;
}
declare module '*.css' {}
