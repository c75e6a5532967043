/**
 * JSON without losses: NaN, ±Infinity, −0 and `undefined` items of arrays, which JSON turns into null or 0, are written as
 * a mark (`{"$exact": "NaN"}`) and come back as they were. An object that has a key `$exact` of its own is wrapped, so every
 * value round-trips. Properties that are undefined are left out, as in JSON. A Float32Array is its little-endian bytes as base64, a
 * quarter of the digits of its numbers.
 */

/** The key of a mark. */
const key = '$exact';
/** The mark of an object that has the key itself; its content follows under `wrappedKey`. */
const wrapped = 'object';
/** The mark of a Float32Array; its bytes follow under `wrappedKey`. */
const floats = 'float32';
const wrappedKey = 'value';

const special: Readonly<Record<string, unknown>> = {
  NaN: NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
  '-0': -0,
  undefined: undefined,
};

const mark = (name: string): unknown => ({ [key]: name });

/**
 * The value as plain JSON data that loses nothing in a message channel or a file. Parts without special values are not copied.
 * @throws TypeError for what has no form in JSON: functions, symbols, bigints, maps, buffers.
 */
export function encodeExact(value: unknown): unknown {
  switch (typeof value) {
    case 'number':
      if (Object.is(value, -0)) return mark('-0');
      return Number.isFinite(value) ? value : mark(String(value));
    case 'undefined':
      return mark('undefined');
    case 'object':
      return value === null ? null : encodeObject(value);
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
    case 'function':
    case 'symbol':
      throw new TypeError(`A ${typeof value} cannot be written as JSON.`);
  }
}

function encodeObject(value: object): unknown {
  if (Array.isArray(value)) return mapItems(value, encodeExact);
  if (value instanceof Float32Array) return { [key]: floats, [wrappedKey]: toBase64(value) };
  if (Object.prototype.toString.call(value) !== '[object Object]')
    throw new TypeError(`${Object.prototype.toString.call(value)} cannot be written as JSON.`);
  const fields = mapFields(value as Fields, encodeExact);
  return Object.hasOwn(fields, key) ? { [key]: wrapped, [wrappedKey]: fields } : fields;
}

/**
 * What `encodeExact` was given.
 * @throws SyntaxError for a mark that it never writes.
 */
export function decodeExact(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return mapItems(value, decodeExact);
  const fields = value as Fields;
  if (!Object.hasOwn(fields, key)) return mapFields(fields, decodeExact);
  const name = fields[key];
  const content = fields[wrappedKey];
  if (name === wrapped && typeof content === 'object' && content !== null && !Array.isArray(content))
    return mapFields(content as Fields, decodeExact);
  if (name === floats && typeof content === 'string') return fromBase64(content);
  if (typeof name === 'string' && Object.hasOwn(special, name)) return special[name];
  throw new SyntaxError(`${JSON.stringify(name)} is not a mark of an exact value.`);
}

/** @param indent spaces per level; one line when absent. @throws TypeError as `encodeExact`. */
export function stringifyExact(value: unknown, indent?: number): string {
  return JSON.stringify(encodeExact(value), undefined, indent);
}

/** @throws SyntaxError for what is not JSON, or has an unknown mark. */
export function parseExact(text: string): unknown {
  return decodeExact(JSON.parse(text));
}

/** Bytes that become characters at a time: arguments of one call. */
const chunk = 8192;

/** All platforms that Quantscope runs on are little-endian. */
function toBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const parts: string[] = [];
  for (let i = 0; i < byteLength; i += chunk)
    parts.push(String.fromCharCode(...bytes.subarray(i, i + chunk)));
  return btoa(parts.join(''));
}

/** @throws SyntaxError for what is not the base64 of float32 numbers. */
function fromBase64(text: string): Float32Array {
  const binary = binaryOf(text);
  if (binary === undefined || binary.length % Float32Array.BYTES_PER_ELEMENT !== 0)
    throw new SyntaxError(`"${text.slice(0, 40)}" is not a list of float32 numbers in base64.`);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

/** Undefined for what is not base64. */
function binaryOf(text: string): string | undefined {
  try {
    return atob(text);
  } catch {
    return undefined;
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Change = (value: unknown) => unknown;

/** The array itself where nothing changes: most messages have no special values. */
export function mapItems(items: readonly unknown[], change: Change): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const changed = change(items[i]); // by index: holes of a sparse array are undefined
    if (!copy && (!Object.is(changed, items[i]) || !Object.hasOwn(items, i))) copy = items.slice(0, i);
    copy?.push(changed);
  }
  return copy ?? items;
}

/** The same of an object's own properties. Undefined ones are kept as they are: JSON leaves them out. */
export function mapFields(fields: Fields, change: Change): Fields {
  let changes: [string, unknown][] | undefined;
  // Keys and not entries: messages have a hundred thousand objects, few of which change.
  for (const name of Object.keys(fields)) {
    const value = fields[name];
    if (value === undefined) continue;
    const changed = change(value);
    if (!Object.is(changed, value)) (changes ??= []).push([name, changed]);
  }
  if (!changes) return fields;
  // fromEntries defines properties, so that a key "__proto__" is data.
  return Object.fromEntries([...Object.entries(fields), ...changes]);
}
