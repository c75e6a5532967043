import type {
  CellSize,
  CodePoints,
  HistogramRequest,
  RegionMap,
  StoredAnalysis,
  TensorAnalysis,
  TensorComparison,
  TensorRegion,
} from '../analysis';
import type { ErrorMap, OtherModel, TensorOverlay } from '../compare';
import type { FormatDescription } from '../formats';
import type { ErrorMapParams, LensParams, MethodChoices, TensorLens } from '../lens';
import type { SaveMethodParams, SaveMethodResult } from '../methods';
import type { ModelRef } from '../model';
import type { TensorSuggestion } from '../planResults';
import type { QuantizeParams, QuantizeResult } from '../quantizeTensors';
import type { StoredParams } from '../sensitivityRun';
import type { ChangeSpectrum } from '../spectrum';

/** One tensor or some. */
export interface TensorRequests {
  /**
   * What is known about one tensor: its measurements, and the assignment of a plan next to the model.
   * @param estimated where nothing was measured, what headers alone let expect; and a plan of the usual size where there is none.
   */
  'tensor/suggestion': {
    params: StoredParams & { tensor: string; estimated?: boolean };
    result: TensorSuggestion;
  };
  'formats/list': { params: Record<string, never>; result: readonly FormatDescription[] };
  /** Statistics, histogram, outlier map and profiles of one tensor. */
  'tensor/analyse': { params: ModelRef & { tensor: string } & HistogramRequest; result: TensorAnalysis };
  /** How a quantized weight is stored: its parts, codes, scales and zero points or minimums. */
  'tensor/stored': { params: ModelRef & { tensor: string }; result: StoredAnalysis };
  /** The values that weights of a tensor can take in a format, by the median of its scales. */
  'tensor/codePoints': { params: ModelRef & { tensor: string; format: string }; result: CodePoints };
  /** A rectangle of one tensor, down to single weights; `cell`: weights per cell of the map, as few as fit unless given. */
  'tensor/region': {
    params: ModelRef & { tensor: string; region: TensorRegion; cell?: CellSize };
    result: RegionMap;
  };
  /** Error and size of one tensor in each of the formats. */
  'tensor/compare': {
    params: ModelRef & { tensor: string; formats: readonly string[]; bins?: number };
    result: TensorComparison;
  };
  'methods/list': { params: Record<string, never>; result: MethodChoices };
  /** Error and size of one tensor by several recipes; its progress has the rows as they are measured. */
  'tensor/lens': { params: LensParams; result: TensorLens };
  /** Where a recipe changes a tensor. */
  'tensor/errorMap': { params: ErrorMapParams; result: ErrorMap };
  /** Writes a layer, quantized to a grid by a method, in the layout of a runtime. */
  'tensor/saveMethod': { params: SaveMethodParams; result: SaveMethodResult };
  /** Writes the tensors, quantized, to a new safetensors file. */
  'tensor/quantize': { params: QuantizeParams; result: QuantizeResult };
  /** The same of one tensor, by its common name. */
  'tensor/spectrum': { params: ModelRef & OtherModel & { tensor: string }; result: ChangeSpectrum };
  /** One tensor of both, by its name in the comparison. */
  'tensor/overlay': { params: ModelRef & OtherModel & { tensor: string }; result: TensorOverlay };
}
