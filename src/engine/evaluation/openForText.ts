import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import { openEmbedder } from '../../graph/transformer/embedding/embedder';
import { describeDecoder } from '../../graph/transformer/openDecoder';
import { QuantscopeError, type ErrorCode } from '../../model/errors';
import type { Model } from '../../model/model';
import { cannotRunNote } from '../../protocol/limitNote';

/**
 * The tokenizer of a model, after a check that it can be run over a text; no weights are read but factors of its rotary embedding.
 * @throws QuantscopeError UNSUPPORTED, REQUEST or MODEL_FILE for one that has no forward pass or no tokenizer here: why, and what is possible
 * all the same; IO.
 */
export async function openForText(model: Model, signal?: AbortSignal): Promise<TextTokenizer> {
  await requireForwardPass(model);
  return openTokenizer(model, signal).catch((error: unknown) => {
    throw explained(model, error);
  });
}

/**
 * The same of a model that embeds texts.
 * @throws QuantscopeError UNSUPPORTED for one that does not, REQUEST or MODEL_FILE for one that lacks something; IO.
 */
export async function openForPairs(model: Model, signal?: AbortSignal): Promise<TextTokenizer> {
  await (await openEmbedder(model, { device: 'ort-cpu' })).close();
  return openTokenizer(model, signal);
}

/** @throws QuantscopeError as `openForText`, for a model without a forward pass. */
export async function requireForwardPass(model: Model): Promise<void> {
  try {
    await describeDecoder(model);
  } catch (error) {
    throw explained(model, error);
  }
}

const ofTheModel: readonly ErrorCode[] = ['UNSUPPORTED', 'REQUEST', 'MODEL_FILE'];

/** An error that is about the model with what remains possible, unless files are missing: then these are all that matters. */
function explained({ description: { missingFiles, missingBytes, part } }: Model, error: unknown): unknown {
  const isIncomplete = missingFiles.length > 0 || missingBytes > 0 || part?.alone === true;
  if (isIncomplete || !(error instanceof QuantscopeError) || !ofTheModel.includes(error.code)) return error;
  return new QuantscopeError(error.code, cannotRunNote(error.message), {}, error);
}
