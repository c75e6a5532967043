import type { Described } from '../classNames';
import type { ConfigReader } from '../configReader';
import type { Conversion } from '../description';

/** What the files of a checkpoint state of its vision part. */
export interface VisionSource {
  /** config.json. */
  readonly whole: ConfigReader;
  /** Its `vision_config`. */
  readonly vision: ConfigReader;
  /** Its `text_config`, or the whole where the language part has no object of its own. */
  readonly text: ConfigReader;
  /** How images are prepared: preprocessor_config.json. */
  readonly images: ConfigReader;
  /** The id of a token by its text; undefined where the tokenizer does not have it. */
  readonly tokenId: (text: string) => number | undefined;
}

/**
 * The vision part of a class of models in the terms of llama.cpp's `mmproj` files (`general.architecture` "clip"): an encoder of patches, and what
 * makes vectors of the language part of its output. Keys and names are those that llama.cpp's loader reads (tools/mtmd/clip.cpp).
 */
export interface VisionDescription extends Described {
  /** `clip.projector_type`. */
  readonly projector: string;
  /** What its models are called, for lists. */
  readonly family: string;
  /** The key of config.json that describes the vision part, where it is not `vision_config`. */
  readonly visionKey?: string;
  /** How images are prepared, where no file says it. */
  readonly images?: Readonly<Record<string, unknown>>;
  /** Tensors outside the vision part that are taken too, by name without prefix. */
  readonly alsoTakes?: RegExp;
  /**
   * Keys lack the prefix `clip.`; names of the checkpoint are without prefix.
   * @throws QuantscopeError UNSUPPORTED for what llama.cpp cannot compute, MODEL_FILE for missing or impossible numbers.
   */
  convert(source: VisionSource): Pick<Conversion, 'keyValues' | 'tensors' | 'notes'>;
}
