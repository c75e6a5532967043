import type { Slab } from '../../architectures/convertedRows';
import { sourceDtype, type ConvertedTensor } from '../../architectures/convertedTensor';
import { QuantscopeError } from '../../model/errors';
import type { KeyValue } from '../../model/keyValue';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { ExportPreview, OptimisedPart } from '../../protocol/export';
import { plural } from '../../protocol/words';
import type { EvidenceSource } from '../../quant/evidence';
import { needsImportance } from '../plan/fileTypes';
import type { PlannedTensor } from '../plan/tensor';
import { CodeFinder, codesMethodName, codesSeconds, expertsOf, optimisableType } from './codeFinder';

const methodKey = 'quantscope.codes.method';
const textKey = 'quantscope.codes.text';

/** Keys that say how the codes of a file were found; those of a source say nothing of a file that is made from it. */
export const isCodesKey = (key: string): boolean => key.startsWith('quantscope.codes.');

/** What a file says of its codes. @param hash of the text; that of a preview only has its length. */
export const codesKeyValues = (hash = '0'.repeat(64)): KeyValue[] => [
  { key: methodKey, type: 'string', value: codesMethodName },
  { key: textKey, type: 'string', value: hash },
];

/** Whether a tensor of the file has the codes of its source. */
export const keepsCodes = ({ converted, to }: PlannedTensor): boolean =>
  converted === undefined || (sourceDtype(converted) === to && converted.add === undefined);

/** A tensor whose codes can be optimised, as far as its type, its shape and its source say. */
type Optimisable = PlannedTensor & { readonly converted: ConvertedTensor; readonly to: GgmlQuantType };

export const isOptimisable = (planned: PlannedTensor): planned is Optimisable =>
  planned.converted !== undefined && optimisableType(planned.converted, planned.to) !== undefined;

/** How many tensors have codes to optimise, and about how long that takes on all processors, without the pass over the text. */
export function optimisedPart(tensors: readonly PlannedTensor[]): OptimisedPart {
  const some = tensors.filter(isOptimisable);
  return {
    tensors: some.length,
    seconds: some.reduce((sum, { shape, to }) => sum + codesSeconds(shape, to), 0),
  };
}

/** Finds the codes of a file's tensors from what is known of their inputs: one tensor, and one Hessian, after the other. */
export class CodeOptimiser {
  private readonly finder: CodeFinder;
  private readonly unknown = new Set<string>();

  constructor(
    private readonly evidence: EvidenceSource,
    private readonly signal?: AbortSignal,
  ) {
    this.finder = new CodeFinder(evidence, signal);
  }

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
    const { converted, to, name } = planned;
    const expert = Math.floor(slab.firstWeight / weightsOfExpert(planned));
    const quantizer = await this.finder.quantizerFor(converted, expert, to);
    if (!quantizer) {
      if (!planned.importance && needsImportance(to, name))
        throw new QuantscopeError(
          'REQUEST',
          `${to} needs importance weights, and the inputs of this tensor were not measured over the text.`,
          { tensor: name },
        );
      this.unknown.add(name);
      return undefined;
    }
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
}

function weightsOfExpert(planned: PlannedTensor): number {
  const { rows, columns } = matrixOf(planned.shape);
  return (rows / expertsOf(planned)) * columns;
}
