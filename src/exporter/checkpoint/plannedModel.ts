import { changedModel, type ChangedTensor } from '../../layouts/changedModel';
import { decodedTo } from '../../layouts/layout';
import { rounded } from '../../layouts/parts';
import type { Model } from '../../model/model';
import { decodeRows } from '../../quant/grids/roundToNearest';
import type { RecipePlan, PlannedTensor } from './plan';
import { isQuantized, MatrixQuantizer, type MatrixWork, type QuantizedTensor } from './quantizeMatrix';
import { readRows } from './readRows';

/**
 * The model that a plan would write, before anything is written: its matrices as their codes decode, all other tensors in the dtypes that the
 * layout keeps them in, transforms and corrections of biases included. Each tensor is computed when it is read.
 */
export function plannedModel(model: Model, plan: RecipePlan, work: Omit<MatrixWork, 'model'>): Model {
  const weights = new PlannedWeights(model, plan, work);
  return changedModel(
    model,
    new Map(
      plan.tensors.flatMap((planned) => {
        const change = weights.changeOf(planned);
        return change ? [[planned.tensor.name, change] as const] : [];
      }),
    ),
  );
}

class PlannedWeights {
  private readonly quantizer: MatrixQuantizer;
  private readonly byName: ReadonlyMap<string, PlannedTensor>;
  /** As a reader of the written checkpoint rounds. */
  private readonly rounding: 'F16' | 'BF16' | undefined;
  private readonly roundsScales: boolean;
  /** What is added to outputs of matrices that were quantized. */
  private readonly corrections = new Map<string, Float32Array | undefined>();

  constructor(
    private readonly model: Model,
    plan: RecipePlan,
    private readonly work: Omit<MatrixWork, 'model'>,
  ) {
    this.rounding = decodedTo(plan.writer, model.config);
    this.quantizer = new MatrixQuantizer({
      ...{ ...work, model, cast: plan.writer.plainDtype, decodedTo: this.rounding },
    });
    this.roundsScales = plan.writer.decodes?.scales ?? false;
    this.byName = new Map(plan.tensors.map((planned) => [planned.tensor.name, planned]));
  }

  changeOf(planned: PlannedTensor): ChangedTensor | undefined {
    const { tensor, parts, bytes } = planned;
    if (isQuantized(planned))
      return { dtype: 'planned', byteLength: bytes, values: () => this.quantize(planned) };
    const { dtype } = parts[0]!;
    const isChanged = this.work.transforms?.has(tensor.name) ?? false;
    const weight = this.byName.get(tensor.name.replace(/\.bias$/, '.weight'));
    const corrects = tensor.name.endsWith('.bias') && weight !== undefined && isQuantized(weight);
    if (!isChanged && !corrects && dtype === tensor.dtype) return undefined;
    return {
      ...{ dtype: `${dtype}, changed`, byteLength: bytes },
      values: (signal) => this.keep(planned, dtype, corrects ? weight : undefined, signal),
    };
  }

  /** As the layout's reader decodes it. */
  private async quantize(planned: QuantizedTensor): Promise<Float32Array> {
    const values = new Float32Array(planned.tensor.elements);
    const { rounding } = this;
    const { biasCorrection } = await this.quantizer.quantize(planned, async (slabs) => {
      let at = 0;
      for await (const slab of slabs) {
        const scales = rounding && this.roundsScales ? slab.scales.slice() : slab.scales;
        if (rounding && this.roundsScales) await rounded(scales, rounding);
        const decoded = await decodeRows({ ...slab, scales });
        values.set(decoded, at);
        at += decoded.length;
      }
    });
    this.corrections.set(planned.tensor.name, biasCorrection);
    if (rounding) await rounded(values, rounding);
    return values;
  }

  /** @param corrected the matrix whose mean outputs a bias corrects. */
  private async keep(
    { tensor }: PlannedTensor,
    dtype: string,
    corrected: QuantizedTensor | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const values = new Float32Array(tensor.elements);
    const transform = this.work.transforms?.get(tensor.name);
    let at = 0;
    for await (const rows of readRows(this.model, tensor, { transform, signal })) {
      values.set(rows.values, at);
      at += rows.values.length;
    }
    if (corrected) {
      if (!this.corrections.has(corrected.tensor.name)) await this.quantize(corrected);
      this.corrections.get(corrected.tensor.name)?.forEach((value, i) => (values[i]! += value));
    }
    if (dtype === 'F16' || dtype === 'BF16') await rounded(values, dtype, signal);
    return values;
  }
}
