import {
  changesWeights,
  sourceDtype,
  takesOutputs,
  type ConvertedTensor,
} from '../../architectures/convertedTensor';
import { matrixOf } from '../../model/rows';
import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import { usualObjective, type Objective } from '../../protocol/export';
import type { UsedCodes } from '../../protocol/plan';
import type { TensorDescriptor } from '../../protocol/model';
import type { EvidenceKind } from '../../protocol/recipe';
import { methodAlgorithm, type Algorithm } from '../../quant/algorithms';
import { descentTypes } from '../../quant/columns/descent';
import { methodEvidence, type EvidenceSource } from '../../quant/evidence';
import { gptqDescent } from '../../quant/methods/gptqDescent';
import type { BlockQuantizer, Evidence } from '../../quant/methods/method';
import { elapsed } from '../../quant/methods/speeds';
import type { KeptBlocks } from './keptBlocks';

/** How codes are found where they are optimised. */
export const codesMethod = gptqDescent;

/** The method with its version, as files and plans name it. */
export const codesMethodName = `${codesMethod.id} ${codesMethod.version}`;

/** What a plan says of codes that are optimised for the inputs over a text. */
export const usedCodes = (
  { path, hash, tokens }: EvidenceSource['text'],
  objective: Objective,
): UsedCodes => ({
  ...{ method: codesMethodName, text: path.replace(/^.*[\\/]/, ''), hash, tokens, objective },
});

/** The type whose codes can be optimised for a tensor, as far as its type, its shape and its source say. */
export function optimisableType(converted: ConvertedTensor, to: string): GgmlQuantType | undefined {
  const type = descentTypes.find((name) => name === to);
  if (type === undefined || changesWeights(converted) || converted.shape.length < 2) return undefined;
  if (sourceDtype(converted) === type) return undefined;
  const { rows, columns } = matrixOf(converted.shape);
  const refused = codesMethod.blocks!.refuse({ type, shape: [rows, columns], options: {} });
  return refused === undefined ? type : undefined;
}

/** Matrices whose rows are looked up: nothing is known of inputs. */
const embeddings = /^(per_layer_)?token_embd\.weight$/;

/** Whether optimised codes of a type need no importance weights, as the inputs of the tensor say more. */
export const suppliesImportance = (converted: ConvertedTensor, type: string): boolean =>
  !embeddings.test(converted.name) && optimisableType(converted, type) !== undefined;

/** About how long the codes of a matrix, or of the experts that are merged in a tensor, take in a type on all processors, in seconds. */
export function codesSeconds(
  shape: readonly number[],
  type: GgmlQuantType,
  objective: Objective = 'one-sided',
): number {
  const { rows, columns } = matrixOf(shape);
  const experts = expertsOf({ shape });
  const task = { type, options: { objective } };
  return elapsed(experts * codesMethod.coreSeconds([rows / experts, columns], task));
}

/** Evidence that codes need. */
export const codesEvidence = (objective: Objective): EvidenceKind =>
  methodEvidence(codesMethod, { objective });

/** What results with such codes depend on. */
export const codesAlgorithms = (objective: Objective): Algorithm[] => [
  methodAlgorithm(codesMethod.id),
  ...(objective === 'two-sided' ? ['gradients'] : []),
];

/** The objective of codes where one is wanted, if any: two-sided needs gradients at some outputs, and is the usual one where they are known. */
export const objectiveOver = (
  { outputs }: Pick<EvidenceSource, 'outputs'>,
  wanted: Objective = usualObjective,
): Objective => (outputs.size > 0 ? wanted : 'one-sided');

/** Matrices that are merged in a tensor. */
export const expertsOf = ({ shape }: Pick<ConvertedTensor, 'shape'>): number => shape[shape.length - 3] ?? 1;

/** Something that was opened for an expert of a tensor. */
interface Opened<T> {
  readonly converted: ConvertedTensor;
  readonly expert: number;
  readonly value: Promise<T>;
}

/** Some rows of an expert of a tensor. */
export interface ExpertRows {
  readonly converted: ConvertedTensor;
  readonly expert: number;
  /** Of the expert. */
  readonly firstRow: number;
}

/** Finds codes of ggml types from what is known of matrices; holds the evidence of one matrix at a time. */
export class CodeFinder {
  private evidence: Opened<Evidence> | undefined;
  private quantizer: (Opened<BlockQuantizer | undefined> & { readonly type: GgmlQuantType }) | undefined;

