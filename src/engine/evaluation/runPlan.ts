import { createHash } from 'node:crypto';
import { freemem } from 'node:os';
import { ggufView, type ModelHeaders } from '../../architectures/ggufView';
import { forwardOf } from '../../architectures/registry';
import type { Decoder } from '../../graph/transformer/decoder';
import { modelBytes } from '../../graph/transformer/decoderBytes';
import { longestOf, type DecoderShape } from '../../graph/transformer/decoderShape';
import { numbersOf } from '../../graph/transformer/shapeNumbers';
import { probeDevices } from '../../graph/probe';
import type { OrtDevice } from '../../graph/session';
import type { Model } from '../../model/model';
import { readTextFile } from '../../model/textFile';
import type { WindowSettings } from '../../protocol/evaluation';
import type { DeviceChoice } from '../../protocol/device';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import {
  planWindows,
  spreadIndices,
  windowAt,
  type ScoredInputs,
  type TextWindow,
  type WindowPlan,
} from '../../evaluation/windows';
import { openForText } from './openForText';

/** Where a model runs. */
export interface RunDevice {
  readonly device: OrtDevice;
  readonly label: string;
}

/**
 * The device to run on. Models run in ONNX Runtime everywhere: where no GPU is
 * chosen, on its CPU provider.
 * @throws QuantscopeError DEVICE when the named device does not work.
 */
export async function runDevice(choice: DeviceChoice, signal: AbortSignal): Promise<RunDevice> {
  const { chosen, label } = await probeDevices(choice, { signal });
  return chosen === 'cpu' || chosen === 'ort-cpu'
    ? { device: 'ort-cpu', label: 'ONNX Runtime, CPU' }
    : { device: chosen, label };
}

/** Largest text that is evaluated (bytes): its tokens must fit into memory, and larger texts would take too long. */
const maxTextBytes = 1024 ** 3;

/** A text cut into windows. */
export interface PlannedText {
  readonly file: string;
  readonly plan: WindowPlan;
  readonly windows: readonly TextWindow[];
  /** Of the tokens and of how they are cut. */
  readonly hash: string;
}

/** Windows of one length that a model is run over. */
export interface WindowsRun {
  readonly length: number;
  readonly windows: readonly ScoredInputs[];
}

/** How a text is cut into windows. */
interface TextSettings extends WindowSettings {
  /** Windows spread evenly over the text instead of its first ones. */
  readonly spread?: boolean;
}

/** Cuts a text into windows. @throws QuantscopeError as `planWindows`, and IO for a text that cannot be read. */
export async function planText(
  file: string,
  tokenizer: TextTokenizer,
  settings: TextSettings,
  contextLength: number,
  signal: AbortSignal,
): Promise<PlannedText> {
  const tokens = await tokenizer.encode(await readTextFile(file, maxTextBytes, signal), {
    addSpecial: true,
    signal,
  });
  const plan = planWindows(tokens.length, settings, tokenizer, contextLength, file);
  const spread = settings.spread === true ? spreadIndices(plan) : undefined;
  const indices = spread ?? Array.from({ length: plan.windows }, (_, index) => index);
  const windows = indices.map((index) => windowAt(plan, tokens, index));
  const { convention, context, stride, bos } = plan;
  const cut = [convention, context, stride, plan.windows, bos, ...(spread ? [spread] : [])];
  const hash = createHash('sha256').update(JSON.stringify(cut));
  const used = spread
    ? windows.map(({ start }) => tokens.slice(start, start + context + 1))
    : [tokens.subarray(0, plan.usedTokens)];
  for (const { buffer, byteOffset, byteLength } of used)
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return { file, plan, windows, hash: hash.digest('hex') };
}

/** The same with the model's own tokenizer and context length. @throws QuantscopeError as `planText` and `openForText`. */
export async function planTextOf(
  model: Model,
  file: string,
  settings: WindowSettings,
  signal: AbortSignal,
): Promise<PlannedText> {
  const tokenizer = await openForText(model, signal);
  return planText(file, tokenizer, settings, await contextLengthOf(model), signal);
}

/** Share of the free memory that the weights of a whole model may take. */
const wholeShare = 0.6;
/** Maximum weights of a whole model on a GPU, whose memory ONNX Runtime does not report (bytes). */
const wholeOnGpu = 8e9;
/** States of windows that go through the model together: at least this many bytes, and this share of the free memory. */
const leastStates = 1e9;
const statesShare = 0.25;

/**
 * Tokens of the longest text that a model can be run over: its context length, or less where longer texts are computed otherwise.
 * @throws QuantscopeError MODEL_FILE when it is not stated, UNSUPPORTED for an architecture that cannot be run.
 */
export async function contextLengthOf(model: ModelHeaders, signal?: AbortSignal): Promise<number> {
  const view = await ggufView(model, signal);
  const { path } = model.description;
  const number = numbersOf(view, path);
  const traits = forwardOf(view.architecture, path);
  return Math.min(number('context_length'), longestOf({ traits, number })?.tokens ?? Infinity);
}

/** Whether a text of so many tokens is longer than those of the training before the context was stretched: some models rotate it by other factors (LongRoPE). */
export async function isStretched(
  model: ModelHeaders,
  length: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const number = numbersOf(await ggufView(model, signal), model.description.path);
  return length > number('rope.scaling.original_context_length', 0);
}

export type MemoryChoice = 'auto' | 'whole' | 'streamed';

/** Whether all weights of a model are kept in memory. @param models of its size that are to be kept together. */
export function keepsWhole(
  device: OrtDevice,
  choice: MemoryChoice = 'auto',
  models = 1,
): (shape: DecoderShape) => boolean {
  if (choice !== 'auto') return () => choice === 'whole';
  const room = device === 'ort-cpu' ? wholeShare * freemem() : wholeOnGpu;
  return (shape) => models * modelBytes(shape) < room;
}

/** Windows that pass a block together: a run's when weights are kept, else as many as memory has room for. */
export function windowsAtOnce({ keeps, shape, length, tokensPerRun }: Decoder): number {
  if (keeps) return tokensPerRun / length;
  return Math.max(1, Math.floor(statesRoom() / (4 * length * shape.stateSize)));
}

/** Bytes that states may take. */
export const statesRoom = (): number => Math.max(leastStates, statesShare * freemem());

/** Steps of a pass over this many windows, as its `onStep` counts them: graphs of blocks, and of the output for scored tokens. */
export function stepsOf({ shape, length, tokensPerRun }: Decoder, windows: number, scored: number): number {
  const blocks = Math.ceil((windows * length) / tokensPerRun) * shape.blocks.length;
  return blocks + Math.ceil(scored / tokensPerRun);
}
