import { fromColumns } from '../src/protocol/columns';
import type { WebviewRequests } from '../src/protocol/webview';
import type { Store } from './store';

/** Requests the measurements when a view shows them and there are others than those that the page has; one request at a time. */
export class FiguresLoader {
  private running = false;

  constructor(
    private readonly store: Store,
    private readonly ask: () => Promise<WebviewRequests['sensitivityFigures']['result']>,
  ) {}

  /** Never rejects: a failure is what the page shows. */
  async refresh(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      while (this.isBehind && (await this.load()));
    } catch (error) {
      this.store.update({ problem: error instanceof Error ? error.message : String(error) });
    } finally {
      this.running = false;
    }
  }

  private get isBehind(): boolean {
    const { sensitivity, figures } = this.store.state;
    return sensitivity !== undefined && sensitivity.revision > (figures?.revision ?? 0);
  }

  /** @returns whether there may be newer ones. */
  private async load(): Promise<boolean> {
    const { opening, sensitivity } = this.store.state;
    const answer = await this.ask();
    if (this.store.state.opening !== opening) return true; // the answer is about what the page showed before
    if (!answer || answer.revision < sensitivity!.revision) return false;
    const { revision, figures } = answer;
    this.store.update({ figures: { ...figures, revision, rows: fromColumns(figures.rows) } });
    return true;
  }
}
