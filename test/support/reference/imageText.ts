import type { Checkpoint, Config, ImageInText } from './checkpoint';
import { embedding } from './decoder';
import { joined, type Vector } from './math';
import { logitsAround } from './models';
import type { SeenImage } from './vision/encoder';

/** An image in the middle of a text: how processors and language parts of transformers put both together. */

/** A text with an image at one place or several: tokens, and where it is. */
export type TextWithImage = readonly (readonly number[] | 'image')[];

/** Vectors for the image and what is among them, each with those of later blocks behind it. */
export function imageRows(checkpoint: Checkpoint, image: SeenImage, breakToken?: number): Vector[] {
  const rows = image.embeddings.map((vector, i) => joined([vector, ...image.deep.map((deep) => deep[i]!)]));
  if (breakToken === undefined) return rows;
  const names = ['tok_embeddings.weight', 'model.embed_tokens.weight'];
  const between = embedding(
    checkpoint,
    names.find((name) => checkpoint.has(name))!,
  )(breakToken);
  return rows.flatMap((row, i) =>
    (i + 1) % image.columns === 0 && i + 1 < rows.length ? [row, between] : [row],
  );
}

/** Logits of the last tokens of a text. Only models whose positions are plain numbers may see the image more than once. */
export function logitsAfter(
  checkpoint: Checkpoint,
  image: SeenImage,
  text: TextWithImage,
  breakToken?: number,
): Vector[] {
  const width = image.embeddings[0]!.length;
  const rows = imageRows(checkpoint, image, breakToken);
  const part = (index: number): Vector[] => rows.map((row) => row.slice(index * width, (index + 1) * width));
  const first = text.slice(0, text.indexOf('image')).flat().length;
  checkpoint.image = imageIn(checkpoint, image, { first, count: rows.length });
  const sequence = text.flatMap((piece): (number | Vector)[] => (piece === 'image' ? part(0) : [...piece]));
  const added = image.deep.map((_, index) =>
    text.flatMap((piece): (Vector | undefined)[] =>
      piece === 'image' ? part(index + 1) : piece.map(() => undefined),
    ),
  );
  return logitsAround(checkpoint, sequence, added).slice(-text.at(-1)!.length);
}

function imageIn(
  { config }: Checkpoint,
  { rows, columns }: SeenImage,
  { first, count }: { readonly first: number; readonly count: number },
): ImageInText {
  const end = first + count;
  const isInside = (position: number): boolean => position >= first && position < end;
  if (/Gemma3/.test(String(config['architectures'])))
    return { seenUntil: (position) => (isInside(position) ? end - 1 : position) };
  const axisOf = axesOf(config);
  if (!axisOf) return {};
  return {
    place(position, pair) {
      if (position < first) return position;
      if (!isInside(position)) return first + Math.max(rows, columns) + position - end;
      const at = position - first;
      return first + [0, Math.floor(at / columns), at % columns][axisOf(pair)]!;
    },
  };
}

/** Which of time, row and column a pair of a head turns by (the sections of M-RoPE), where a model has all three. */
function axesOf(config: Config): ((pair: number) => number) | undefined {
  const parameters = (config['rope_parameters'] ?? config['rope_scaling'] ?? {}) as Config;
  const sections = parameters['mrope_section'] as readonly number[] | undefined;
  if (!sections) return undefined;
  const [time = 0, row = 0, column = 0] = sections;
  if (parameters['mrope_interleaved'] === true)
    return (pair) => {
      if (pair % 3 === 1 && pair < 3 * row) return 1;
      return pair % 3 === 2 && pair < 3 * column ? 2 : 0;
    };
  return (pair) => (pair < time ? 0 : pair < time + row ? 1 : 2);
}
