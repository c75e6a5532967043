import { basename } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { stated } from '../model/statedValue';
import type { GainsText } from '../protocol/gains';
import type { SensitivityRow, SensitivityTable } from '../protocol/plan';
import type { Spread } from '../protocol/targets';
import { said } from '../protocol/said';
import { isCurrent, versionsOf, type UsedVersions } from '../quant/algorithms';
import { isFormatId } from '../quant/catalogue';
import { measuresOf, type MeasuredDivergences, type TensorDivergence } from './gains';
import { Checker } from './planChecker';

/** What the name of a file of gains ends with. */
export const gainsEnding = '.gains.json';

/** What relative squared errors are those of: a gain holds for errors of the same kind only. */
export type ErrorKind = 'weights' | 'importance' | 'outputs';

const errorKinds: readonly ErrorKind[] = ['weights', 'importance', 'outputs'];

/** The kind of the errors of a table. */
export const errorKindOf = ({ imatrix, codes }: Pick<SensitivityTable, 'imatrix' | 'codes'>): ErrorKind =>
  codes ? 'outputs' : imatrix ? 'importance' : 'weights';

/** One measured tensor of a file of gains. */
export interface FileGain extends TensorDivergence {
  readonly tensor: string;
  /** In the exported file, outermost dimension first. */
  readonly shape: readonly number[];
}

/** The content of a `*.gains.json` file (schema: `schemas/gains.schema.json`): gains that can be used for models of the same shapes. */
export interface GainsFile {
  readonly version: 1;
  readonly model: {
    readonly name: string;
    /** `contentKey`: of its layout and a sample of its weights. */
    readonly key: string;
    readonly parameters: number;
  };
  readonly errors: ErrorKind;
  readonly text: GainsText;
  /** KL divergence that rounding alone causes, nats per token. */
  readonly noise: number;
  /** Of single tokens; absent where no change of a tensor could be told from noise. */
  readonly spread?: Spread;
  /** Of the measures that the figures come from. */
  readonly versions: UsedVersions;
  readonly tensors: readonly FileGain[];
}

const versionsFor = (errors: ErrorKind, by: GainsText['by']): UsedVersions =>
  versionsOf([...measuresOf(by), 'errors', ...(errors === 'outputs' ? ['evidence'] : [])]);

/**
 * The measured gains of a table as a file.
 * @param key `contentKey` of the model.
 * @throws QuantscopeError REQUEST for a table without gains, or with gains of another model.
 */
export function gainsFileOf(table: SensitivityTable, key: string): GainsFile {
  const { modelName: name, parameters, gainsFrom, rows, weightsOnly } = table;
  if (!gainsFrom)
    throw new QuantscopeError('REQUEST', said`There are no gains to write: ${weightsOnly ?? ''}`);
  if (gainsFrom.model !== undefined)
    throw new QuantscopeError('REQUEST', said`These are gains of another model (${gainsFrom.model}).`);
  const { text, hash, tokens, context, loss, chance, by, noise, spread } = gainsFrom;
  const errors = errorKindOf(table);
  return {
    ...{ version: 1, model: { name, key, parameters }, errors },
    text: { text: basename(text), hash, tokens, context, loss, chance, ...(by ? { by } : {}) },
    ...{ noise, ...(spread ? { spread } : {}), versions: versionsFor(errors, by) },
    tensors: rows.flatMap(fileGain),
  };
}

/** Nothing for a row that was not measured. */
function fileGain({ tensor, shape, gain, measured }: SensitivityRow): FileGain[] {
  if (gain === undefined || measured === undefined) return [];
  const { format, error, divergence } = measured;
  return [{ tensor, shape, format, error, divergence }];
}

