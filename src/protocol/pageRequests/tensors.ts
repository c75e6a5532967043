import type {
  CellSize,
  CodePoints,
  HistogramRequest,
  RegionMap,
  StoredAnalysis,
  TensorAnalysis,
  TensorRegion,
} from '../analysis';
import type { ErrorMap, OtherModel, TensorOverlay } from '../compare';
import type { EngineProgress } from '../engine';
import type { StoredEvidence } from '../evidence';
import type { ErrorMapParams, LensParams, MethodChoices, TensorLens } from '../lens';
import type { SaveMethodParams } from '../methods';
import type { TensorChoice } from '../quantizeTensors';
import type { ChangeSpectrum } from '../spectrum';

/** One tensor or some. */
export type TensorPageRequests = {
  analyse: {
    params: { tensor: string } & HistogramRequest;
    result: TensorAnalysis;
    progress: EngineProgress;
  };
  /** How a quantized weight is stored. */
  stored: { params: { tensor: string }; result: StoredAnalysis };
  /** The values that weights of a tensor can take in a format. */
  codePoints: { params: { tensor: string; format: string }; result: CodePoints };
  /** A rectangle of a tensor, down to single weights. */
  region: { params: { tensor: string; region: TensorRegion; cell?: CellSize }; result: RegionMap };
  /**
   * Runs the same command as the context menu: one tensor is shown by recipes, others and those of `choose` in formats of a quick
   * pick, or in the given ones; `comparison` events follow.
   */
  quantize: {
    params: { tensors: readonly string[]; formats?: readonly string[]; choose?: boolean };
    result: void;
  };
  /** Grids and methods, a calibration text next to the model, and what earlier calibrations measured. */
  methodChoices: {
    params: Record<string, never>;
    result: MethodChoices & { readonly text?: string; readonly evidence?: StoredEvidence };
  };
  /** A tensor by some recipes; progress has the rows as they are measured. */
  lens: {
    params: Pick<LensParams, 'tensor' | 'recipes' | 'options'>;
    result: TensorLens;
    progress: EngineProgress;
  };
  /** Where a recipe changes a tensor. */
  errorMap: {
    params: Pick<ErrorMapParams, 'tensor' | 'grid' | 'method' | 'options'>;
    result: ErrorMap;
  };
  /** Asks for a target and writes the tensor in a layout; undefined when the user cancelled. */
  saveMethod: {
    params: Pick<SaveMethodParams, 'tensor' | 'grid' | 'method' | 'options' | 'layout'>;
    result: { out: string } | undefined;
  };
  /** Asks for a target and writes the tensors, each in its format; undefined when the user cancelled. */
  saveQuantized: { params: { choices: readonly TensorChoice[] }; result: { out: string } | undefined };
  /** Asks for another model and compares it; results come as `modelComparison` events. */
  compareWith: { params: Record<string, never>; result: void };
  /** Asks for adapters and compares the model with itself and them; the same events. */
  compareWithAdapters: { params: Record<string, never>; result: void };
  /** Asks for a third model: which of both is closer to this one; the same events. Rejected without a comparison. */
  compareThird: { params: Record<string, never>; result: void };
  /** One tensor of the comparison in detail. */
  overlay: {
    params: OtherModel & { tensor: string };
    result: TensorOverlay;
    progress: EngineProgress;
  };
  /** Singular values of what differs in one tensor of the comparison. */
  spectrum: {
    params: OtherModel & { tensor: string };
    result: ChangeSpectrum;
    progress: EngineProgress;
  };
};
