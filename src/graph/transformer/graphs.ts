import type { GraphLoader, LoadedGraph } from './graphLoader';
import type { NamedSource } from './graphSources';

/** The loaded graphs of a decoder: all that were used, or one at a time. */
export class Graphs {
  private readonly open = new Map<string, LoadedGraph>();

  constructor(
    private readonly loader: GraphLoader,
    readonly keep: boolean,
  ) {}

  async using<T>(
    source: NamedSource,
    signal: AbortSignal | undefined,
    work: (graph: LoadedGraph) => Promise<T>,
  ): Promise<T> {
    const graph = await this.obtain(source, signal);
    try {
      return await work(graph);
    } finally {
      await this.letGo(graph);
    }
  }

  /** The same for a graph that is not kept; its session is, up to `forget`, for graphs that differ only in their weights. */
  async usingOnce<T>(
    source: NamedSource,
    signal: AbortSignal | undefined,
    work: (graph: LoadedGraph) => Promise<T>,
  ): Promise<T> {
    const graph = await this.loader.load(source, signal);
    try {
      return await work(graph);
    } finally {
      await graph.release();
    }
  }

  /** Releases the sessions of graphs that were used once. */
  async forget(sources: readonly NamedSource[]): Promise<void> {
    for (const { key } of sources) await this.loader.forget(key);
  }

  async obtain(source: NamedSource, signal?: AbortSignal): Promise<LoadedGraph> {
    const known = this.open.get(source.name);
    if (known) return known;
    const graph = await this.loader.load(source, signal);
    if (this.keep) this.open.set(source.name, graph);
    return graph;
  }

  async letGo(graph: LoadedGraph): Promise<void> {
    if (!this.keep) await graph.release();
  }

  /** Releases all graphs and decoded weights. */
  async release(): Promise<void> {
    const graphs = [...this.open.values()];
    this.open.clear();
    for (const graph of graphs) await graph.release();
    this.loader.drain();
  }

  async close(): Promise<void> {
    await this.release();
    await this.loader.close();
  }
}
