import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';

type Fields = Readonly<Record<string, unknown>>;

/** Typed reads of config.json; every error names the file and the key. */
export class ConfigReader {
  constructor(
    readonly fields: Fields,
    readonly file: string,
    private readonly path = '',
  ) {}

  /** Whether the key is there and not null. */
  has(key: string): boolean {
    return this.fields[key] !== undefined && this.fields[key] !== null;
  }

  /** Whether the first of `architectures` is this class or, where none is listed, `model_type` is its. */
  isOf(className: string, modelType: string): boolean {
    const listed = this.fields['architectures'];
    const name: unknown = Array.isArray(listed) ? listed[0] : undefined;
    return name === undefined ? this.fields['model_type'] === modelType : name === className;
  }

  /** The first of several spellings of a key that is there; the first of all when none is. */
  spelled(usual: string, ...others: readonly string[]): string {
    return [usual, ...others].find((key) => this.has(key)) ?? usual;
  }

  /** A positive number. */
  number(key: string, fallback?: number): number {
    const value = this.fields[key] ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.wrong(key, 'a positive number is needed');
  }

  /** A whole number of at least `least`. */
  integer(key: string, fallback?: number, least = 1): number {
    const value = this.fields[key] ?? fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
    throw this.wrong(key, `a whole number of at least ${least} is needed`);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.fields[key] ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong(key, 'true or false is needed');
  }

  text(key: string, fallback?: string): string {
    const value = this.fields[key] ?? fallback;
    if (typeof value === 'string') return value;
    throw this.wrong(key, 'a text is needed');
  }

  /** A list, each element checked by the caller; undefined when it is absent. */
  list(key: string): readonly unknown[] | undefined {
    if (!this.has(key)) return undefined;
    const value = this.fields[key];
    if (Array.isArray(value)) return value as unknown[];
    throw this.wrong(key, 'a list is needed');
  }

  numbers(key: string): readonly number[] | undefined {
    const values = this.list(key);
    if (values?.every((value) => typeof value === 'number' && Number.isFinite(value)) === false)
      throw this.wrong(key, 'a list of numbers is needed');
    return values as readonly number[] | undefined;
  }

  /** An object inside; undefined when it is absent. */
  inner(key: string): ConfigReader | undefined {
    const value = this.fields[key];
    return isRecord(value) ? new ConfigReader(value, this.file, `${this.path}${key}.`) : undefined;
  }

  /** @throws QuantscopeError UNSUPPORTED unless the value (or what it defaults to) is one of those that GGUF expresses. */
  expect(key: string, fallback: unknown, ...allowed: readonly unknown[]): void {
    const value = this.fields[key] ?? fallback;
    if (allowed.includes(value)) return;
    const known = allowed.map((item) => JSON.stringify(item)).join(' or ');
    throw this.unsupported(
      `"${this.path}${key}" is ${JSON.stringify(value)}; GGUF can express ${known} for this architecture.`,
    );
  }

  unsupported(message: string): QuantscopeError {
    return new QuantscopeError('UNSUPPORTED', message, { file: this.file });
  }

  wrong(key: string, needed: string): QuantscopeError {
    const value = JSON.stringify(this.fields[key] ?? null);
    return new QuantscopeError('MODEL_FILE', `"${this.path}${key}" is ${value}; ${needed}.`, {
      file: this.file,
    });
  }
}
