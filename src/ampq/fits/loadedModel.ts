import type { FileFrame } from '../../protocol/plan';
import type { RuntimeShape } from './runtimeShape';

/** What a plan's memory at run time depends on besides the formats that it chooses. */
export interface LoadedModel {
  readonly shape: RuntimeShape;
  /** What the exported file holds besides the tensors that a plan chooses formats for. */
  readonly frame: FileFrame;
  /** These tensors, as they will be written: norms, biases, routers. */
  readonly fixed: readonly { readonly name: string; readonly bytes: number }[];
  /** Key-values and the list of tensors: their vocabulary is held in RAM, too. */
  readonly headerBytes: number;
  /** Whether the embedding is also the output matrix. */
  readonly isTied: boolean;
}
