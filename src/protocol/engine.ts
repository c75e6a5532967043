import type { ChatProgress } from './chat';
import type { Device } from './device';
import type { EvaluationCurve } from './evaluation';
import type { LensProgress } from './lens';
import type { QuantizedWeight } from './quantizeModel';
import type { RefinementPoint } from './refinement';
import type { Spoken } from './said';
import type { ModelRequests } from './engineRequests/models';
import type { TensorRequests } from './engineRequests/tensors';
import type { PlanRequests } from './engineRequests/plans';
import type { OutputRequests } from './engineRequests/outputs';
import type { RunRequests } from './engineRequests/runs';
import type { DeviceRequests } from './engineRequests/devices';

/** Requests that the extension host and the command line send to the engine process: method → parameters, result. */
export interface EngineRequests
  extends ModelRequests, TensorRequests, PlanRequests, OutputRequests, RunRequests, DeviceRequests {}

export type EngineMethod = keyof EngineRequests;

/** Progress of a running request, at most ten a second. */
export interface EngineProgress {
  /** Current step: usually a tensor's name. */
  message: string;
  /** Steps, or bytes when `unit` says so. */
  done: number;
  total: number;
  unit?: 'bytes';
  /** Estimated seconds left; absent until it can be estimated. */
  secondsLeft?: number;
  device?: Device;
  /** Of an evaluation, once a window is scored. */
  curve?: EvaluationCurve;
  /** Of a refinement: steps in all, and what was measured so far. */
  refinement?: { readonly steps: number; readonly points: readonly RefinementPoint[] };
  /** Of a model that is quantized: matrices that were finished since the previous report. */
  finished?: readonly QuantizedWeight[];
  /** Of a conversation: the answers so far. */
  chat?: ChatProgress;
  /** Of a lens, what is new since the previous report. */
  lens?: LensProgress;
}

/** Host → engine. */
export type EngineInbound =
  | { kind: 'request'; id: number; method: EngineMethod; params: unknown }
  | { kind: 'cancel'; id: number }
  /** Checks that the process responds, even while it works. */
  | { kind: 'ping' };

/** How much a line of the log matters, by the names of VS Code's log. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** A line of the engine's log. */
export interface LogLine {
  readonly level: LogLevel;
  readonly text: string;
}

/** Engine → host. */
export type EngineOutbound = EngineAnswer & {
  /** The sentences in it; absent where there are none. */
  spoken?: Spoken;
};

export type EngineAnswer =
  | { kind: 'ready'; version: string }
  | { kind: 'pong' }
  | ({ kind: 'log' } & LogLine)
  | { kind: 'result'; id: number; result: unknown }
  | { kind: 'error'; id: number; error: SerializedError }
  | { kind: 'progress'; id: number; progress: EngineProgress };

export interface SerializedError {
  /** Stable code: "MODEL_FILE", "CANCELLED", "INTERNAL"… */
  code: string;
  /** A sentence for the user. */
  message: string;
  file?: string;
  tensor?: string;
  offset?: number;
  stack?: string;
}
