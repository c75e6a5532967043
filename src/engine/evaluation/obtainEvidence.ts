import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ggufView } from '../../architectures/ggufView';
import { statesOfBackward } from '../../evaluation/backward';
import {
  evidenceBytes,
  measuredSizes,
  measureEvidence,
  partsFor,
  tapsFor,
  type EvidenceParts,
} from '../../evaluation/evidence';
import { evidenceWork, secondsOf } from '../../evaluation/passWork';
import { cacheRemedy, ensureFreeSpace } from '../../exporter/diskSpace';
import type { Decoder } from '../../graph/transformer/decoder';
import { openDecoder } from '../../graph/transformer/openDecoder';
import { FileStates, MemoryStates, type States } from '../../graph/transformer/states';
import { contentKey } from '../../model/identity';
import type { Model } from '../../model/model';
import type {
  EvidenceEstimate,
  EvidenceResult,
  EvidenceSettings,
  StoredEvidence,
} from '../../protocol/evidence';
import type { EvidenceKind } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import type { EvidenceSource } from '../../quant/evidence';
import type { JobContext } from '../job';
import { EvidenceStore, keptBytes, type KeptEvidence } from './evidenceStore';
import { blockSeconds, outputSeconds } from './gainsEstimate';
import { evidenceSource } from './keptEvidence';
import { openForText } from './openForText';
import { StepMeter } from './progress';
import {
  contextLengthOf,
  planText,
  runDevice,
  statesRoom,
  stepsOf,
  windowsAtOnce,
  type PlannedText,
  type RunDevice,
} from './runPlan';

/** Tokens of a text that are used unless more or fewer are requested: what the methods' authors use is of this order. */
export const usualEvidenceTokens = 65_536;

/** A calibration pass before it is run. */
interface PlannedPass {
  readonly model: Model;
  readonly settings: EvidenceSettings;
  readonly where: RunDevice;
  readonly planned: PlannedText;
  readonly store: EvidenceStore;
  /** Of the text and of where it is run. */
  readonly key: string;
  readonly parts: EvidenceParts;
}

/**
 * The evidence that some methods need, from an earlier pass over the same text or from a new one.
 * @param cacheDir where it is kept; writable.
 * @throws QuantscopeError REQUEST for a text without a whole window, UNSUPPORTED for a model that cannot be run, IO when the disk has not
 * enough room, CANCELLED: then nothing new is left.
 */
export async function obtainEvidence(
  model: Model,
  settings: EvidenceSettings,
  cacheDir: string,
  context: JobContext,
): Promise<EvidenceSource> {
  const pass = await planPass(model, settings, cacheDir, context.signal);
  return evidenceSource(await keptOrMeasured(pass, context), await ggufView(model));
}

/**
 * The latest kept evidence of a model that has what is needed; undefined where there is none.
 * @param hash of the text, where no other will do.
 */
export async function latestEvidence(
  model: Model,
  needs: Iterable<EvidenceKind>,
  cacheDir: string,
  hash?: string,
): Promise<EvidenceSource | undefined> {
  const store = new EvidenceStore(cacheDir);
  const kept = await store.find(contentKey(model.description), partsFor(needs), { hash });
  return kept && evidenceSource(kept, await ggufView(model));
}

/** What the latest kept evidence of a model has. */
export async function storedEvidence(model: Model, cacheDir: string): Promise<StoredEvidence | undefined> {
  const kept = await new EvidenceStore(cacheDir).find(contentKey(model.description), partsFor([]));
  if (!kept) return undefined;
  const kinds: EvidenceKind[] = ['importance'];
  if (kept.parts.hessians) kinds.push('hessian');
  if (kept.parts.activations) kinds.push('activations');
  if (kept.parts.gradients) kinds.push('gradients');
  return { text: kept.text.path, tokens: kept.text.tokens, kinds };
}

/** What a pass would be made over, without making it. @throws as `obtainEvidence`. */
export async function evidenceText(
  model: Model,
  settings: EvidenceSettings,
  cacheDir: string,
  signal: AbortSignal,
): Promise<EvidenceSource['text']> {
  const { planned } = await planPass(model, settings, cacheDir, signal);
  const { file: path, hash, windows, plan } = planned;
  return { path, hash, tokens: windows.length * plan.context };
}

/** What a pass would take. */
export async function estimateEvidence(
  model: Model,
  settings: EvidenceSettings,
  cacheDir: string,
  signal: AbortSignal,
): Promise<EvidenceEstimate> {
  const pass = await planPass(model, settings, cacheDir, signal);
  const { where, planned } = pass;
  const parts = await partsOfRun(pass);
  const { windows, plan } = planned;
  const tokens = windows.length * plan.context;
  const decoder = await openDecoder(model, { device: where.device, length: plan.context, keep: false });
  try {
    const bytes = evidenceBytes(measuredSizes(decoder.shape, tokens), parts);
    if (await findKept(pass)) return { tokens, seconds: 0, bytes, isKept: true };
    const taps = { kind: tapsFor(parts), onStatistics: () => undefined };
    const each = {
      ...(await blockSeconds(decoder, { signal, taps })),
      output: parts.gradients ? await outputSeconds(decoder, signal) : 0,
    };
    const work = evidenceWork(decoder.shape.blocks.length, windows.length, parts.gradients);
    const seconds = secondsOf(work, each);
    return { tokens, seconds, bytes, isKept: false };
  } finally {
    await decoder.close();
  }
}

