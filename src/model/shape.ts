import { suggestion } from './closest';
import { isRecord } from './json';
import { stated } from './statedValue';

/** A value of a JSON document that is not what is expected there: `$.rules[0].grid must be an object.` */
export class ShapeError extends Error {}

/** Reads a value. @param path where it is: "$.rules[0].grid". @throws ShapeError naming the path. */
export type Shape<T> = (value: unknown, path: string) => T;

interface Optional<T> {
  readonly optional: Shape<T>;
}

/** The shape of each key; keys that may be absent are wrapped in `optional`. */
type Fields<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? Optional<Exclude<T[K], undefined>>
    : Shape<T[K]>;
};

export const optional = <T>(shape: Shape<T>): Optional<T> => ({ optional: shape });

/** An object with these keys and no others. */
export function object<T extends object>(fields: Fields<T>): Shape<T> {
  const shapes = Object.entries(fields as Record<string, Shape<unknown> | Optional<unknown>>);
  return (value, path) => {
    const given = record(value, path);
    refuseUnknown(
      given,
      shapes.map(([key]) => key),
      path,
    );
    const read = shapes.flatMap(([key, field]): [string, unknown][] => {
      const place = `${path}.${key}`;
      if (given[key] !== undefined)
        return [[key, ('optional' in field ? field.optional : field)(given[key], place)]];
      if ('optional' in field) return [];
      throw new ShapeError(`${place} is missing.`);
    });
    return Object.fromEntries(read) as T;
  };
}

/** One of several objects, told apart by the text of one of their keys. */
export function tagged<T extends object>(
  key: keyof T & string,
  shapes: Readonly<Record<string, Shape<T>>>,
): Shape<T> {
  const tag = choice(Object.keys(shapes));
  return (value, path) => {
    const given = record(value, path);
    if (given[key] === undefined) throw new ShapeError(`${path}.${key} is missing.`);
    return shapes[tag(given[key], `${path}.${key}`)]!(value, path);
  };
}

export const list =
  <T>(shape: Shape<T>): Shape<readonly T[]> =>
  (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(`${path} must be a list.`);
    return value.map((item, i) => shape(item, `${path}[${i}]`));
  };

export const text: Shape<string> = (value, path) => {
  if (typeof value === 'string' && value.length > 0) return value;
  throw new ShapeError(`${path} must be a text.`);
};

/** One of some texts or numbers. */
export const choice =
  <T extends string | number>(choices: readonly T[]): Shape<T> =>
  (value, path) => {
    const found = choices.find((item) => item === value);
    if (found !== undefined) return found;
    const near = typeof value === 'string' ? suggestion(value, choices.map(String)) : '';
    const listed = choices.map((item) => JSON.stringify(item)).join(', ');
    throw new ShapeError(`${path} ${stated(value)}; it must be one of ${listed}.${near}`);
  };

/** Exactly `true`: absent otherwise. */
export const yes: Shape<true> = (value, path) => {
  if (value === true) return value;
  throw new ShapeError(`${path} must be true, or absent.`);
};

export const flag: Shape<boolean> = (value, path) => {
  if (typeof value === 'boolean') return value;
  throw new ShapeError(`${path} must be true or false.`);
};

export const whole =
  (minimum: number, maximum = Number.MAX_SAFE_INTEGER): Shape<number> =>
  (value, path) => {
    if (Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum)
      return value as number;
    const range =
      maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new ShapeError(`${path} ${stated(value)}; it must be a whole number ${range}.`);
  };

export const number: Shape<number> = (value, path) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ShapeError(`${path} ${stated(value)}; it must be a finite number.`);
};

/** Reads the value by the first shape whose test it passes. @param expected what the message says where there is none. */
export const either =
  <T>(expected: string, ...cases: readonly (readonly [(value: unknown) => boolean, Shape<T>])[]): Shape<T> =>
  (value, path) => {
    const found = cases.find(([test]) => test(value));
    if (found) return found[1](value, path);
    throw new ShapeError(`${path} must be ${expected}.`);
  };

export function record(value: unknown, path: string): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new ShapeError(`${path} must be an object.`);
}

function refuseUnknown(
  given: Readonly<Record<string, unknown>>,
  known: readonly string[],
  path: string,
): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new ShapeError(`${path}.${unknown} is not a known key.${suggestion(unknown, known)}`);
}
