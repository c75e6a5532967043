import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hasLlamaCpp, llamaCppLibrary, llamaVision, nodeLlamaCpp } from './cache';

/** The real llama.cpp, in child processes: its assertions abort the process that they happen in. */

const here = dirname(fileURLToPath(import.meta.url));

/** Whether llama.cpp's libraries and the node-llama-cpp package are installed. */
export const hasOracle = hasLlamaCpp && existsSync(nodeLlamaCpp);
if (!hasOracle) console.warn(`Tests against llama.cpp are skipped: ${nodeLlamaCpp} is not there.`);

/** Folder of the package `@node-llama-cpp/linux-x64`. */
export function llamaCppPackageDir(): string {
  return dirname(dirname(dirname(llamaLibrary())));
}

export function ggmlBase(): string {
  return llamaCppLibrary('libggml-base');
}

export function llamaLibrary(): string {
  return llamaCppLibrary('libllama.');
}

/** Options of `llama_model_quantize`; types are ids of ggml. */
export interface QuantizeOptions {
  readonly outputType?: number;
  readonly embeddingType?: number;
  readonly allowRequantize?: boolean;
  readonly leaveOutput?: boolean;
  readonly onlyCopy?: boolean;
  readonly pure?: boolean;
  readonly keepSplit?: boolean;
  /** By tensor name: float32 values as base64. */
  readonly imatrix?: Readonly<Record<string, string>>;
  readonly overrides?: readonly { key: string; type: 'int' | 'float' | 'bool' | 'str'; value: unknown }[];
  readonly tensorTypes?: readonly { pattern: string; type: number }[];
  readonly pruneLayers?: readonly number[];
}

