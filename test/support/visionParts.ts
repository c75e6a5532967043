import { vocabulary, type CheckpointSpec, type Shapes } from './checkpointParts';

/** Checkpoints of multimodal models: a language part of another test's, and a whole vision part. */

/** A checkpoint, how it prepares images, and an image that needs no scaling: what scales differs between implementations. */
export interface VisionSpec extends CheckpointSpec {
  readonly preprocessor: Readonly<Record<string, unknown>>;
  readonly image: { readonly width: number; readonly height: number };
  /** Added to the sample's tokenizer. */
  readonly tokens: readonly string[];
}

/** Mean and deviation are not the same for each colour, so that their order matters. */
const normalization = {
  ...{ image_mean: [0.48, 0.45, 0.4], image_std: [0.27, 0.26, 0.28], rescale_factor: 0.00392156862745098 },
  ...{ do_rescale: true, do_normalize: true, do_resize: true, do_convert_rgb: true, resample: 3 },
};

export const pair = (name: string, ...shape: number[]): Shapes => ({
  [`${name}.weight`]: shape,
  [`${name}.bias`]: shape.slice(0, 1),
});
export const prefixed = (prefix: string, shapes: Shapes): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`${prefix}${name}`, shape]));

/** The language part of a checkpoint, without the few tensors that stand for a vision part there. */
const textOf = ({ shapes }: CheckpointSpec): Shapes =>
  Object.fromEntries(
    Object.entries(shapes).filter(
      ([name]) => !/visual\.|vision_tower|vision_model|multi_modal_projector|connector/.test(name),
    ),
  );

export interface VisionPart {
  readonly config: object;
  readonly shapes: Shapes;
  readonly preprocessor: object;
  readonly image: VisionSpec['image'];
  /** Tokens that are added to the tokenizer, and rows of the embedding. */
  readonly tokens?: readonly string[];
}

export function withVision(
  text: CheckpointSpec,
  { config, shapes, preprocessor, image, tokens = [] }: VisionPart,
): VisionSpec {
  const rows = vocabulary + tokens.length;
  const resized = Object.entries({ ...textOf(text), ...shapes }).map(
    ([name, shape]) => [name, shape[0] === vocabulary ? [rows, ...shape.slice(1)] : shape] as const,
  );
  const inner = text.config['text_config'] as object | undefined;
  return {
    ...text,
    config: {
      ...{ ...text.config, ...config },
      ...(inner ? { text_config: { ...inner, vocab_size: rows } } : { vocab_size: rows }),
    },
    shapes: Object.fromEntries(resized),
    preprocessor: { ...normalization, ...preprocessor },
    ...{ image, tokens },
    // Positions must weigh as much as what they are added to.
    factors: { ...text.factors, pos_embed: 8, position_embedding: 8 },
  };
}

export const width = 64;
export const inner = 96;
