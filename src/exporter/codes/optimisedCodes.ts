import type { Slab } from '../../architectures/convertedRows';
import { sourceDtype, type ConvertedTensor } from '../../architectures/convertedTensor';
import type { KeyValue } from '../../model/keyValue';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { ExportPreview, OptimisedPart } from '../../protocol/export';
import type { TensorDescriptor } from '../../protocol/model';
import { plural } from '../../protocol/words';
import type { EvidenceSource } from '../../quant/evidence';
import { typesWithCodes } from '../../quant/columns/blocks';
import { gptqDescent } from '../../quant/methods/gptqDescent';
import type { BlockQuantizer } from '../../quant/methods/method';
import { elapsed } from '../../quant/methods/speeds';
import type { PlannedTensor } from '../plan/tensor';

/** How codes are found where they are optimised. */
const method = gptqDescent;

const methodKey = 'quantscope.codes.method';
const textKey = 'quantscope.codes.text';

/** Keys that say how the codes of a file were found; those of a source say nothing of a file that is made from it. */
export const isCodesKey = (key: string): boolean => key.startsWith('quantscope.codes.');

/** What a file says of its codes. @param hash of the text; that of a preview only has its length. */
export const codesKeyValues = (hash = '0'.repeat(64)): KeyValue[] => [
  { key: methodKey, type: 'string', value: `${method.id} ${method.version}` },
  { key: textKey, type: 'string', value: hash },
];

/** Whether a tensor of the file has the codes of its source. */
export const keepsCodes = ({ converted, to }: PlannedTensor): boolean =>
  converted === undefined || (sourceDtype(converted) === to && converted.add === undefined);

/** A tensor whose codes can be optimised, as far as its type, its shape and its source say. */
type Optimisable = PlannedTensor & { readonly converted: ConvertedTensor; readonly to: GgmlQuantType };

export function isOptimisable(planned: PlannedTensor): planned is Optimisable {
  const { to, converted, shape } = planned;
  const type = typesWithCodes.find((name) => name === to);
  if (!converted || converted.add !== undefined || type === undefined) return false;
  if (keepsCodes(planned) || shape.length < 2) return false;
  const { rows, columns } = matrixOf(shape);
  return method.blocks?.refuse({ type, shape: [rows, columns], options: {} }) === undefined;
}

/** How many tensors have codes to optimise, and about how long that takes on all processors, without the pass over the text. */
export function optimisedPart(tensors: readonly PlannedTensor[]): OptimisedPart {
  const some = tensors.filter(isOptimisable);
  const seconds = some.map(({ shape }) => {
    const { rows, columns } = matrixOf(shape);
    return method.coreSeconds([rows, columns]);
  });
  return { tensors: some.length, seconds: elapsed(seconds.reduce((sum, one) => sum + one, 0)) };
}

/** Rows of a tensor that share their inputs, and a quantizer for them; none where the inputs are not known. */
interface Opened {
  readonly planned: PlannedTensor;
  readonly expert: number;
  readonly quantizer: BlockQuantizer | undefined;
}

/** Finds the codes of a file's tensors from what is known of their inputs: one tensor, and one Hessian, after the other. */
export class CodeOptimiser {
  private opened: Opened | undefined;
  private readonly unknown = new Set<string>();

  constructor(
    private readonly evidence: EvidenceSource,
    private readonly signal?: AbortSignal,
  ) {}

  /** Weights after which a slab of a tensor has to end: those of an expert. */
  static cutEvery(planned: PlannedTensor): number | undefined {
    return expertsOf(planned) > 1 && isOptimisable(planned) ? weightsOfExpert(planned) : undefined;
  }

  /**
   * The blocks of a slab, or undefined where the encoder of the type is to find them.
   * @param bytes of the slab, in its dtype.
   * @throws RangeError for weights that are not finite. QuantscopeError as the method.
   */
  async blocksOf(planned: PlannedTensor, slab: Slab, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (!isOptimisable(planned)) return undefined;
    const quantizer = await this.quantizerFor(
      planned,
      Math.floor(slab.firstWeight / weightsOfExpert(planned)),
    );
    if (!quantizer) return undefined;
    const values = new Float32Array(slab.weights);
    await loadNative().decode(slab.dtype, bytes, values, this.signal);
    return quantizer.quantize(values, this.signal);
  }

  /** What was planned, less the tensors whose inputs are not known, which a warning names. */
  result(planned: ExportPreview): ExportPreview {
    const { optimised, warnings } = planned;
    const names = [...this.unknown];
    const count = plural(names.length, 'tensor');
    const unknown = `Inputs were not measured for ${count} (${names.join(', ')}): llama.cpp's encoder found the codes.`;
    return {
      ...planned,
      ...(optimised ? { optimised: { ...optimised, tensors: optimised.tensors - names.length } } : {}),
      warnings: [...warnings, ...this.evidence.notes, ...(names.length === 0 ? [] : [unknown])],
    };
  }

  keyValues(): KeyValue[] {
    return codesKeyValues(this.evidence.text.hash);
  }

  private async quantizerFor(planned: Optimisable, expert: number): Promise<BlockQuantizer | undefined> {
    if (this.opened?.planned !== planned || this.opened.expert !== expert) {
      this.opened = undefined; // its Hessian goes before the next one comes
      this.opened = { planned, expert, quantizer: await this.open(planned, expert) };
    }
    return this.opened.quantizer;
  }

  private async open(planned: Optimisable, expert: number): Promise<BlockQuantizer | undefined> {
    const { name, to: type, shape } = planned;
    const { rows, columns } = matrixOf(shape);
    const source = sourceAt(planned, expert);
    const { signal } = this;
    const evidence = await this.evidence.for(source.tensor.name, method.evidence, {
      ...(source.expert === undefined ? {} : { expert: source.expert }),
      signal,
    });
    if (!evidence.hessian) {
      this.unknown.add(name);
      return undefined;
    }
    const task = { name, type, shape: [rows / expertsOf(planned), columns] as const, options: {}, evidence };
    return method.blocks!.open(task, signal);
  }
}

const expertsOf = ({ shape }: PlannedTensor): number => shape[shape.length - 3] ?? 1;

function weightsOfExpert(planned: PlannedTensor): number {
  const { rows, columns } = matrixOf(planned.shape);
  return (rows / expertsOf(planned)) * columns;
}

/** Where the rows of an expert come from: a tensor of the model, and which of the experts in it. */
function sourceAt(
  planned: Optimisable,
  expert: number,
): { readonly tensor: TensorDescriptor; readonly expert?: number } {
  const rowsOfExpert = matrixOf(planned.shape).rows / expertsOf(planned);
  const seen = new Map<TensorDescriptor, number>();
  let row = 0;
  for (const { tensor, rows } of planned.converted.pieces) {
    const before = seen.get(tensor) ?? 0;
    if (row + rows > expert * rowsOfExpert) {
      const within = before + Math.floor((expert * rowsOfExpert - row) / rowsOfExpert);
      return expertsOf(planned) > 1 ? { tensor, expert: within } : { tensor };
    }
    seen.set(tensor, before + Math.ceil(rows / rowsOfExpert));
    row += rows;
  }
  return { tensor: planned.converted.pieces[0]!.tensor };
}
