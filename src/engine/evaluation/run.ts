import { peakMemory } from '../../evaluation/measures';
import type { Decoder } from '../../graph/transformer/decoder';
import { blockBytes } from '../../graph/transformer/decoderBytes';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';
import type { EvaluationParams, RunMeasures } from '../../protocol/evaluation';
import type { JobContext } from '../job';
import type { ResultStore } from './resultStore';
import { keepsWhole, type RunDevice } from './runPlan';
import type { PlannedVariant } from './plannedVariant';
import { greatestOf } from '../../protocol/extremes';

/** Everything about a run that is known before the model runs. */
export interface Run {
  readonly model: Model;
  readonly params: EvaluationParams;
  readonly where: RunDevice;
  readonly variant: PlannedVariant;
  readonly store: ResultStore;
  readonly context: JobContext;
}

/** The model with its changes, for windows of this many tokens. */
export function openChanged({ model, params, where, variant }: Run, length: number): Promise<Decoder> {
  return openDecoder(variant.model ?? model, {
    ...{ device: where.device, length, keep: keepsWhole(where.device, params.memory) },
    ...{ changes: variant.changes, roundInputs: variant.roundInputs ?? params.roundActivations ?? false },
  });
}

/** Speed and memory of a pass of this many tokens through the model. */
export function passMeasures(
  decoder: Decoder,
  tokens: number,
  seconds: number,
): Omit<RunMeasures, 'seconds'> {
  return {
    tokensPerSecond: tokens / seconds,
    peakMemory: peakMemory(),
    blockBytes: greatestOf(decoder.shape.blocks.map(blockBytes)),
    memory: decoder.keeps ? 'whole' : 'streamed',
  };
}