/** A model of which only the numbers are known. Shapes have the outermost dimension first. */
export interface DescribedModel {
  readonly description: {
    readonly architecture: string;
    readonly n_embd: number;
    readonly n_ff: number;
    readonly n_layer: number;
    readonly n_head: number;
    readonly n_head_kv: number;
    readonly n_expert: number;
    readonly n_embd_head_k: number;
    readonly n_embd_head_v: number;
  };
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** A quantization of which only the types matter. */
export interface TypesRun {
  /** id of the file type. */
  readonly fileType: number;
  readonly options?: QuantizeOptions;
}

export interface QuantizeRun extends TypesRun {
  readonly to: string;
}

/** A context as llama.cpp makes it; types are ids of ggml. */
export interface ContextRun {
  /** Tokens of each sequence. */
  readonly contextSize: number;
  readonly sequences: number;
  readonly keyType: number;
  readonly valueType: number;
  /** Tokens that are processed at a time. */
  readonly batch: number;
}

/** Sums of buffers of each kind, MiB as llama.cpp prints them: two decimals. */
export interface ContextBuffers {
  readonly KV?: number;
  /** States of recurrent layers. */
  readonly RS?: number;
  readonly compute: number;
  readonly output: number;
}

interface Jobs {
  /** The buffers that contexts of a model take, with flash attention. */
  buffers: {
    params: { model: string; contexts: readonly ContextRun[] };
    result: { buffers: ContextBuffers[] };
  };
  /** `llama_model_quantize`, several times; options are default parameters where they are absent. 0 is success. */
  quantize: {
    params: { from: string; runs: readonly QuantizeRun[] };
    result: { codes: number[] };
  };
  /** Token ids of each line, special tokens neither added nor recognised. */
  tokenize: { params: { model: string; lines: readonly string[] }; result: { tokens: number[][] } };
  /**
   * ids of the types that llama.cpp would give the tensors of a model that is described, not loaded (its mock-model entry
   * points): by run, then tensor. They know no importance matrix.
   */
  types: {
    params: { model: DescribedModel; runs: readonly TypesRun[] };
    result: { types: number[][] };
  };
  /** Whether the quantizer may touch each tensor of a model that is described. */
  allowed: { params: { model: DescribedModel }; result: { allowed: boolean[] } };
  /**
   * `llama_model_quantize` without writing: by run, name and type of each tensor in the order of the output, and whether it
   * would refuse to go on without an importance matrix. It does not look at data.
   */
  dryRun: {
    params: { runs: readonly (TypesRun & { readonly from: string })[] };
    result: { results: { types: [string, string][]; needsImportance: boolean }[] };
  };
  /** Logits of every position of a text of at most 64 tokens, keys and values in float32. */
  logits: {
    params: {
      model: string;
      tokens: readonly number[];
      /** Adapter files, and what their changes are multiplied by. */
      adapters?: readonly { readonly path: string; readonly scale: number }[];
    };
    result: { logits: number[][] };
  };
  /** The vector that llama.cpp makes of a text of at most 64 tokens with the pooling that the file states, not normalized. */
  embedding: { params: { model: string; tokens: readonly number[] }; result: { embedding: number[] } };
  /** As llama-perplexity does it: second half of each window of 256 tokens, no BOS. */
  perplexity: {
    params: { model: string; text: string; windows: number };
    result: { perplexity: number; windows: number; scored: number };
  };
  /** Mean KL divergence of models from a base over the same positions, nats per token. */
  divergence: {
    params: { base: string; models: readonly string[]; text: string; windows: number };
    result: { divergences: number[]; windows: number };
  };
}

/** Runs one job on llama.cpp's libraries. Rejects with what llama.cpp printed when the child fails. */
export function llamaCpp<J extends keyof Jobs>(
  job: J,
  params: Jobs[J]['params'],
): Promise<Jobs[J]['result']> {
  const libraries = { base: ggmlBase(), ggml: llamaCppLibrary('libggml.'), llama: llamaLibrary() };
  return runChild('llamaCppChild.mjs', { job, libraries, ...params }) as Promise<Jobs[J]['result']>;
}

/** Continuation of a prompt through the node-llama-cpp package, greedy. */
export function nodeLlamaCppCompletion(
  model: string,
  prompt: string,
  tokens: number,
): Promise<{ text: string }> {
  const child = { entry: nodeLlamaCpp, model, prompt, tokens };
  return runChild('nodeLlamaCppChild.mjs', child) as Promise<{ text: string }>;
}

/** Whether llama.cpp with its library for images is installed. */
export const hasVisionOracle = existsSync(llamaVision);
if (!hasVisionOracle) console.warn(`Tests of vision parts are skipped: ${llamaVision} is not there.`);

/** A text with an image in it, which is rows of pixels of three bytes. */
export interface ImageRun {
  readonly model: string;
  readonly mmproj: string;
  readonly image: { readonly width: number; readonly height: number; readonly pixels: Uint8Array };
  readonly before: string;
  readonly after: string;
}

/** What llama.cpp makes of it. */
export interface ImageOutcome {
  /** Texts as tokens, and images as vectors of the language part, with the number of positions that they take. */
  readonly chunks: readonly (
    | { readonly tokens: readonly number[] }
    | { readonly embeddings: readonly (readonly number[])[]; readonly positions: number }
  )[];
  /** Of each token of the last text. */
  readonly logits: readonly (readonly number[])[];
}

/** Pushes an image through both parts of a model, keys and values in float32. */
export function llamaCppImage({ image, ...run }: ImageRun): Promise<ImageOutcome> {
  const pixels = Buffer.from(image.pixels).toString('base64');
  const input = { library: llamaVision, ...run, image: { ...image, pixels } };
  return runChild('mtmdChild.mjs', input) as Promise<ImageOutcome>;
}

async function runChild(script: string, input: object): Promise<unknown> {
  const running = promisify(execFile)(process.execPath, [join(here, script)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  running.child.stdin?.end(JSON.stringify(input));
  const { stdout } = await running;
  // The last line, because libraries may print before it.
  const [answer = ''] = stdout.trimEnd().split('\n').slice(-1);
  return JSON.parse(answer) as unknown;
}
