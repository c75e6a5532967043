import type { Certificate } from './certificate';
import type { Objective } from './export';
import { greatestOf, leastOf } from './extremes';
import type { Device } from './device';
import type { FileFrame } from './fileFrame';
import type { PlanFit } from './fit';
import type { GainsSource, GainsText } from './gains';
import type { Targets } from './targets';

/** One measured cell of the sensitivity table. */
export interface SensitivityCell {
  readonly format: string;
  /** Exact size of the tensor in that format, bytes. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** Σ(x − x')² / Σx²; with an importance matrix Σw(x − x')² / Σwx²; with optimised codes Σd·H·dᵀ of x − x' over that of x. */
  readonly relativeSquaredError: number;
  readonly sqnr: number;
  readonly maxError: number;
  /** The device that computed it. */
  readonly device: Device;
}

/** A tensor that a plan can give a format: one of the exported file, so merged experts are one row. */
export interface SensitivityRow {
  /** Name in the exported file; in the model itself where no file can be exported. */
  readonly tensor: string;
  /** Names of the model's tensors that it is made of. */
  readonly sources: readonly string[];
  /** In the exported file, outermost dimension first. */
  readonly shape: readonly number[];
  readonly weights: number;
  /** How the tensor is written without loss: in the type that the model has it in, or F32. */
  readonly lossless: { readonly format: string; readonly bytes: number };
  /** How much tensors of its role usually change the output, per weight and relative squared error; 1 for most. */
  readonly roleFactor: number;
  /**
   * KL divergence of the model's output (nats per token) per unit of relative squared error of this tensor; only where the model was
   * run over a text.
   */
  readonly gain?: number;
  /** Whether the gain was neither measured nor interpolated: it is that of the tensor's role, scaled as the others. */
  readonly isEstimated?: true;
  /**
   * Source of the gain: the relative squared error and the divergence with the tensor in this format, measured or by the curvature. Others are
   * gain × error. Absent where the gain is interpolated or estimated.
   */
  readonly measured?: { readonly format: string; readonly error: number; readonly divergence: number };
  readonly cells: readonly SensitivityCell[];
}

/** An importance matrix that errors were measured with. */
export interface UsedImatrix {
  /** Its file, without the folder. */
  readonly file: string;
  /** SHA-256 of its names and values. */
  readonly hash: string;
}

/** Codes that are optimised for the inputs of matrices over a text. */
export interface UsedCodes {
  /** Id and version of the method that finds them. */
  readonly method: string;
  /** File of the text, without the folder. */
  readonly text: string;
  /** SHA-256 of its tokens and windows. */
  readonly hash: string;
  /** Tokens that inputs were measured over. */
  readonly tokens: number;
  /** What codes of files and of evaluations minimise. Errors of cells are always those of one-sided codes. */
  readonly objective: Objective;
}

/** Backends of llama.cpp that a plan can be for: those of CPUs round the inputs of products by the type of the matrix. */
export const backends = ['cpu', 'gpu'] as const;
export type Backend = (typeof backends)[number];

/** How a llama.cpp file type stores the rows of a table. */
export interface TablePreset {
  readonly fileType: string;
  /** The type of each row. */
  readonly formats: readonly string[];
}

/** A llama.cpp file type that cannot be measured without an importance matrix. */
export interface UnmeasuredPreset {
  readonly fileType: string;
  /** Of the rows. */
  readonly bytes: number;
}

/** A matrix that no format can be chosen for where the tensors of a table are the model's own. */
export interface SkippedTensor {
  readonly tensor: string;
  /** As part of a sentence: "U8 values, not weights". */
  readonly reason: string;
}

