import { said } from '../../protocol/said';
import { maxNameCharacters, maxPickleDepth, maxPickleObjects, maxTensors } from '../limits';
import {
  asKind,
  isObject,
  shownValue,
  type Dictionary,
  type PickledTensor,
  type PickleValue,
} from './values';

/** The tensors of a pickle by their names. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, PickledTensor>;
  /** Plain values next to them (an epoch, a learning rate). */
  readonly values: ReadonlyMap<string, string | number | boolean>;
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** Keys under which training programs keep the weights among other things, the most specific first. */
const wrappers = ['state_dict', 'model_state_dict', 'model_state', 'model', 'module', 'net'];

/** A text among the values is shown up to this length (characters). */
const maxValueText = 400;

/**
 * Finds the tensors in plain containers. Where a dictionary holds the weights among other things (`{'state_dict': …, 'optimizer': …}`),
 * they are the tensors; otherwise all are, named by the keys that lead to them, joined by dots.
 * @param fail makes the error for a structure that exceeds a limit.
 */
export function stateDictOf(root: PickleValue, fail: (message: string) => Error): StateDict {
  const whole = asKind(root, 'foreign');
  const { inner, path } = unwrapped(root);
  const walk = new Walk(fail);
  walk.visit(inner, asKind(inner, 'tensor') ? 'tensor' : '', 0);
  return {
    tensors: walk.tensors,
    values: plainValues(root),
    notes: [...(whole ? [foreignNote(whole.text)] : []), ...otherNotes(root, path, fail)],
    warnings: walk.warnings(),
  };
}

const foreignNote = (text: string): string =>
  said`The file holds a whole object (${text}), not a dictionary of tensors: its weights cannot be read without running code. Save its state_dict() instead.`;

const noEntries: Dictionary['entries'] = new Map();

/** Keys and values of a dictionary; none of anything else. */
const entriesOf = (value: PickleValue): Dictionary['entries'] => asKind(value, 'dict')?.entries ?? noEntries;

function holdsTensors(value: PickleValue): boolean {
  for (const item of entriesOf(value).values()) if (asKind(item, 'tensor')) return true;
  return false;
}

/** The dictionary of the weights in the dictionaries around it. */
function unwrapped(root: PickleValue): { readonly inner: PickleValue; readonly path: readonly string[] } {
  const path: string[] = [];
  let inner = root;
  while (path.length < wrappers.length && !holdsTensors(inner)) {
    const entries = entriesOf(inner);
    const key = wrappers.find((name) => leadsToTensors(entries.get(name) ?? null));
    if (key === undefined) break;
    path.push(key);
    inner = entries.get(key)!;
  }
  return { inner, path };
}

const leadsToTensors = (value: PickleValue): boolean =>
  holdsTensors(value) || wrappers.some((name) => holdsTensors(entriesOf(value).get(name) ?? null));

/** What is next to the weights and not shown. */
function otherNotes(root: PickleValue, path: readonly string[], fail: (message: string) => Error): string[] {
  if (path.length === 0) return [];
  const others: string[] = [];
  const walk = new Walk(fail);
  let level = root;
  for (const key of path) {
    for (const [other, value] of entriesOf(level)) {
      if (other === key) continue;
      const before = walk.tensors.size;
      walk.visit(value, `${key}/${keyText(other)}`, 1);
      if (walk.tensors.size > before) others.push(keyText(other));
    }
    level = entriesOf(level).get(key)!;
  }
  const count = walk.tensors.size;
  if (count === 0) return [];
  const [own, listed] = [path.join('.'), some(others)];
  return [
    count === 1
      ? said`The weights are those of "${own}"; 1 other tensor of the file (${listed}) is not shown.`
      : said`The weights are those of "${own}"; ${count.toLocaleString('en-US')} other tensors of the file (${listed}) are not shown.`,
  ];
}

function plainValues(root: PickleValue): StateDict['values'] {
  const found = new Map<string, string | number | boolean>();
  for (const [key, value] of entriesOf(root)) {
    const isShort = typeof value === 'string' && value.length <= maxValueText;
    if (isShort || typeof value === 'number' || typeof value === 'boolean') found.set(keyText(key), value);
  }
  return found;
}

/** Most names that a note lists. */
const maxNamed = 4;

const some = (names: readonly string[]): string =>
  [...names.slice(0, maxNamed), ...(names.length > maxNamed ? ['…'] : [])].join(', ');

const keyText = (key: PickleValue): string => (typeof key === 'string' ? key : shownValue(key));

/** Visits containers in their order. One that appears in several places is visited in each; the number of visits is limited. */
class Walk {
  readonly tensors = new Map<string, PickledTensor>();
  private readonly repeated = new Set<string>();
  private visits = 0;
  private characters = 0;

  constructor(private readonly fail: (message: string) => Error) {}

  visit(value: PickleValue, name: string, depth: number): void {
    if (++this.visits > maxPickleObjects)
      throw this.fail(said`The containers of the pickle hold more than ${maxPickleObjects} objects.`);
    if (!isObject(value)) return;
    if (this.characters + name.length > maxNameCharacters)
      throw this.fail(said`The names of the tensors have more than ${maxNameCharacters} characters.`);
    if (depth > maxPickleDepth)
      throw this.fail(said`The pickle nests containers more than ${maxPickleDepth} deep.`);
    if (value.kind === 'tensor') this.add(name, value);
    else if (value.kind === 'dict')
      for (const [key, item] of entriesOf(value)) this.visit(item, joined(name, keyText(key)), depth + 1);
    else if (value.kind === 'list' || value.kind === 'tuple')
      for (const [i, item] of value.items.entries()) this.visit(item, joined(name, String(i)), depth + 1);
  }

  warnings(): string[] {
    const [first] = this.repeated;
    if (first === undefined) return [];
    return [
      this.repeated.size > 1
        ? said`Two tensors would be called ${first}; only the first of them is shown, and so for other names.`
        : said`Two tensors would be called ${first}; only the first of them is shown.`,
    ];
  }

  private add(name: string, tensor: PickledTensor): void {
    if (this.tensors.has(name)) return void this.repeated.add(name);
    this.characters += name.length;
    if (this.tensors.size >= maxTensors)
      throw this.fail(said`The file holds more than ${maxTensors} tensors.`);
    this.tensors.set(name, tensor);
  }
}

const joined = (prefix: string, key: string): string => (prefix === '' ? key : `${prefix}.${key}`);
