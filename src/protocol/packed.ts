/**
 * Large messages as bytes: VS Code parses and copies the objects of a message in every process on its way to a page, but passes
 * bytes on unchanged. A model of 23,000 tensors with its measurements is 40 MB of JSON.
 */

/** JSON of this many characters or more travels as bytes; below it the objects are cheaper. */
const packedFrom = 64 * 1024;

interface Packed {
  /** UTF-8 of the message's JSON. */
  readonly packed: Uint8Array;
}

/** @param message plain JSON data. */
export function pack(message: unknown): unknown {
  const text = JSON.stringify(message);
  return text.length < packedFrom ? message : ({ packed: new TextEncoder().encode(text) } satisfies Packed);
}

/** The message given to `pack`. */
export function unpack(message: unknown): unknown {
  return isPacked(message) ? JSON.parse(new TextDecoder().decode(message.packed)) : message;
}

function isPacked(message: unknown): message is Packed {
  return (
    typeof message === 'object' &&
    message !== null &&
    'packed' in message &&
    message.packed instanceof Uint8Array
  );
}
