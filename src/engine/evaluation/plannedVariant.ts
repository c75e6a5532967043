import type { RoundInputs } from '../../graph/transformer/graphSources';
import type { WeightChange } from '../../graph/transformer/weights';
import type { Model } from '../../model/model';

/** How a model's weights are changed, and their resulting size. */
export interface PlannedVariant {
  /** "original", "Q4_K_M", "tiny.ampq.json": what the results are called. */
  readonly label: string;
  /** By the tensors' names in GGUF. */
  readonly changes: ReadonlyMap<string, WeightChange>;
  /** What weights were changed by: formats, methods. */
  readonly algorithms: readonly string[];
  /** The model with changed weights, where a recipe changes them; and how it rounds inputs. */
  readonly model?: Model;
  readonly roundInputs?: RoundInputs;
  /** Of all tensors; of a variant those that an export would write. */
  readonly bytes: number;
  readonly parameters: number;
}