export interface SensitivityTable {
  /** SHA-256 over the identities of the model's files. */
  readonly modelHash: string;
  readonly modelName: string;
  /** All parameters of the exported file, those of `rows` and others. */
  readonly parameters: number;
  /** Bytes of everything that no format can be chosen for, as it will be written: norms, biases, routers, computed tensors. */
  readonly fixedBytes: number;
  readonly fixedParameters: number;
  /** Why the model cannot be exported as GGUF; then rows are the tensors of the model itself, and sizes an estimate. */
  readonly notExportable?: string;
  /** Present with `notExportable`: matrices that are neither measured nor quantized. */
  readonly skipped?: readonly SkippedTensor[];
  /** The importance matrix of the errors; they are then weighted by it. Tensors that it lacks have plain errors. */
  readonly imatrix?: UsedImatrix;
  /** Optimised codes that the errors are those of. */
  readonly codes?: UsedCodes;
  /** Whether errors include the rounding of inputs by llama.cpp's CPU kernels. */
  readonly roundsActivations?: true;
  /** Why the measurements are not kept; absent when they are. */
  readonly notKept?: string;
  /** Where gains come from: one measurement per tensor, in the format that its row names. */
  readonly gainsFrom?: GainsSource;
  /** Gains for plans of few bits, of each row in its order, where they were measured over the same text. */
  readonly fewBits?: {
    readonly gainsFrom: GainsSource;
    readonly gains: readonly Pick<SensitivityRow, 'gain' | 'measured' | 'isEstimated'>[];
  };
  /** Why the model was not run over a text, if so; plans then rely on errors and roles. */
  readonly weightsOnly?: string;
  readonly rows: readonly SensitivityRow[];
  /** Presets to compare plans with; none where the model cannot be exported as GGUF. */
  readonly presets: readonly TablePreset[];
  /** Presets that need an importance matrix where errors were measured without one, in the order of llama.cpp's types. */
  readonly unmeasuredPresets?: readonly UnmeasuredPreset[];
}

export type Budget =
  /** Average over the assigned tensors: 8 × their bytes / their weights. */
  | { readonly kind: 'bits-per-weight'; readonly value: number }
  /** Size of the whole exported file, bytes. */
  | { readonly kind: 'bytes'; readonly value: number };

/** What the solver must keep to, whatever it costs. At least one of the conditions is present. */
export interface PlanConstraint {
  /** A regular expression, searched anywhere in the names of tensors of the exported file. */
  readonly tensors: string;
  /** Their formats: only these. */
  readonly allow?: readonly string[];
  /** Their formats: none of these. */
  readonly exclude?: readonly string[];
  /** Fewest bits per weight of each. */
  readonly minBits?: number;
  /** Those of one layer have the same format; those outside of layers, too. */
  readonly agree?: true;
}

export interface PlanAssignment {
  /** Name in the exported file; in the model itself where no file can be exported. */
  readonly tensor: string;
  /** Names of the model's tensors that it is made of. */
  readonly sources: readonly string[];
  readonly format: string;
  readonly bitsPerWeight: number;
  readonly bytes: number;
  /** Absent where it was not measured in this format: after the format was changed by hand. */
  readonly relativeSquaredError?: number;
  /** KL divergence per unit of relative squared error, nats per token; where it was measured. */
  readonly gain?: number;
}

/** Totals of a preset by the figures used for the plan. */
export interface PlanPreset {
  readonly fileType: string;
  /** Tensor data of the whole model, bytes. */
  readonly bytes: number;
  /** Of the exported file; where the plan has a `frame`. */
  readonly fileBytes?: number;
  readonly roleError: number;
  /** Expected KL divergence, nats per token; where gains are known. */
  readonly divergence?: number;
}