/** A pass over a text, or its kept result. */
export async function runEvidence(
  model: Model,
  settings: EvidenceSettings,
  cacheDir: string,
  context: JobContext,
): Promise<EvidenceResult> {
  const started = performance.now();
  const pass = await planPass(model, settings, cacheDir, context.signal);
  const isKept = (await findKept(pass)) !== undefined;
  const kept = await keptOrMeasured(pass, context);
  return {
    tokens: kept.text.tokens,
    seconds: (performance.now() - started) / 1000,
    bytes: keptBytes(kept),
    isKept,
    inputs: kept.inputs.length,
    notes: evidenceSource(kept, await ggufView(model)).notes,
  };
}

async function planPass(
  model: Model,
  settings: EvidenceSettings,
  cacheDir: string,
  signal: AbortSignal,
): Promise<PlannedPass> {
  const where = await runDevice(settings.device, signal);
  const tokenizer = await openForText(model, signal);
  const contextLength = await contextLengthOf(model, signal);
  const context = settings.context ?? Math.min(512, contextLength);
  const windows = Math.max(1, Math.floor((settings.tokens ?? usualEvidenceTokens) / context));
  const planned = await planText(settings.text, tokenizer, { context, windows }, contextLength, signal);
  return {
    ...{ model, settings, where, planned },
    store: new EvidenceStore(cacheDir),
    key: `${planned.hash} ${where.device}`,
    parts: partsFor(settings.needs),
  };
}

const findKept = ({ model, store, parts, key }: PlannedPass): Promise<KeptEvidence | undefined> =>
  store.find(contentKey(model.description), parts, { key });

async function keptOrMeasured(pass: PlannedPass, context: JobContext): Promise<KeptEvidence> {
  return (await findKept(pass)) ?? measure(pass, context);
}

/** What is needed, and what an earlier pass over the text has measured, which the new one replaces. */
async function partsOfRun({ model, store, key, parts }: PlannedPass): Promise<EvidenceParts> {
  const earlier = await store.measuredParts(contentKey(model.description), key);
  return {
    hessians: parts.hessians || earlier.hessians,
    activations: parts.activations || earlier.activations,
    gradients: parts.gradients || earlier.gradients,
  };
}

async function measure(pass: PlannedPass, { signal, progress }: JobContext): Promise<KeptEvidence> {
  const { model, settings, where, planned, store, key } = pass;
  const { plan, windows, file, hash } = planned;
  const identity = contentKey(model.description);
  const parts = await partsOfRun(pass);
  // Each block is loaded once, so that weights that stay would save nothing.
  const keep = settings.memory === 'whole';
  const decoder = await openDecoder(model, { device: where.device, length: plan.context, keep });
  try {
    const tokens = windows.length * plan.context;
    const sets = parts.gradients ? statesOfBackward(decoder) : 1;
    const states = roomFor(store.root, decoder, sets);
    await ensureFreeSpace(
      join(store.root, key),
      evidenceBytes(measuredSizes(decoder.shape, tokens), parts) + states.fileBytes(tokens),
      'What the calibration keeps',
      cacheRemedy,
    );
    const steps = evidenceSteps(decoder, windows.length, parts);
    const meter = new StepMeter(steps, windows.length, where.device, progress);
    const text = { path: file, hash, tokens, context: plan.context };
    return await store.add(identity, { key, text, parts }, (keep) =>
      measureEvidence(decoder, windows, {
        ...{ parts, keep, signal, windowsAtOnce: windowsAtOnce(decoder) },
        room: states.make,
        onStep: (part) => meter.step(said`calibration: ${part}`),
      }),
    );
  } finally {
    await decoder.close();
  }
}

/** Steps of a pass, as its `onStep` counts them. */
function evidenceSteps(decoder: Decoder, windows: number, { gradients }: EvidenceParts): number {
  const blocks = stepsOf(decoder, windows, 0);
  return gradients ? blocks + backwardSteps(decoder, windows) : blocks;
}

/** Steps of a backward pass and of the forward pass before it. */
export function backwardSteps(decoder: Decoder, windows: number): number {
  const blocks = stepsOf(decoder, windows, 0);
  const slices = [...decoder.vocabularySlices()].length;
  return 2 * blocks + (slices * blocks) / decoder.shape.blocks.length;
}

/** Where states are kept. */
interface StatesRoom {
  readonly make: (tokens: number) => States;
  /** Bytes of temporary files for the states of so many tokens. */
  readonly fileBytes: (tokens: number) => number;
}

/**
 * States stay in memory where there is room, else in temporary files.
 * @param sets of states that are held at the same time.
 */
export function roomFor(folder: string, { shape: { stateSize } }: Decoder, sets = 1): StatesRoom {
  const bytes = (tokens: number): number => 4 * tokens * stateSize * sets;
  const room = statesRoom();
  return {
    make(tokens) {
      if (bytes(tokens) <= room) return new MemoryStates(new Float32Array(tokens * stateSize), stateSize);
      mkdirSync(folder, { recursive: true });
      return new FileStates(folder, tokens, stateSize);
    },
    fileBytes: (tokens) => (bytes(tokens) <= room ? 0 : bytes(tokens)),
  };
}
