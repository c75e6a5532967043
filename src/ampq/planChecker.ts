import type { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { said } from '../protocol/said';

/** Typed values from untyped JSON, or an error that names the path. */
export class Checker {
  constructor(private readonly fail: (message: string) => QuantscopeError) {}

  record(value: unknown, path: string): Record<string, unknown> {
    if (isRecord(value)) return value;
    throw this.fail(said`${path} must be an object.`);
  }
  list(value: unknown, path: string): unknown[] {
    if (Array.isArray(value)) return value as unknown[];
    throw this.fail(said`${path} must be a list.`);
  }
  strings(value: unknown, path: string): string[] {
    return this.list(value, path).map((item, i) => this.string(item, `${path}[${i}]`));
  }
  string(value: unknown, path: string): string {
    if (typeof value === 'string' && value.length > 0) return value;
    throw this.fail(said`${path} must be a text.`);
  }
  pattern(value: unknown, path: string): string {
    const source = this.string(value, path);
    try {
      new RegExp(source);
    } catch (error) {
      throw this.fail(said`${path} must be a regular expression: ${(error as Error).message}.`);
    }
    return source;
  }
  number(value: unknown, path: string): number {
    if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return value;
    throw this.fail(said`${path} must be a finite number of at least 0.`);
  }
  /** Of any sign. */
  finite(value: unknown, path: string): number {
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw this.fail(said`${path} must be a finite number.`);
  }
  boolean(value: unknown, path: string): boolean {
    if (typeof value === 'boolean') return value;
    throw this.fail(said`${path} must be true or false.`);
  }
  oneOf<T extends string>(value: unknown, choices: readonly T[], path: string): T {
    const choice = choices.find((item) => item === value);
    if (choice !== undefined) return choice;
    throw this.fail(said`${path} must be one of ${choices.join(', ')}.`);
  }
  /** Bytes and numbers of weights. */
  count(value: unknown, path: string): number {
    if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(value)) return value;
    throw this.fail(said`${path} must be a whole number from 0 to 2^53 − 1.`);
  }
  positive(value: unknown, path: string): number {
    const count = this.count(value, path);
    if (count > 0) return count;
    throw this.fail(said`${path} must be at least 1.`);
  }
  optional<K extends string>(key: K, value: unknown, path: string): Partial<Record<K, number>> {
    if (value === undefined) return {};
    return { [key]: this.number(value, path) } as Partial<Record<K, number>>;
  }
}
