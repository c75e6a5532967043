import type { Slab, SlabOptions } from '../../architectures/convertedRows';
import { changesWeights, sourceDtype, type ConvertedTensor } from '../../architectures/convertedTensor';
import { QuantscopeError } from '../../model/errors';
import type { KeyValue } from '../../model/keyValue';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { ExportPreview, Objective, OptimisedPart } from '../../protocol/export';
import { plural } from '../../protocol/words';
import { said } from '../../protocol/said';
import { typesWithCodes } from '../../quant/columns/blocks';
import { maxCovariance, type EvidenceSource } from '../../quant/evidence';
import { needsImportance } from '../plan/fileTypes';
import type { PlannedTensor } from '../plan/tensor';
import { CodeFinder, codesMethodName, codesSeconds, expertsOf, optimisableType } from './codeFinder';

const methodKey = 'quantscope.codes.method';
const textKey = 'quantscope.codes.text';
const objectiveKey = 'quantscope.codes.objective';
const twoSidedKey = 'quantscope.codes.two_sided_tensors';

/** Matrices that may be the output matrix, whose rows have inputs of their own: these change codes of single weights only. */
const outputs: readonly string[] = ['output.weight', 'token_embd.weight'];

export const isOutput = (name: string): boolean => outputs.includes(name);

/** Keys that say how the codes of a file were found; those of a source say nothing of a file that is made from it. */
export const isCodesKey = (key: string): boolean => key.startsWith('quantscope.codes.');

interface FoundCodes {
  /** Of the text. */
  readonly hash: string;
  readonly objective: Objective;
  /** Tensors whose codes were found with gradients at their outputs. */
  readonly twoSided: number;
}

/** Those of a preview: of the same length as any. */
const foundLater: FoundCodes = { hash: '0'.repeat(64), objective: 'two-sided', twoSided: 0 };

/** What a file says of its codes. */
export const codesKeyValues = ({ hash, objective, twoSided } = foundLater): KeyValue[] => [
  { key: methodKey, type: 'string', value: codesMethodName },
  { key: textKey, type: 'string', value: hash },
  { key: objectiveKey, type: 'string', value: objective },
  { key: twoSidedKey, type: 'u32', value: twoSided },
];

/** Whether a tensor of the file has the codes of its source. */
export const keepsCodes = ({ converted, to }: PlannedTensor): boolean =>
  converted === undefined || (sourceDtype(converted) === to && !changesWeights(converted));

/** A tensor whose codes can be optimised, as far as its type, its shape and its source say. */
type Optimisable = PlannedTensor & { readonly converted: ConvertedTensor; readonly to: GgmlQuantType };

export const isOptimisable = (planned: PlannedTensor): planned is Optimisable =>
  planned.converted !== undefined && optimisableType(planned.converted, planned.to) !== undefined;

/** How many tensors have codes to optimise, and about how long that takes on all processors, without the pass over the text. */
export function optimisedPart(tensors: readonly PlannedTensor[], objective: Objective): OptimisedPart {
  const some = tensors.filter(isOptimisable);
  const seconds = some.reduce((sum, { shape, to }) => sum + codesSeconds(shape, to, objective), 0);
  return { objective, tensors: some.length, seconds };
}

/** Finds the codes of a file's tensors from what is known of their inputs: one tensor, and one Hessian, after the other. */
export class CodeOptimiser {
  private readonly finder: CodeFinder;
  private readonly unknown = new Set<string>();

  constructor(
    private readonly evidence: EvidenceSource,
    readonly objective: Objective,
    private readonly signal?: AbortSignal,
  ) {
    this.finder = new CodeFinder(evidence, objective, signal);
  }

  /** How a tensor is to be read: expert by expert, and whole matrices where their rows depend on each other. */
  slabs(planned: PlannedTensor): SlabOptions {
    if (!isOptimisable(planned)) return {};
    return {
      ...(expertsOf(planned) > 1 ? { cutEvery: weightsOfExpert(planned) } : {}),
      ...(this.isTwoSided(planned) ? { wholeUpTo: maxCovariance * planned.converted.columns } : {}),
    };
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
          said`${to} needs importance weights, and the inputs of this tensor were not measured over the text.`,
          { tensor: name },
        );
      this.unknown.add(name);
      return undefined;
    }
    const values = new Float32Array(slab.weights);
    await loadNative().decode(slab.dtype, bytes, values, this.signal);
    const firstRow = (slab.firstWeight % weightsOfExpert(planned)) / converted.columns;
    return quantizer.quantize(values, firstRow, this.signal);
  }

  /** What was planned, less the tensors whose inputs are not known, which a warning names, as it does those without gradients. */
  result(planned: ExportPreview, tensors: readonly PlannedTensor[]): ExportPreview {
    const { optimised, warnings } = planned;
    const names = [...this.unknown];
    const count = plural(names.length, 'tensor');
    const unknown = said`Inputs were not measured for ${count} (${names.join(', ')}): llama.cpp's encoder found the codes.`;
    return {
      ...planned,
      ...(optimised ? { optimised: { ...optimised, tensors: optimised.tensors - names.length } } : {}),
      warnings: [
        ...warnings,
        ...this.evidence.notes,
        ...(names.length === 0 ? [] : [unknown]),
        ...this.oneSided(tensors.filter(({ name }) => !this.unknown.has(name))),
      ],
    };
  }

  keyValues(tensors: readonly PlannedTensor[]): KeyValue[] {
    const { objective } = this;
    const twoSided = tensors.filter((tensor) => isOptimisable(tensor) && this.isTwoSided(tensor)).length;
    return codesKeyValues({ hash: this.evidence.text.hash, objective, twoSided });
  }

  private isTwoSided({ name, to }: PlannedTensor): boolean {
    const hasCodes = typesWithCodes.some((type) => type === to);
    if (this.objective === 'one-sided' || !this.evidence.outputs.has(name)) return false;
    return hasCodes || !isOutput(name);
  }

  /** A note on the tensors that have no gradients, where there should be some. */
  private oneSided(tensors: readonly PlannedTensor[]): string[] {
    if (this.objective === 'one-sided') return [];
    const names = tensors
      .filter((tensor) => isOptimisable(tensor) && !this.isTwoSided(tensor))
      .map(({ name }) => name);
    if (names.length === 0) return [];
    return [
      said`Codes of ${plural(names.length, 'tensor')} are those of the one-sided objective, as gradients at their outputs are not known, or they are the output matrix in a type on a lattice: ${names.join(', ')}.`,
    ];
  }
}

function weightsOfExpert(planned: PlannedTensor): number {
  const { rows, columns } = matrixOf(planned.shape);
  return (rows / expertsOf(planned)) * columns;
}
