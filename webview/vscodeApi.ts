import type { Grouping } from './places';

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** What VS Code gives a webview; it can be acquired only once. */
export const api = acquireVsCodeApi();

/** State that survives hiding the editor. */
export interface SavedState {
  readonly selected?: string;
  readonly tab?: string;
  readonly split?: number;
  /** What the export panel was set to. */
  readonly exportForm?: unknown;
  /** Which tensors its table shows. */
  readonly exportFilter?: unknown;
  /** What the page that quantizes the model was set to. */
  readonly quantizeModelForm?: unknown;
  /** Grids that methods are compared in. */
  readonly methodGrids?: readonly string[];
  /** Options of methods, as they were typed. */
  readonly methodOptions?: unknown;
  /** Groups of the tree that the user opened or closed. */
  readonly unfolded?: Readonly<Record<string, boolean>>;
  /** How the tree puts tensors together. */
  readonly grouping?: Grouping;
}

export function savedState(): SavedState {
  return api.getState() ?? {};
}

export function saveState(change: SavedState): void {
  api.setState({ ...savedState(), ...change });
}