/** The content of a `*.ampq.json` file (schema: `schemas/ampq.schema.json`). */
export interface Plan {
  readonly version: 2;
  readonly model: { readonly name: string; readonly hash: string; readonly parameters: number };
  readonly budget: Budget;
  /** What the budget was chosen for, if it was not given: the smallest that is predicted to keep them. */
  readonly targets?: Targets;
  /** The memory that it fits into when llama.cpp runs it, where the budget is what that leaves. */
  readonly fit?: PlanFit;
  readonly total: {
    /** Tensor data of the whole model, bytes. */
    readonly bytes: number;
    /** Of the exported file; where the plan has a `frame`. */
    readonly fileBytes?: number;
    /** Of the assigned tensors. */
    readonly bitsPerWeight: number;
    /** Σ relative squared error × weights / Σ weights over the assigned tensors; where all errors are known. */
    readonly error?: number;
    /** The same with weights × role factors for the weights: what a plan minimises where gains are unknown. */
    readonly roleError?: number;
    /** Σ relative squared error × gain, nats per token: the expected KL divergence; where all errors and gains are known. */
    readonly divergence?: number;
  };
  /** The importance matrix that errors were measured with: an export needs the same. */
  readonly imatrix?: UsedImatrix;
  /** Optimised codes that errors were measured with: an export writes them. */
  readonly codes?: UsedCodes;
  /** Whether errors, and with them the predicted divergence, include the rounding of inputs by llama.cpp's CPU kernels. */
  readonly roundsActivations?: true;
  /** The text that gains were measured over; absent where there are none. */
  readonly gains?: GainsText;
  /** What tensors could become, besides what they are without loss: swaps keep to it. Absent in files of earlier versions. */
  readonly formats?: readonly string[];
  /** What the solver kept to; none where absent. */
  readonly constraints?: readonly PlanConstraint[];
  /** What else the exported file holds, if it is written in one part; absent where that is not known. */
  readonly frame?: FileFrame;
  /** The best llama.cpp preset within the budget, by the same measure; absent where none was measured. */
  readonly preset?: PlanPreset;
  /** What was measured of the plan as a whole over another text; absent where nothing was, or formats were changed since. */
  readonly certificate?: Certificate;
  /** What the user should know about the plan, as sentences. */
  readonly notes: readonly string[];
  /** In the order of the exported file. Matrices that are not listed are written as F16. */
  readonly assignments: readonly PlanAssignment[];
}

/** The assignment of a tensor, by its name in the exported file or by that of a tensor of the model that it is made of. */
export function assignmentOf(plan: Plan, tensor: string): PlanAssignment | undefined {
  return (
    plan.assignments.find((item) => item.tensor === tensor) ??
    plan.assignments.find(({ sources }) => sources.includes(tensor))
  );
}

/** The row of a tensor, by the same names. */
export function rowOf(table: SensitivityTable, tensor: string): SensitivityRow | undefined {
  return (
    table.rows.find((row) => row.tensor === tensor) ??
    table.rows.find(({ sources }) => sources.includes(tensor))
  );
}

/**
 * Ways to write a tensor that a plan can choose from: cells with a finite error, or without loss where there is none (weights too
 * large to have one, nothing measured yet).
 */
export function choicesOf({ cells, lossless, weights }: SensitivityRow): readonly PlanChoice[] {
  const finite = cells.filter(({ relativeSquaredError }) => Number.isFinite(relativeSquaredError));
  if (finite.length > 0) return finite;
  return [{ ...lossless, bitsPerWeight: (8 * lossless.bytes) / weights, relativeSquaredError: 0 }];
}

export type PlanChoice = Pick<SensitivityCell, 'format' | 'bytes' | 'bitsPerWeight' | 'relativeSquaredError'>;

/** Range of useful budgets: from every tensor at its smallest to every tensor at its largest, in bits per weight. */
export function budgetRange({ rows }: SensitivityTable): { min: number; max: number } {
  let [least, most, weights] = [0, 0, 0];
  for (const row of rows) {
    const sizes = choicesOf(row).map(({ bytes }) => bytes);
    least += leastOf(sizes);
    most += greatestOf(sizes);
    weights += row.weights;
  }
  return { min: (8 * least) / weights, max: (8 * most) / weights };
}
