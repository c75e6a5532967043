import { QuantscopeError } from '../model/errors';
import type { KeyValue } from '../model/keyValue';
import type { SentenceModule } from '../model/sentenceModules';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { isBaseClass, listedClass } from './classNames';
import { ConfigReader } from './configReader';
import { applyRule } from './applyRule';
import { sizesOf, unreadNotes } from './checkpointFacts';
import type { ConvertedTensor } from './convertedTensor';
import type { ComputedTensor, Conversion, LayerWindow } from './description';
import { withDirection } from './direction';
import { withModules } from './embeddingModules';
import { u32 } from './keyValues';
import { matchRules } from './matchRules';
import { architectureFor, refuseQuantized } from './registry';
import { Sources } from './sources';
import { refuseProblems } from './tensorProblems';
import { findVision } from './vision/registry';

/** A Hugging Face checkpoint in GGUF's view; only headers were read. */
export interface ConvertedCheckpoint {
  /** `general.architecture`. */
  readonly architecture: string;
  /** Hyper-parameters under their full keys. */
  readonly keyValues: readonly KeyValue[];
  /** In no particular order. */
  readonly tensors: readonly ConvertedTensor[];
  readonly computed: readonly ComputedTensor[];
  /** What was chosen or left out, and how llama.cpp differs from transformers on this model, as sentences. */
  readonly notes: readonly string[];
  /** Windows that transformers applies and llama.cpp does not. */
  readonly window?: LayerWindow;
  /** What llama.cpp's rotary frequencies are divided by in transformers. */
  readonly divisors?: Float32Array;
  /** An output matrix that is left out because config.json says that the embedding is the output. */
  readonly tied?: { readonly output: TensorDescriptor; readonly embedding: TensorDescriptor };
}

export interface ConvertOptions {
  /** The steps of an embedding model. */
  readonly modules?: readonly SentenceModule[] | undefined;
  /** Whether the output matrix differs from the embedding; where absent, config.json decides. */
  readonly ownOutput?: boolean;
}

/**
 * Names and arranges every tensor of a checkpoint for GGUF.
 * @param file path of config.json, for errors.
 * @throws QuantscopeError UNSUPPORTED for an architecture, a setting or tensors that GGUF cannot express; MODEL_FILE when
 * tensors are missing or their shapes contradict config.json. All of them are named.
 */
export function convertCheckpoint(
  tensors: readonly TensorDescriptor[],
  config: Readonly<Record<string, unknown>>,
  file: string,
  options: ConvertOptions = {},
): ConvertedCheckpoint {
  const { description, reader, conversion, sources, tied, matched, problems } = matchCheckpoint(
    tensors,
    config,
    file,
    options,
  );
  refuseProblems(problems, description.name, file);
  const converted = matched.map((match) => applyRule(match, file));
  checkOutput(converted);
  return {
    architecture: description.name,
    keyValues: keyValuesOf(conversion, description.name),
    tensors: converted,
    computed: conversion.computed ?? [],
    notes: [
      ...(conversion.notes ?? []),
      ...reader.notes,
      ...sources.notes(remediesOf(config)),
      ...unreadNotes(reader),
    ],
    ...(conversion.window ? { window: conversion.window } : {}),
    ...(conversion.divisors ? { divisors: conversion.divisors } : {}),
    ...(tied ? { tied } : {}),
  };
}

/**
 * The tensors of a checkpoint by the rules that its config.json leads to, and all that differs from them.
 * @throws QuantscopeError as `convertCheckpoint`, but for tensors that are missing, unexpected or of another shape: these are in `problems`.
 */
export function matchCheckpoint(
  tensors: readonly TensorDescriptor[],
  config: Readonly<Record<string, unknown>>,
  file: string,
  { ownOutput, modules = [] }: ConvertOptions = {},
) {
  refuseQuantized(tensors, file);
  const description = architectureFor(config, file);
  const own = ownOutput ?? (isBaseClass(listedClass(config) ?? '') ? false : undefined);
  const reader = new ConfigReader(config, file, {
    ...sizesOf(tensors),
    ...(own === undefined ? {} : { ownOutput: own }),
  });
  const conversion = withModules(
    withDirection(description.convert(reader), reader),
    modules,
    tensors,
    description,
  );
  const sources = new Sources(tensors, conversion);
  const tied = conversion.tied && sources.leaveOut(conversion.tied);
  return { description, reader, conversion, sources, tied, ...matchRules(conversion, sources) };
}

/** What can be done with the vision part of a config.json. */
const remediesOf = (config: Readonly<Record<string, unknown>>) =>
  findVision(config)
    ? {
        'vision part':
          '“Export Vision Part (mmproj)…”, or quantscope export-mmproj, writes it to a file of its own.',
      }
    : {};

function keyValuesOf({ keyValues, tokenTypes }: Conversion, architecture: string): KeyValue[] {
  return [
    ...keyValues.map((pair) => ({ ...pair, key: `${architecture}.${pair.key}` })),
    ...(tokenTypes === undefined ? [] : [u32('tokenizer.ggml.token_type_count', tokenTypes)]),
  ];
}

/**
 * llama.cpp has one size of vocabulary: that of the embedding.
 * @throws QuantscopeError UNSUPPORTED for an output of another size, which it would not load.
 */
function checkOutput(tensors: readonly ConvertedTensor[]): void {
  const named = (name: string) => tensors.find((tensor) => tensor.name === name);
  const [output, embedding] = [named('output.weight'), named('token_embd.weight')];
  const [rows, tokens] = [output?.shape[0], embedding?.shape[0]];
  if (rows === undefined || tokens === undefined || rows === tokens) return;
  const source = output!.pieces[0]!.tensor;
  const message = said`The output has ${rows} rows, but the embedding has ${tokens}: llama.cpp needs the same number of both.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file: source.file, tensor: source.name });
}
