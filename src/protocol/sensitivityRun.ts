import type { Objective } from './export';
import type { ModelRef } from './model';
import type { DeviceChoice } from './device';
import type { GainsSample } from './gains';
import type { Backend, UsedCodes } from './plan';

/** Which of the measurements of a model are meant. */
export interface StoredParams extends ModelRef {
  readonly cacheDir: string;
  /** Those with this importance matrix; without one where it is absent. */
  readonly imatrix?: string;
  /** A CPU where it is absent. */
  readonly backend?: Backend;
}

export interface SensitivityParams extends ModelRef {
  /** Format ids; the engine's default candidates when absent. */
  formats?: readonly string[];
  device: DeviceChoice;
  /** Folder where finished cells are kept. */
  cacheDir: string;
  /**
   * UTF-8 text to run the model over: how much the output changes with each tensor. When absent: a calibration text next to the model,
   * else a general one. What an earlier run over the same tokens measured is reused.
   */
  text?: string;
  /** Tokens that are scored, in whole windows spread over the text; 2,048 by default. */
  tokens?: number;
  /** Tokens per window; 512 by default, and never more than the model's context length. */
  context?: number;
  /**
   * Gains are measured in so many blocks, spread over depth, at least 3, and interpolated in the others; in all blocks when absent, or where there
   * are no more.
   */
  sampleBlocks?: number;
  /** Importance matrix (.gguf or .dat): errors are weighted by it, and encoders use it. */
  imatrix?: string;
  /** Use the gains of the latest run, whatever its text was. */
  keptGains?: boolean;
  /** Use the gains of a `*.gains.json` file: of this model, or of another one of the same shapes. */
  gainsFile?: string;
  /** Without named formats: types on lattices (IQ2, IQ3), too, where codes are optimised. */
  lattices?: boolean;
  /** Gains of tensors of blocks from gradients of one backward pass instead of a pass with each tensor changed. */
  curvature?: boolean;
  /** Gains for plans of few bits: measured in a format with the errors of such plans. */
  fewBits?: boolean;
  /** Errors of the weights alone. */
  weightsOnly?: boolean;
  /**
   * Errors of the outputs with codes that are optimised for the inputs over the text, as `codes` of an export; with kept gains those of the
   * same run. Where the model is not run over a text, errors are those of reference codes.
   */
  optimised?: {
    /** Makes it an error that the model is not run over a text. */
    readonly isRequired?: boolean;
    /** Folder where what is measured of inputs is kept. */
    readonly evidenceDir: string;
    /** UTF-8 text that inputs are measured over; that of the gains where it is absent. */
    readonly text?: string;
    /** Of the text, that inputs are measured over; as for `EvidenceSettings`. */
    readonly tokens?: number;
    /** What an export of the plan minimises, whose evidence is measured with that of the cells; as for `ExportSettings`. */
    readonly objective?: Objective;
    /** What llama.cpp will run the file on; errors include the rounding of inputs by its CPU kernels, unless it is a GPU. */
    readonly backend?: Backend;
  };
}

export interface SensitivityEstimate {
  /** Tensors and formats that will be in the table. */
  tensors: number;
  formats: readonly string[];
  /** The text that the model will be run over, or was if the result is kept, and the tokens that are scored. */
  text?: { file: string; tokens: number; isKept?: boolean };
  /** Blocks whose tensors are measured over it, where these are not all. */
  sample?: GainsSample;
  /** Optimised codes that errors are those of. */
  codes?: UsedCodes;
  /** Gains of another text that are kept and were not asked for. */
  offered?: { file: string; tokens: number };
  /** Why it will not be run over a text. */
  weightsOnly?: string;
  /** Estimated time for what is not kept from earlier runs. */
  seconds: number;
  /** What it would be with gains by the curvature; where the model will be run over a text and is not a mixture of experts. */
  curvatureSeconds?: number;
  /** Where it will be run over a text: passes over the model, more than one where there is little memory, and memory of the process (bytes). */
  passes?: number;
  memory?: number;
}
