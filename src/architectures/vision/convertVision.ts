import { basename } from 'node:path';
import { QuantscopeError } from '../../model/errors';
import type { KeyValue } from '../../model/keyValue';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import { applyRule } from '../applyRule';
import { sizesOf, unreadNotes } from '../checkpointFacts';
import { ConfigReader } from '../configReader';
import type { ConvertedTensor } from '../convertedTensor';
import type { Conversion } from '../description';
import { bool, text } from '../keyValues';
import { matchRules } from '../matchRules';
import { refuseQuantized } from '../registry';
import { Sources } from '../sources';
import { refuseProblems } from '../tensorProblems';
import { textPart, visionPart } from '../textPart';
import type { VisionDescription, VisionSource } from './description';
import { visionFor } from './registry';

/** `general.architecture` of files of vision parts. */
export const visionArchitecture = 'clip';

/** The vision part of a checkpoint in the terms of llama.cpp's files; only headers were read. */
export interface ConvertedVision {
  /** `clip.projector_type`. */
  readonly projector: string;
  /** Hyper-parameters under their full keys. */
  readonly keyValues: readonly KeyValue[];
  readonly tensors: readonly ConvertedTensor[];
  /** What was chosen or left out, as sentences. */
  readonly notes: readonly string[];
}

/** A JSON object of a checkpoint, and the path of its file. */
export interface StatedFile {
  readonly value: Readonly<Record<string, unknown>>;
  readonly file: string;
}

/** What says how a vision part is made, besides the tensors. */
export interface VisionFiles {
  readonly config: StatedFile;
  /** How images are prepared. */
  readonly images: StatedFile;
  readonly tokenId: VisionSource['tokenId'];
}

/**
 * Names and arranges every tensor of the vision part of a checkpoint for llama.cpp.
 * @throws QuantscopeError UNSUPPORTED for a model without a description, a setting that llama.cpp cannot follow, or tensors that it does not
 * have; MODEL_FILE when tensors are missing or their shapes contradict config.json. All of them are named.
 */
export function convertVision(
  tensors: readonly TensorDescriptor[],
  { config, images, tokenId }: VisionFiles,
): ConvertedVision {
  const { file } = config;
  const description = visionFor(config.value, file);
  refuseQuantized(tensors, file);
  const facts = sizesOf(tensors);
  const whole = new ConfigReader(config.value, file, facts);
  const { config: text, prefixes } = textPart(whole);
  const { visionKey = 'vision_config' } = description;
  const vision = whole.inner(visionKey);
  if (!vision) throw whole.wrong(visionKey, 'an object is needed');
  vision.known('tie_word_embeddings', 'is_composition'); // of the base of all configurations
  const preparation = new ConfigReader(images.value, images.file, facts);
  const conversion: Conversion = {
    ...description.convert({ whole, vision, text, images: preparation, tokenId }),
    ...{ prefixes, ignored: [otherTensors(description)] },
  };
  const sources = new Sources(tensors, conversion);
  requirePart(sources, file);
  const { matched, problems } = matchRules(conversion, sources);
  refuseProblems(problems, visionArchitecture, file);
  return {
    projector: description.projector,
    keyValues: keyValuesOf(description, conversion),
    tensors: matched.map((match) => applyRule(match, file)),
    notes: [
      ...new Set([...(conversion.notes ?? []), ...whole.notes, ...preparation.notes, ...sources.notes()]),
      ...unreadNotes(vision, basename(file)),
      ...unreadNotes(preparation, basename(images.file)),
    ],
  };
}

/** Names that are of no tensor of the vision part. */
function otherTensors({ alsoTakes }: VisionDescription): RegExp {
  const taken = [...Object.values(visionPart), ...(alsoTakes ? [alsoTakes] : [])];
  return new RegExp(`^(?!${taken.map(({ source }) => source.replace(/^\^/, '')).join('|')})`);
}

/** @throws QuantscopeError UNSUPPORTED for a checkpoint whose vision part was removed. */
function requirePart(sources: Sources, file: string): void {
  const [pattern] = Object.values(visionPart);
  if (sources.unused().some(([name]) => pattern!.test(name))) return;
  const message = said`config.json describes a vision part, but the checkpoint has no tensor of it.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

const keyValuesOf = ({ projector }: VisionDescription, { keyValues }: Conversion): KeyValue[] =>
  [bool('has_vision_encoder', true), text('projector_type', projector), ...keyValues].map((pair) => ({
    ...pair,
    key: `${visionArchitecture}.${pair.key}`,
  }));
