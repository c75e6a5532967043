import type { DeviceChoice } from './device';
import type { ModelRef } from './model';

/** What to write as GGUF, and how: the options of llama.cpp's quantizer under their own names. */
export interface ExportSettings {
  /** A GGUF file type ("Q4_K_M"), or a plan; exactly one of the two. */
  type?: string;
  planFile?: string;
  /** Importance matrix: `.gguf` or `.dat` of llama.cpp. */
  imatrix?: string;
  /** Parts of tensor names whose importance is used, or left out; not both. */
  includeWeights?: readonly string[];
  excludeWeights?: readonly string[];
  /** No mixture: every weight gets the type's own base. */
  pure?: boolean;
  /** Leave output.weight unchanged. */
  leaveOutput?: boolean;
  outputType?: string;
  tokenEmbeddingType?: string;
  /** Regular expression → type; the first that is found in a name counts. */
  tensorTypes?: readonly TensorTypeRule[];
  /** Weights that are quantized already may be decoded and quantized again. */
  allowRequantize?: boolean;
  /** Numbers of the blocks that are left out. */
  pruneLayers?: readonly number[];
  /** `KEY=TYPE:VALUE`, TYPE one of int, float, bool, str. */
  overrideKeyValues?: readonly string[];
  split?: SplitSettings;
  /** How codes of ggml types are found; `reference` where it is absent. */
  codes?: CodeChoice;
  /** What optimised codes minimise; `two-sided` where it is absent, as far as gradients are known. */
  objective?: Objective;
  /** Text for optimised codes; without one, what an earlier pass over any text has measured is used. */
  calibration?: ExportCalibration;
}

/** As llama.cpp finds them, or with the smallest error of the outputs over a text. */
export type CodeChoice = (typeof codeChoices)[number];
export const codeChoices = ['reference', 'optimised'] as const;

/**
 * What optimised codes minimise: the squared errors of the outputs of each matrix (`one-sided`), or what these do to the predictions by the
 * gradients at the outputs (`two-sided`).
 */
export type Objective = (typeof objectives)[number];
export const objectives = ['one-sided', 'two-sided'] as const;
/** Of the codes of a file where nothing else is said, as far as gradients at its outputs are known. */
export const usualObjective: Objective = 'two-sided';

/** Tensors whose codes are optimised, and about how many seconds that takes after the pass over the text. */
export interface OptimisedPart {
  readonly objective: Objective;
  readonly tensors: number;
  readonly seconds: number;
}

/** What optimised codes are calibrated on. */
export interface ExportCalibration {
  /** UTF-8 text that the model is run over. */
  readonly text: string;
  /** As for `EvidenceSettings`. */
  readonly tokens?: number;
  readonly context?: number;
}

export interface TensorTypeRule {
  readonly pattern: string;
  /** ggml type. */
  readonly type: string;
}

/** One file when absent; `keep` the parts of a source that is split. */
export type SplitSettings =
  | { readonly kind: 'keep' }
  | { readonly kind: 'bytes'; readonly value: number }
  | { readonly kind: 'tensors'; readonly value: number };

/** Why a tensor gets its type. */
export type TypeCause =
  /** The file type's own. */
  | 'default'
  /** A rule of the file type's mixture. */
  | 'mixture'
  /** The requested output or token-embedding type. */
  | 'output'
  | 'embedding'
  /** A tensor-type rule. */
  | 'rule'
  | 'plan'
  /** The row length is not a multiple of the block size of the wanted type. */
  | 'fallback'
  /** Not a weight matrix, or left unchanged. */
  | 'kept'
  /** Follows from the configuration. */
  | 'computed';

/** One tensor of the file to be. */
export interface ExportedTensor {
  /** Name in the file. */
  readonly name: string;
  /** Name in the model; of merged ones the first, and how many. */
  readonly source: string;
  readonly sources: number;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  readonly cause: TypeCause;
  /** A short sentence. */
  readonly reason: string;
  /** Type in the preset without any option, where it is another. */
  readonly presetType?: string;
}

/** A dry run: everything about an export but the data. */
export interface ExportPreview {
  readonly tensors: readonly ExportedTensor[];
  /** `general.architecture` of the file. */
  readonly architecture: string;
  /** The preset that `presetType` speaks of; for a plan the file type of the type that most weights get. */
  readonly preset: string;
  /** Sum of the tensors' bytes. */
  readonly dataBytes: number;
  /** Whole files, header and padding included. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly tensors: number }[];
  readonly fileBytes: number;
  readonly parameters: number;
  /** 8 · dataBytes / parameters. */
  /** 8 × `dataBytes` / `parameters`; absent for a model without weights. */
  readonly bitsPerWeight?: number;
  /** Bits per weight and size of the preset without any option. */
  readonly presetBytes: number;
  /** With optimised codes. */
  readonly optimised?: OptimisedPart;
  /** Losses and oddities, as sentences. */
  readonly warnings: readonly string[];
}

/** A file type as a chooser lists it. */
export interface FileTypeDescription {
  readonly name: string;
  readonly label: string;
  /** Whether llama.cpp writes it only with an importance matrix. */
  readonly needsImportance: boolean;
}

export interface ExportParams extends ExportSettings, ModelRef {
  /** Target; for a split model the name that part names derive from. */
  out: string;
  threads?: number;
  /** For optimised codes: where evidence is kept, and where the forward pass over a text runs. */
  cacheDir?: string;
  device?: DeviceChoice;
}
export interface ExportResult extends ExportPreview {
  out: string;
  seconds: number;
}