  constructor(
    readonly source: EvidenceSource,
    readonly objective: Objective,
    private readonly signal?: AbortSignal,
    /** Codes of weights that `replace` is asked for again. */
    private readonly kept?: KeptBlocks,
  ) {}

  /** What is known of an expert of a tensor; without a Hessian where its inputs were not measured. */
  evidenceOf(converted: ConvertedTensor, expert: number): Promise<Evidence> {
    if (this.evidence?.converted === converted && this.evidence.expert === expert) return this.evidence.value;
    this.quantizer = undefined; // its Hessian goes before the next one comes
    const at = sourceAt(converted, expert);
    const value = this.source.for(at.tensor.name, codesEvidence(this.objective), {
      ...(at.expert === undefined ? {} : { expert: at.expert }),
      output: { tensor: converted.name, expert, order: 'gguf' },
      ...{ columns: 'gguf', signal: this.signal },
    });
    this.evidence = { converted, expert, value };
    return value;
  }

  /** Sampled inputs of an expert of a tensor `[samples, columns]`; undefined where none were measured. */
  async inputsOf(converted: ConvertedTensor, expert: number): Promise<Float32Array | undefined> {
    const at = sourceAt(converted, expert);
    const { inputs } = await this.source.for(at.tensor.name, 'activations', {
      ...(at.expert === undefined ? {} : { expert: at.expert }),
      ...{ columns: 'gguf', signal: this.signal },
    });
    return inputs;
  }

  /** A quantizer for the rows of an expert; undefined where its inputs were not measured. @throws QuantscopeError as the method. */
  quantizerFor(
    converted: ConvertedTensor,
    expert: number,
    type: GgmlQuantType,
  ): Promise<BlockQuantizer | undefined> {
    const known = this.quantizer;
    if (known?.converted === converted && known.expert === expert && known.type === type) return known.value;
    const value = this.open(converted, expert, type);
    this.quantizer = { converted, expert, type, value };
    return value;
  }

  /**
   * Replaces rows of an expert, in the order of the file, by what blocks with optimised codes store of them, in place.
   * @returns whether it did: not where the inputs were not measured, or codes of the type cannot be found.
   * @throws RangeError for weights that are not finite. QuantscopeError as the method.
   */
  async replace(
    { converted, expert, firstRow }: ExpertRows,
    format: string,
    values: Float32Array,
  ): Promise<boolean> {
    const type = optimisableType(converted, format);
    if (!type) return false;
    const find = async (): Promise<Uint8Array | undefined> =>
      (await this.quantizerFor(converted, expert, type))?.quantize(values.slice(), firstRow, this.signal);
    const key = ['optimised', converted.name, type, expert, firstRow, values.length].join(' ');
    const blocks = await (this.kept ? this.kept.of(key, find) : find());
    if (!blocks) return false;
    await loadNative().decode(type, blocks, values, this.signal);
    return true;
  }

  private async open(
    converted: ConvertedTensor,
    expert: number,
    type: GgmlQuantType,
  ): Promise<BlockQuantizer | undefined> {
    const { name, shape } = converted;
    const { rows, columns } = matrixOf(shape);
    const evidence = await this.evidenceOf(converted, expert);
    if (!evidence.hessian) return undefined;
    const task = {
      name,
      type,
      shape: [rows / expertsOf(converted), columns] as const,
      options: { objective: this.objective },
      evidence,
    };
    return codesMethod.blocks!.open(task, this.signal);
  }
}

/** Where the rows of an expert come from: a tensor of the model, and which of the experts in it. */
function sourceAt(
  converted: ConvertedTensor,
  expert: number,
): { readonly tensor: Pick<TensorDescriptor, 'name'>; readonly expert?: number } {
  if (takesOutputs(converted)) return { tensor: { name: converted.name }, expert };
  const rowsOfExpert = matrixOf(converted.shape).rows / expertsOf(converted);
  const seen = new Map<TensorDescriptor, number>();
  let row = 0;
  for (const { tensor, rows } of converted.pieces) {
    const before = seen.get(tensor) ?? 0;
    if (row + rows > expert * rowsOfExpert) {
      const within = before + Math.floor((expert * rowsOfExpert - row) / rowsOfExpert);
      return expertsOf(converted) > 1 ? { tensor, expert: within } : { tensor };
    }
    seen.set(tensor, before + Math.ceil(rows / rowsOfExpert));
    row += rows;
  }
  return { tensor: converted.pieces[0]!.tensor };
}
