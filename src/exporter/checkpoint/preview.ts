import { matrixOf } from '../../model/rows';
import type { PlannedWeight, QuantizePreview } from '../../protocol/quantizeModel';
import type { EvidenceKind, MethodOptions, Recipe } from '../../protocol/recipe';
import { usedEvidence } from '../../quant/evidence';
import type { Method } from '../../quant/methods/method';
import { mostDemanding } from '../../recipes/describeRecipe';
import { estimatedSeconds, methodMemory, processMemory, slabMemory } from '../estimates';
import { writtenAs, type CheckpointPlan, type PlannedTensor } from './plan';
import { shardFileBytes } from './shardFile';

/** What of a plan decides which evidence it needs. */
export interface MethodPlan {
  readonly recipe: Recipe;
  readonly tensors: readonly {
    readonly matrix?: { readonly method: Method; readonly options: MethodOptions };
  }[];
}

/**
 * Kinds of evidence that a plan uses: its methods, and fixed ranges of inputs in ONNX graphs.
 * @param hasText whether there is a calibration text, which some methods use without needing it.
 */
export function neededEvidence(
  { recipe, tensors }: MethodPlan,
  hasText = recipe.calibration?.text !== undefined,
): EvidenceKind[] {
  const kinds = new Set(
    tensors.map(({ matrix }) => (matrix ? usedEvidence(matrix.method, hasText, matrix.options) : 'none')),
  );
  if (recipe.target === 'onnx' && recipe.activations) kinds.add('activations');
  kinds.delete('none');
  return [...kinds];
}

/** The most demanding evidence that a plan uses, and that it would use if there were a calibration text. */
export const evidenceKinds = (plan: MethodPlan): Pick<QuantizePreview['evidence'], 'kind' | 'usable'> => ({
  kind: mostDemanding(neededEvidence(plan)),
  usable: mostDemanding(neededEvidence(plan, true)),
});

/** A plan as lists show it, but for what is known of evidence. */
export function previewPlan(plan: CheckpointPlan, sourceBytes: number): Omit<QuantizePreview, 'evidence'> {
  const { recipe, tensors, shards, metadata, warnings, notes } = plan;
  const dataBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const parameters = tensors.reduce((sum, { tensor }) => sum + tensor.elements, 0);
  const files = shards.map(({ name, units }) => {
    const parts = units.flatMap((unit) => unit.parts);
    return { name, bytes: shardFileBytes(parts, metadata), tensors: parts.length };
  });
  const fileBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    ...{ recipe, tensors: tensors.map(plannedWeight), files, fileBytes, dataBytes, sourceBytes, parameters },
    ...(parameters === 0 ? {} : { bitsPerWeight: (8 * dataBytes) / parameters }),
    estimate: {
      seconds: estimatedSeconds(
        tensors.map(({ tensor, matrix }) => ({
          ...{ shape: tensor.shape, bytes: tensor.byteLength },
          ...(matrix ? { method: matrix.method } : {}),
        })),
      ),
      memoryBytes: estimatedMemory(plan),
      diskBytes: fileBytes,
    },
    ...{ warnings, notes },
  };
}

function plannedWeight(planned: PlannedTensor): PlannedWeight {
  const { tensor, matrix, bytes, reason } = planned;
  return {
    ...{ name: tensor.name, shape: tensor.shape, from: tensor.dtype, to: writtenAs(planned) },
    quantized: matrix !== undefined,
    ...(matrix ? { rule: matrix.rule, method: matrix.method.id } : {}),
    ...{ sourceBytes: tensor.byteLength, bytes, reason },
  };
}

/** Bytes that are held at the same time at most: a layout that transposes holds a whole packed matrix. */
const estimatedMemory = ({ tensors, writer }: CheckpointPlan): number =>
  processMemory +
  tensors.reduce((most, { tensor, matrix, bytes }) => {
    if (!matrix) return most;
    const held = writer.holds ? 1.5 * bytes : 0;
    const { rows, columns } = matrixOf(tensor.shape);
    const ofMethod = methodMemory(matrix.method, [rows, columns], matrix.options);
    return Math.max(most, slabMemory(tensor.elements) + held + ofMethod);
  }, 0);
