/**
 * A text of ASCII in which only whole numbers change, as what is to be done to read it: for each piece between numbers how many whole words it has, the words (four bytes,
 * little-endian), a mask of the bytes of one more word that belong to it, these bytes, how many they are, and the digits that the number after it has at most,
 * 0 where the text ends.
 */
export type TextTemplate = Int32Array;

/** Digits of a number in a name; `splitName` takes longer ones for text. */
export const nameDigits = 9;
/** Digits of a whole number that is exact whatever they are. */
export const exactDigits = 15;

/** The name of a tensor between its quotes. @param pieces of the name, between which its numbers are. */
export const nameTemplate = (pieces: readonly string[]): TextTemplate =>
  textTemplate(
    pieces.map((piece, i) => (i === 0 ? '"' : '') + piece + (i === pieces.length - 1 ? '"' : '')),
    nameDigits,
  );

/** What follows a name in a header as the library of safetensors writes it. Its numbers are the offsets. */
export const entryTemplate = (dtype: string, shape: readonly number[]): TextTemplate =>
  textTemplate([`:{"dtype":"${dtype}","shape":[${shape.join()}],"data_offsets":[`, ',', ']}'], exactDigits);

/** @param pieces between which there are numbers of at most so many digits. */
export function textTemplate(pieces: readonly string[], digits = nameDigits): TextTemplate {
  const steps: number[] = [];
  for (const [i, piece] of pieces.entries()) {
    const bytes = Buffer.alloc(piece.length + 4); // zeros after the text
    bytes.write(piece, 'latin1');
    const words = piece.length >> 2;
    steps.push(words);
    for (let word = 0; word < words; word++) steps.push(bytes.readInt32LE(4 * word));
    const rest = piece.length & 3;
    steps.push(2 ** (8 * rest) - 1, bytes.readInt32LE(4 * words), rest);
    steps.push(i === pieces.length - 1 ? 0 : digits);
  }
  return Int32Array.from(steps);
}
