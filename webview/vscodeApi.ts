import type { StateStorage } from './persistent';

interface VsCodeApi extends StateStorage {
  postMessage(message: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** What VS Code gives a webview; it can be acquired only once. */
export const api = acquireVsCodeApi();
