import { vi } from 'vitest';
import { toColumns } from '../../src/protocol/columns';
import type { TensorDescriptor } from '../../src/protocol/model';
import type { EditorState, PageModel, TableOutline } from '../../src/protocol/editorState';

/** The store of a page, outside of VS Code. */
export async function pageStore() {
  vi.stubGlobal('acquireVsCodeApi', () => ({
    postMessage: () => undefined,
    getState: () => undefined,
    setState: () => undefined,
  }));
  const { Store } = await import('../../webview/store');
  return new Store();
}

/** A state of a model with tensors of these names. */
export function stateOf(tensors: readonly string[], more: Partial<EditorState> = {}): EditorState {
  const descriptors = tensors.map((name): TensorDescriptor => ({
    ...{ name, dtype: 'BF16', shape: [2, 3], elements: 6 },
    ...{ file: '/m.safetensors', offset: 0, byteLength: 12, readable: true },
  }));
  const model = { path: '/m.safetensors', name: 'm', tensors: toColumns(descriptors) } as PageModel;
  return { model, revision: 1, formats: [], job: { kind: 'idle' }, ...more };
}

/** Of measurements of the weights alone. */
export const tableOutline = (revision: number): TableOutline => ({
  ...{ revision, rung: 'weights', measuredWith: {} },
});