/** The file as text: one tensor per line, so that two files can be compared line by line. */
export function printGains(gains: GainsFile): string {
  const { tensors, ...head } = gains;
  const start = JSON.stringify(head, undefined, 2).slice(0, -'\n}'.length);
  const lines = tensors.map((item) => `    ${JSON.stringify(item)}`);
  return `${start},\n  "tensors": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/**
 * Gains from the JSON of their file.
 * @param file named in errors.
 * @throws QuantscopeError MODEL_FILE naming the invalid place in the document, or for figures of another version of a measure.
 */
export function parseGains(value: unknown, file: string): GainsFile {
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', said`The file of gains is not valid: ${message}`, { file });
  const check = new Checker(fail);
  const item = check.record(value, '$');
  refuseForeign(item, file);
  if (item['version'] !== 1) throw fail(said`$.version ${stated(item['version'])}; this version reads 1.`);
  const model = check.record(item['model'], '$.model');
  const errors = check.oneOf(item['errors'], errorKinds, '$.errors');
  const versions = check.record(item['versions'], '$.versions');
  if (!isCurrent(versions))
    throw fail(said`its figures were measured by another version of Quantscope; measure them again.`);
  const text = textOf(check, item['text']);
  const missing = Object.keys(versionsFor(errors, text.by)).find((name) => !Object.hasOwn(versions, name));
  if (missing !== undefined) throw fail(said`$.versions.${missing} is missing.`);
  const tensors = check.list(item['tensors'], '$.tensors').map((entry, i) => gainOf(check, entry, i, fail));
  const names = new Set<string>();
  for (const { tensor } of tensors) {
    if (names.has(tensor)) throw fail(said`the tensor "${tensor}" is listed twice.`);
    names.add(tensor);
  }
  return {
    version: 1,
    model: {
      name: check.string(model['name'], '$.model.name'),
      key: check.string(model['key'], '$.model.key'),
      parameters: check.count(model['parameters'], '$.model.parameters'),
    },
    ...{ errors, text },
    noise: check.number(item['noise'], '$.noise'),
    ...(item['spread'] === undefined ? {} : { spread: spreadOf(check, item['spread'], fail) }),
    ...{ versions, tensors },
  };
}

/**
 * @throws QuantscopeError UNSUPPORTED for a measurement of exllamav3: changes of the divergence when groups of matrices change from one size of its own codec
 * to another, from which no gain of one tensor follows.
 */
function refuseForeign(item: Readonly<Record<string, unknown>>, file: string): void {
  if (!['base', 'alts', 'groups'].every((name) => name in item)) return;
  const message = said`This is a measurement of exllamav3. It states how the KL divergence changes when groups of matrices change from one EXL3 size to another, not what each tensor does, nor the errors of that codec: gains cannot be computed from it.`;
  throw new QuantscopeError('UNSUPPORTED', message, { file });
}

function gainOf(
  check: Checker,
  value: unknown,
  i: number,
  fail: (message: string) => QuantscopeError,
): FileGain {
  const path = `$.tensors[${i}]`;
  const entry = check.record(value, path);
  const format = check.string(entry['format'], `${path}.format`);
  if (!isFormatId(format)) throw fail(said`${path}.format ${stated(format)}, which is not a format.`);
  const error = aboveZero(check, entry['error'], `${path}.error`, fail);
  return {
    tensor: check.string(entry['tensor'], `${path}.tensor`),
    shape: check
      .list(entry['shape'], `${path}.shape`)
      .map((size, n) => check.positive(size, `${path}.shape[${n}]`)),
    ...{ format, error },
    divergence: check.number(entry['divergence'], `${path}.divergence`),
  };
}

function textOf(check: Checker, value: unknown): GainsText {
  const text = check.record(value, '$.text');
  return {
    text: check.string(text['text'], '$.text.text'),
    hash: check.string(text['hash'], '$.text.hash'),
    tokens: check.positive(text['tokens'], '$.text.tokens'),
    context: check.positive(text['context'], '$.text.context'),
    loss: check.number(text['loss'], '$.text.loss'),
    chance: check.number(text['chance'], '$.text.chance'),
    ...(text['by'] === undefined ? {} : { by: check.oneOf(text['by'], ['curvature'], '$.text.by') }),
  };
}

/** Targets are divided by both figures. */
function spreadOf(check: Checker, value: unknown, fail: (message: string) => QuantscopeError): Spread {
  const { percentile99, topChanged } = check.record(value, '$.spread');
  return {
    percentile99: aboveZero(check, percentile99, '$.spread.percentile99', fail),
    topChanged: aboveZero(check, topChanged, '$.spread.topChanged', fail),
  };
}

function aboveZero(
  check: Checker,
  value: unknown,
  path: string,
  fail: (message: string) => QuantscopeError,
): number {
  const number = check.number(value, path);
  if (number === 0) throw fail(said`${path} must be above 0.`);
  return number;
}

/** A tensor that gains are wanted for. */
interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The share of a model's tensors that gains must be known of: others are estimated from these. */
const leastShare = 0.5;

/**
 * Gains of a file for the tensors of a model, without those that the file lacks. Those of another model are marked with its name.
 * @param key `contentKey` of the model.
 * @param file named in errors.
 * @throws QuantscopeError REQUEST for a tensor that the file has in another shape, or where it lacks most of them: it is not about a model of
 * these shapes.
 */
export function gainsFor(
  { model, text, noise, spread, tensors }: GainsFile,
  wanted: readonly NamedShape[],
  key: string,
  file: string,
): MeasuredDivergences {
  const byName = new Map(tensors.map((item) => [item.tensor, item]));
  const refuse = (why: string, tensor?: string): QuantscopeError =>
    new QuantscopeError('REQUEST', said`The gains of "${model.name}" do not fit this model: ${why}.`, {
      file,
      ...(tensor === undefined ? {} : { tensor }),
    });
  const found = wanted.flatMap(({ name, shape }): [string, TensorDivergence][] => {
    const item = byName.get(name);
    if (!item) return [];
    if (shape.join() !== item.shape.join())
      throw refuse(said`they are for a tensor of ${item.shape.join(' × ')}, not ${shape.join(' × ')}`, name);
    const { format, error, divergence } = item;
    return [[name, { format, error, divergence }]];
  });
  if (found.length < leastShare * wanted.length)
    throw refuse(said`they are for ${found.length} of its ${wanted.length} tensors`);
  const { text: path, hash, tokens, context, loss, chance, by } = text;
  return {
    text: { path, hash, tokens, context },
    ...{ noise, loss, chance, ...(by ? { by } : {}), tensors: Object.fromEntries(found) },
    ...(spread ? { spread } : {}),
    ...(model.key === key ? {} : { model: model.name }),
  };
}
