import { basename } from 'node:path';
import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { u32 } from '../keyValues';
import { said } from '../../protocol/said';

/** What llama.cpp divides the values of pixels by; config files state its inverse, in as many digits as they like. */
const depth = 255;

/** How libraries prepare images and what that is called, which no number of a file follows from. */
const harmless = [
  ...['image_processor_type', 'feature_extractor_type', 'processor_class', 'processor_type', 'resample'],
  ...['do_resize', 'do_convert_rgb', 'default_to_square', 'data_format', 'input_data_format', 'device'],
  ...[
    'image_seq_length',
    'size_divisor',
    'do_pad',
    'pad_size',
    'crop_size',
    'return_tensors',
    '_processor_class',
  ],
  ...['disable_grouping', 'return_row_col_info', 'video_processor_type', 'auto_map', 'size'],
];

/**
 * Mean and deviation of each colour: a pixel p of 0 to 255 becomes (p / 255 − mean) / deviation.
 * @throws QuantscopeError UNSUPPORTED for other ways to prepare pixels, MODEL_FILE where a number is missing.
 */
export function normalization(images: ConfigReader): KeyValue[] {
  images.known(...harmless);
  images.expect('do_rescale', true, true);
  images.expect('do_center_crop', false, false);
  const factor = images.number('rescale_factor', 1 / depth);
  if (Math.abs(factor * depth - 1) > 1e-6)
    throw images.unsupported(said`"rescale_factor" is ${factor}; llama.cpp divides pixels by ${depth}.`);
  const isNormalized = images.flag('do_normalize', true);
  return [
    colours('vision.image_mean', isNormalized ? threeNumbers(images, 'image_mean') : [0, 0, 0]),
    colours('vision.image_std', isNormalized ? threeNumbers(images, 'image_std') : [1, 1, 1]),
  ];
}

const colours = (key: string, values: readonly number[]): KeyValue => ({
  ...{ key, type: 'array', elementType: 'f32', values },
});

function threeNumbers(images: ConfigReader, key: string): readonly number[] {
  const values = images.numbers(key);
  if (values?.length === 3 && (key !== 'image_std' || values.every((value) => value > 0))) return values;
  throw images.wrong(key, 'a number for each of three colours is needed');
}

/** How llama.cpp limits the size of an image, whatever the file says. */
export interface TokenLimits {
  /** Of an image for each vector that becomes of it. */
  readonly pixels: number;
  /** Vectors of an image. */
  readonly least: number;
  readonly most: number;
}

/**
 * Least and most pixels of an image, which is scaled to lie between them; none where the file states none.
 * transformers keeps them as two keys, each of which takes precedence over an edge of `size`. Others than llama.cpp's are noted.
 */
export function pixelLimits(images: ConfigReader, limits: TokenLimits): KeyValue[] {
  const size = images.ofOther('size');
  const least = limit(images, 'min_pixels') ?? limit(size, 'shortest_edge');
  const most = limit(images, 'max_pixels') ?? limit(size, 'longest_edge');
  if (least === undefined || most === undefined) return [];
  if (least > most) throw images.wrong('max_pixels', `at least ${least} pixels are needed`);
  noteLimits(images, limits, Math.ceil(least / limits.pixels), Math.floor(most / limits.pixels));
  return [u32('vision.image_min_pixels', least), u32('vision.image_max_pixels', most)];
}

/** Notes another limit than llama.cpp's of the longer edge of an image, in pixels. */
export function noteLongestEdge(images: ConfigReader, longest: number, limits: TokenLimits): void {
  noteLimits(images, limits, limits.least, Math.floor(longest ** 2 / limits.pixels));
}

function noteLimits(images: ConfigReader, limits: TokenLimits, least: number, most: number): void {
  if (least === limits.least && most === limits.most) return;
  const stated = least === limits.least ? `at most ${most}` : `between ${least} and ${most}`;
  images.notes.push(
    said`${basename(images.file)} scales images to ${stated} tokens; llama.cpp scales them to between ${limits.least} and ${limits.most}, unless its options image-min-tokens and image-max-tokens say otherwise.`,
  );
}

const limit = (config: ConfigReader | undefined, key: string): number | undefined =>
  config?.has(key) ? config.integer(key) : undefined;

/** @throws QuantscopeError MODEL_FILE where the images are not cut as the encoder expects. */
export function expectCut(images: ConfigReader, key: string, needed: number): void {
  if (images.integer(key, needed) !== needed) throw images.wrong(key, `${needed} is needed by config.json`);
}
