import { QuantscopeError } from '../../model/errors';
import type { RunSettings } from '../../protocol/fit';
import type { CachedLayer, RuntimeShape } from '../../protocol/loadedModel';
import { ggmlTypes } from '../../protocol/ggmlTypes';
import { padded } from '../../protocol/fileFrame';
import { said } from '../../protocol/said';

/** Tokens that llama.cpp processes at a time (`--ubatch-size`), by default. */
const batch = 512;

/** Contexts are multiples of so many cells (llama-context.cpp; llama-kv-cache-iswa.cpp for windows). */
const cellStep = 256;

/** Cells of a sequence in a layer: with a window, room for it and for a batch. */
const cellsOf = ({ window }: CachedLayer, context: number): number =>
  window === undefined ? context : padded(Math.min(context, window + batch), cellStep);

/** Context of a sequence as llama.cpp allocates it. */
const allocated = ({ context, sequences }: RunSettings): number =>
  padded(padded(context * sequences, cellStep) / sequences, cellStep);

/**
 * Bytes of the keys and values of each layer, and of its states, as llama.cpp v0.5.0 allocates them with flash attention (llama-kv-cache.cpp).
 * @throws QuantscopeError REQUEST where rows are not whole blocks of the type.
 */
export function cacheBytes({ layers }: RuntimeShape, settings: RunSettings): number[] {
  const { sequences, cacheType } = settings;
  const { block, bytes } = ggmlTypes.find(({ name }) => name === cacheType.toUpperCase())!;
  return layers.map((layer, index) => {
    const wrong = [layer.keys, layer.values].find((count) => count % block !== 0);
    if (wrong !== undefined)
      throw new QuantscopeError(
        'REQUEST',
        said`Layer ${index} has ${wrong} numbers of keys or values for each token, which are not whole blocks of ${block}: the cache cannot be ${cacheType}.`,
      );
    const cells = cellsOf(layer, allocated(settings)) * sequences;
    return (cells * (layer.keys + layer.values) * bytes) / block + 4 * (layer.states ?? 0) * sequences;
  });
}

/**
 * Bytes of keys, values and states that a step reads and writes when the context is full: windows are read as far as they reach, states are
 * read and written.
 */
export function readBytes({ layers }: RuntimeShape, { context, sequences, cacheType }: RunSettings): number {
  const { block, bytes } = ggmlTypes.find(({ name }) => name === cacheType.toUpperCase())!;
  return layers.reduce((sum, { keys, values, window = context, states = 0 }) => {
    const cells = Math.min(window, context) * sequences;
    return sum + (cells * (keys + values) * bytes) / block + 2 * 4 * states * sequences;
  }, 0);
}

/** Inputs of a graph besides masks, and what is lost between its buffers: measured less, bytes. */
const otherBuffers = 1024 * 1024;

/**
 * Bytes of the buffer that llama.cpp computes in on one device, for batches of 512 tokens with flash attention: the states of a batch beside
 * its masks, or the logits of a whole batch, whichever is larger. An upper estimate, measured against llama.cpp v0.5.0
 * (test/oracle/memory.test.ts).
 */
export function computeBytes(shape: RuntimeShape, settings: RunSettings): number {
  const tokens = batchTokens(settings);
  const scanned = (shape.scanned ?? 0) * settings.sequences;
  const states = maskBytes(shape, settings) + 4 * (tokens * shape.activations + scanned);
  return Math.max(states, 4 * tokens * (shape.vocabulary + shape.hidden)) + otherBuffers;
}

/** Bytes of the inputs that the processor prepares where all layers are on another device: masks and states of a batch. */
export const inputBytes = (shape: RuntimeShape, settings: RunSettings): number =>
  maskBytes(shape, settings) + 4 * batchTokens(settings) * shape.hidden + otherBuffers;

const batchTokens = (settings: RunSettings): number =>
  Math.min(batch, allocated(settings) * settings.sequences);

/** Masks in float16: one for all cells, and one for those of windows. */
function maskBytes({ layers }: RuntimeShape, settings: RunSettings): number {
  const attending = layers.filter(({ keys, states }) => keys > 0 || states === undefined);
  const cells = new Set(attending.map((layer) => cellsOf(layer, allocated(settings))));
  return [...cells].reduce((sum, count) => sum + 2 * count * batchTokens(settings), 0);
}
