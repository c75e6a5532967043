import type { Estimate, Interval } from './estimate';
import type { CodeChoice, Objective } from './export';

/** KL divergence from the original of a model whose tensors were all changed together, nats per scored token. */
export interface JointFigures {
  /** The standard error is that of the means of windows, as tokens of one window are not independent. */
  readonly mean: Estimate;
  readonly median: number;
  readonly percentile99: number;
  /** Share of tokens whose most probable token is that of the original, 0 to 1. */
  readonly sameTopToken: number;
}

/** What a plan was measured against: a preset within its budget, a given file, or a random assignment of its size as a control. */
export interface CertificateRival {
  readonly kind: 'preset' | 'file' | 'random';
  /** The file type; the name of the file without its folder; "random". */
  readonly name: string;
  /** The codes that its weights have; absent for a file, which has its own. */
  readonly codes?: CodeChoice;
  /** Of the exported file, or of its tensor data where the header is not known. */
  readonly fileBytes: number;
  /** By the figures that the plan is based on, where they give one. */
  readonly predicted?: number;
  readonly measured: JointFigures;
  /** KL divergence of the plan less that of the rival, paired token by token: below zero where the plan is better. */
  readonly difference: Interval;
}

/** Another format of a tensor. */
export interface FormatChange {
  /** Name in the exported file. */
  readonly tensor: string;
  readonly from: string;
  readonly to: string;
}

/** What swaps of formats, judged on every second window of the text, did for a plan; the figures of the certificate are those of the other windows. */
export interface Improvement {
  /** Windows that swaps were judged on. */
  readonly windows: number;
  /** Swaps that were measured. */
  readonly tried: number;
  /** Those that were shown to be better, in their order, each beside those before it. */
  readonly swaps: readonly {
    readonly changes: readonly FormatChange[];
    /** KL divergence with the swap less that without it, on the windows that swaps were judged on. */
    readonly difference: Interval;
  }[];
  /** KL divergence of the plan with all of them less that without any, on the other windows; absent where there are none. */
  readonly difference?: Interval;
  /** Whether the plan has them: only where they are shown to be better on the other windows, too. */
  readonly isAdopted: boolean;
}

/** What was measured of a plan as a whole, over a text that neither its gains nor its codes have seen. */
export interface Certificate {
  readonly text: {
    /** Without the folder. */
    readonly file: string;
    /** SHA-256 of its tokens and windows. */
    readonly hash: string;
    readonly context: number;
    /** Those of the figures. */
    readonly windows: number;
    /** Scored in them. */
    readonly tokens: number;
  };
  /** SHA-256 of what was measured: the formats of tensors, the importance matrix and the codes. A plan that has others is not certified. */
  readonly assignments: string;
  /** Whether inputs of quantized matrices were rounded to 8 bits, as llama.cpp does on CPUs. */
  readonly roundActivations: boolean;
  /** Absent where no swaps were asked for. */
  readonly improvement?: Improvement;
  /** What the optimised codes that were measured minimise; absent for those of llama.cpp. */
  readonly objective?: Objective;
  /** The divergence that the plan predicted. */
  readonly predicted?: number;
  readonly measured: JointFigures;
  /** Presets and files first, the best of them by the measurement first. */
  readonly rivals: readonly CertificateRival[];
  /** Presets within the budget that need an importance matrix where there is none, the largest first. */
  readonly notCompared: readonly string[];
}

/**
 * The measured divergence over the predicted one: 1 where errors of tensors add up as predicted and both texts are alike. Undefined where
 * nothing was predicted.
 */
export const additivityOf = ({ predicted, measured }: Certificate): number | undefined =>
  predicted === undefined || predicted === 0 ? undefined : measured.mean.value / predicted;

/** What measuring a plan would take. */
export interface CertifyEstimate {
  /** Of the text. */
  readonly windows: number;
  /** Presets, files and random assignments that are measured, too. */
  readonly compared: number;
  /** For them, the plan and the original. */
  readonly seconds: number;
  /** What is added where the plan is to be improved by measured swaps: at least, where none is proposed, and at most. */
  readonly improvement?: { readonly swaps: number; readonly seconds: number; readonly mostSeconds: number };
}
