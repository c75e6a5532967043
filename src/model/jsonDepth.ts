/**
 * Whether objects and lists of a JSON text lie deeper inside each other than a limit; parsers call themselves at each level, so this is counted
 * first. Only what surely ends a level does, as texts may be broken. Comments are passed over, and a string ends with its line.
 */
export function isTooDeep(text: string, limit: number): boolean {
  const open: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = stringEnd(text, at);
    else if (code === slash) at = commentEnd(text, at);
    else if (code === brace || code === bracket) {
      open.push(code + 2); // the closing one
      if (open.length > limit) return true;
    } else if ((code === brace + 2 || code === bracket + 2) && code === open.at(-1)) open.pop();
  }
  return false;
}

const quote = 0x22; // "
const slash = 0x2f;
const star = 0x2a;
const backslash = 0x5c;
const bracket = 0x5b; // [
const brace = 0x7b; // {
const newline = 0x0a;
const carriageReturn = 0x0d;

/** Place of the last unit of a string that begins somewhere. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote || code === newline || code === carriageReturn) return at;
    if (code === backslash) at += 1;
  }
  return text.length;
}

/** The same of a comment; of a slash alone its own place. */
function commentEnd(text: string, start: number): number {
  const second = text.charCodeAt(start + 1);
  if (second === slash) return lineEnd(text, start);
  if (second !== star) return start;
  const end = text.indexOf('*/', start + 2);
  return end < 0 ? text.length : end + 1;
}

function lineEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at += 1;
  return at;
}
