import { vi } from 'vitest';
import { packTensors } from '../../src/model/packTensors';
import type { TensorDescriptor } from '../../src/protocol/model';
import { PersistentValues, type StateStorage } from '../../webview/persistent';
import type { EditorState, TableOutline } from '../../src/protocol/editorState';
import type { PackedModel } from '../../src/protocol/tensorTable';

/**
 * The store of a page, outside of VS Code.
 * @param storage where VS Code keeps what outlives the page.
 */
export async function pageStore(storage: StateStorage = emptyStorage()) {
  vi.stubGlobal('acquireVsCodeApi', () => ({ postMessage: () => undefined, ...storage }));
  const { Store } = await import('../../webview/store');
  return new Store(new PersistentValues(storage));
}

/** A storage that nothing was written to. */
export function emptyStorage(): StateStorage {
  let state: unknown;
  return { getState: () => state, setState: (next) => (state = next) };
}

/** A state of a model with tensors of these names. */
export function stateOf(tensors: readonly string[], more: Partial<EditorState> = {}): EditorState {
  const descriptors = tensors.map((name): TensorDescriptor => ({
    ...{ name, dtype: 'BF16', shape: [2, 3], elements: 6 },
    ...{ file: '/m.safetensors', offset: 0, byteLength: 12, readable: true },
  }));
  const model = { path: '/m.safetensors', name: 'm', tensors: packTensors(descriptors) } as PackedModel;
  return { model, revision: 1, formats: [], job: { kind: 'idle' }, ...more };
}

/** Of measurements of the weights alone. */
export const tableOutline = (revision: number): TableOutline => ({
  ...{ revision, rung: 'weights', measuredWith: {} },
});
