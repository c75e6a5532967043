import { QuantscopeError } from '../model/errors';
import type { ModelLimits } from '../protocol/model';
import { refuseBidirectional } from './direction';
import { ggufHeader, type ModelHeaders } from './ggufView';
import { handsOn, handsOnMore, otherStates } from './otherStates';
import { embedsTexts } from './pooling';
import { forwardOf } from './registry';

/** What cannot be done with a model, and whether it embeds texts, as far as its headers and its configuration tell; reads no weights. */
export function modelLimits(model: ModelHeaders): ModelLimits {
  const { part, path } = model.description;
  if (part?.alone) {
    const gguf = `${part.file} is one of ${part.count} files of a model, opened alone.`;
    return { gguf, run: gguf };
  }
  let header: ReturnType<typeof ggufHeader>;
  try {
    header = ggufHeader(model);
  } catch (error) {
    const gguf = reasonOf(error);
    return { gguf, run: gguf };
  }
  const embeds = embedsTexts(header) ? { embeds: true as const } : {};
  try {
    refuseBidirectional(header, path);
    const traits = forwardOf(header.architecture, path);
    const onnx = handsOn(header, traits) ? handsOnMore : otherStates(traits.mixers ?? []);
    return { ...embeds, ...(onnx === undefined ? {} : { onnx }) };
  } catch (error) {
    return { run: reasonOf(error), ...embeds };
  }
}

/** A reason that is about the model; anything else is a bug. */
function reasonOf(error: unknown): string {
  if (error instanceof QuantscopeError && error.code !== 'INTERNAL') return error.message;
  throw error;
}
