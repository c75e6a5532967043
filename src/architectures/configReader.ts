import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { maxParts } from '../model/limits';
import { stated } from '../model/statedValue';
import { listedClass, sameModel } from './classNames';
import { harmlessKeys } from './harmlessKeys';
import { said } from '../protocol/said';

type Fields = Readonly<Record<string, unknown>>;

/** What the tensors of a checkpoint show and its config.json may leave out or contradict. */
export interface CheckpointFacts {
  /** Whether the output matrix differs from the embedding; where absent, config.json decides. */
  readonly ownOutput?: boolean;
  /** There are no more layers than tensors. */
  readonly tensors: number;
  /** No tensor has more heads or experts than its largest dimension. */
  readonly largestDimension: number;
}

/** The largest integer of a u32 key-value. */
const maxU32 = 0xffff_ffff;

/** How transformers 5 writes numbers in lists that JSON does not have. */
const taggedNumbers: ReadonlyMap<unknown, number> = new Map([
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['NaN', NaN],
]);

const untagged = (value: unknown): unknown =>
  isRecord(value) ? (taggedNumbers.get(value['__float__']) ?? value) : value;

/**
 * Typed reads of config.json; every error names the file and the key. It records which keys were read, so that keys that no
 * description knows can be reported.
 */
export class ConfigReader {
  /** What was chosen or left out, as sentences. */
  readonly notes: string[];
  private readonly read = new Set<string>();
  private readonly inside = new Map<string, ConfigReader>();

  constructor(
    private readonly fields: Fields,
    readonly file: string,
    private readonly facts: CheckpointFacts,
    private readonly path = '',
    notes: string[] = [],
  ) {
    this.notes = notes;
  }

  /** Whether the key is present and not null. */
  has(key: string): boolean {
    const value = this.value(key);
    return value !== undefined && value !== null;
  }

  /** Whether the key is present and null, which for some keys means "none" rather than the default. */
  isNull(key: string): boolean {
    return this.value(key) === null;
  }

  /** Keys that cannot change the result, or only through others that were read. */
  known(...keys: readonly string[]): void {
    for (const key of keys) this.read.add(key);
  }

  /** Keys (with their path) that have a value, were not read and are not known to be harmless. */
  unread(): string[] {
    const own = Object.entries(this.fields)
      .filter(
        ([key, value]) =>
          value !== null && value !== undefined && !this.read.has(key) && !harmlessKeys.has(key),
      )
      .map(([key]) => `${this.path}${key}`);
    return [...own, ...[...this.inside.values()].flatMap((reader) => reader.unread())];
  }

  /** Whether the first of `architectures` is this class or, where none is listed, `model_type` matches it. */
  isOf(className: string, modelType: string): boolean {
    const name = listedClass(this.fields);
    return name === undefined ? this.value('model_type') === modelType : sameModel(name, className);
  }

  /** The first of several spellings of a key that is present; the very first when none is. */
  spelled(usual: string, ...others: readonly string[]): string {
    return [usual, ...others].find((key) => this.has(key)) ?? usual;
  }

