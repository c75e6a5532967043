interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** What VS Code gives a webview; it can be asked for once. */
export const api = acquireVsCodeApi();

/** What outlives a hidden editor. */
export interface SavedState {
  readonly selected?: string;
  readonly tab?: string;
  readonly split?: number;
  /** What the export panel was set to. */
  readonly exportForm?: unknown;
  /** Which tensors its table shows. */
  readonly exportFilter?: unknown;
  /** Open modules of the tree. */
  readonly expanded?: readonly string[];
}

export function savedState(): SavedState {
  return api.getState() ?? {};
}

export function saveState(change: SavedState): void {
  api.setState({ ...savedState(), ...change });
}