  /** A positive number that float32 holds. */
  number(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'number' && Math.fround(value) > 0 && Math.fround(value) < Infinity) return value;
    throw this.wrong(key, 'a positive number within the range of float32 is needed', fallback);
  }

  /** A positive number; undefined where it is absent, null or 0, which mean the same for factors of YaRN. */
  numberUnlessZero(key: string): number | undefined {
    return this.has(key) && this.value(key) !== 0 ? this.number(key) : undefined;
  }

  /** A whole number of at least `least` and at most `most`. */
  integer(key: string, fallback?: number, least = 1, most = maxU32): number {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    throw this.wrong(key, `a whole number from ${least} to ${most} is needed`, fallback);
  }

  /** A size that a tensor has, where something is listed for each of so many rows. */
  dimension(key: string, fallback?: number): number {
    const { largestDimension: largest } = this.facts;
    const size = this.integer(key, fallback);
    if (size <= largest) return size;
    throw this.wrong(key, `the largest dimension of its tensors is ${largest}`, fallback);
  }

  /** How many layers there are; each has at least one tensor. */
  layers(key: string, fallback?: number, least = 1): number {
    const { tensors } = this.facts;
    return this.parts(key, fallback, least, tensors, said`the checkpoint has only ${tensors} tensors`);
  }

  /** How many heads or experts there are; each has at least one row. */
  count(key: string, fallback?: number, least = 1): number {
    const { largestDimension: size } = this.facts;
    return this.parts(key, fallback, least, size, said`the largest dimension of its tensors is ${size}`);
  }

  /**
   * What is computed for each dimension of a head is bounded by the tensors, not by a number of config.json.
   * @throws QuantscopeError MODEL_FILE for more rotated dimensions of a head than any tensor has.
   */
  checkRotated(dimensions: number): void {
    const { largestDimension: size } = this.facts;
    if (dimensions <= size) return;
    const message = said`${dimensions} dimensions of a head would be rotated; the largest dimension of the tensors is ${size}.`;
    throw new QuantscopeError('MODEL_FILE', message, { file: this.file });
  }

  private parts(
    key: string,
    fallback: number | undefined,
    least: number,
    most: number,
    reason: string,
  ): number {
    const count = this.integer(key, fallback, least);
    if (count > maxParts) throw this.wrong(key, `more than ${maxParts} are not possible`, fallback);
    if (count > most) throw this.wrong(key, reason, fallback);
    return count;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong(key, 'true or false is needed', fallback);
  }

  /** Whether the output matrix is the embedding: what the tensors say takes precedence over `tie_word_embeddings`. */
  tied(fallback: boolean): boolean {
    const isTied = this.flag('tie_word_embeddings', fallback);
    return this.facts.ownOutput === undefined ? isTied : !this.facts.ownOutput;
  }

  /** @throws QuantscopeError UNSUPPORTED unless the output matrix is the embedding, as llama.cpp assumes for some architectures. */
  expectTied(): void {
    if (this.tied(true)) return;
    throw this.unsupported(
      said`The output matrix is not the embedding ("tie_word_embeddings"), but llama.cpp uses the embedding as output for this architecture.`,
    );
  }

  /** Whether the key is a list. */
  isList(key: string): boolean {
    return Array.isArray(this.value(key));
  }

  /** Whether the key is a text. */
  isText(key: string): boolean {
    return typeof this.value(key) === 'string';
  }

  text(key: string, fallback?: string): string {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'string') return value;
    throw this.wrong(key, 'a text is needed', fallback);
  }

  /** A list, each element checked by the caller; undefined when it is absent. */
  list(key: string): readonly unknown[] | undefined {
    if (!this.has(key)) return undefined;
    const value = this.value(key);
    if (Array.isArray(value)) return (value as unknown[]).map(untagged);
    throw this.wrong(key, 'a list is needed');
  }

  numbers(key: string): readonly number[] | undefined {
    const values = this.list(key);
    if (values?.every((value) => typeof value === 'number' && Number.isFinite(Math.fround(value))) === false)
      throw this.wrong(key, 'a list of numbers is needed');
    return values as readonly number[] | undefined;
  }

  /** A nested object; undefined when it is absent. */
  inner(key: string): ConfigReader | undefined {
    if (!this.has(key)) return undefined;
    const value = this.value(key);
    if (!isRecord(value)) throw this.wrong(key, 'an object is needed');
    const reader =
      this.inside.get(key) ??
      new ConfigReader(value, this.file, this.facts, `${this.path}${key}.`, this.notes);
    this.inside.set(key, reader);
    return reader;
  }

  /** A nested object that belongs to another model: which of its keys are read does not matter. */
  ofOther(key: string): ConfigReader | undefined {
    const value = this.value(key);
    return isRecord(value)
      ? new ConfigReader(value, this.file, this.facts, `${this.path}${key}.`, this.notes)
      : undefined;
  }

  /** Whether there is no key. */
  isEmpty(): boolean {
    return Object.keys(this.fields).length === 0;
  }

  /** No key of it counts: another object takes its place. */
  ignore(): void {
    this.known(...Object.keys(this.fields));
  }

  /** Whether some value is an object: settings for one kind of layer. */
  isNested(): boolean {
    return Object.values(this.fields).some(isRecord);
  }

  /** @throws QuantscopeError UNSUPPORTED unless the value (or what it defaults to) is one of those that GGUF expresses. */
  expect(key: string, fallback: unknown, ...allowed: readonly unknown[]): void {
    const value = this.value(key);
    if (allowed.includes(value ?? fallback)) return;
    const known = allowed.map((item) => JSON.stringify(item)).join(' or ');
    throw this.unsupported(
      said`"${this.path}${key}" ${stated(value, fallback)}; GGUF can express ${known} for this architecture.`,
    );
  }

  unsupported(message: string): QuantscopeError {
    return new QuantscopeError('UNSUPPORTED', message, { file: this.file });
  }

  /** @param fallback what the key means where it is absent. */
  wrong(key: string, needed: string, fallback?: unknown): QuantscopeError {
    const message = `"${this.path}${key}" ${stated(this.value(key), fallback)}; ${needed}.`;
    return new QuantscopeError('MODEL_FILE', message, { file: this.file });
  }

  private value(key: string): unknown {
    this.read.add(key);
    return Object.hasOwn(this.fields, key) ? this.fields[key] : undefined;
  }
}
