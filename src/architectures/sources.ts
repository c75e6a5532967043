import type { TensorDescriptor } from '../protocol/model';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import type { Conversion } from './description';

/** What wrappers of training code put before tensors' names, and between their parts. */
const wrapper =
  /^(module\.|_orig_mod\.|_forward_module\.|_fsdp_wrapped_module\.|base_model\.model\.|language_model\.)+/;
const innerWrapper = /(?<=\.)(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;
/** What each of them has: most names are looked at no further. */
const inWrapper = /_(?:orig_mod|wrapped_module)\./;

/** Scales of a cache of keys and values in FP8, as ModelOpt and llm-compressor store them next to weights. */
const cacheScale = /\.(?:[kv]_proj\.)?[qkv]_scale$|\.kv_scale$/;

/** A tensor of the checkpoint, and whether a rule takes it. */
interface Source {
  readonly tensor: TensorDescriptor;
  used: boolean;
}

/** Tensors of the checkpoint by name without prefix, and which of them were used. */
export class Sources {
  private readonly byName = new Map<string, Source>();
  /** What stands before names that begin with a word, by the first of them. */
  private readonly prefixOf = new Map<string, string>();
  private readonly stripped = new Set<string>();
  /** Tensors of parts that are left out, by the part. */
  private readonly apart = new Map<string, string[]>();
  private cacheScales = 0;

  constructor(
    tensors: readonly TensorDescriptor[],
    { prefixes = [], ignored = [], leftOut = {} }: Conversion,
  ) {
    const withoutPrefix = (name: string): string =>
      name.slice(prefixes.find((text) => name.startsWith(text))?.length ?? 0);
    let made: Set<string> | undefined; // few checkpoints have names that need it
    const names = (): Set<string> => (made ??= new Set(tensors.map((tensor) => withoutPrefix(tensor.name))));
    const parts = Object.entries(leftOut);
    for (const tensor of tensors) {
      const usual = withoutPrefix(tensor.name);
      const { before, inside, rest } = unwrapped(usual);
      const bare = withoutPrefix(rest);
      const name = bare !== usual && !names().has(bare) && !this.byName.has(bare) ? bare : usual;
      if (ignored.some((pattern) => pattern.test(name))) continue;
      const part = parts.find(([, pattern]) => pattern.test(name))?.[0];
      if (part !== undefined) {
        const list = this.apart.get(part);
        if (list) list.push(tensor.name);
        else this.apart.set(part, [tensor.name]);
        continue;
      }
      if (name.endsWith('_scale') && cacheScale.test(name)) {
        this.cacheScales += 1;
        continue;
      }
      if (name !== usual) for (const text of partsLeftOut(before, inside)) this.stripped.add(text);
      this.byName.set(name, { tensor, used: false });
      const word = firstWord(name);
      if (this.prefixOf.has(word)) continue;
      this.prefixOf.set(word, tensor.name.endsWith(name) ? tensor.name.slice(0, -name.length) : '');
    }
  }

  /**
   * What was done to names, as sentences.
   * @param remedies what can be done with a part that is left out, as a sentence.
   */
  notes(remedies: Readonly<Record<string, string>> = {}): string[] {
    const prefixes = [...this.stripped].map(
      (prefix) =>
        `Tensor names contain "${prefix}", which was removed: without it, they are the names of this architecture.`,
    );
    const parts = [...this.apart].map(
      ([part, [first, ...others]]) =>
        `The ${part} is left out: "${first}"${others.length > 0 ? ` and ${plural(others.length, 'more tensor')}` : ''}.${remedies[part] === undefined ? '' : ` ${remedies[part]}`}`,
    );
    if (this.cacheScales === 0) return [...parts, ...prefixes];
    return [
      ...parts,
      ...prefixes,
      said`${this.cacheScales} scales of a cache of keys and values in FP8 are left out: keys and values are kept in full precision.`,
    ];
  }

  /** An output that is the embedding, where the checkpoint has both. */
  leaveOut({ output: name, embedding: other }: Required<Conversion>['tied']) {
    const [output, embedding] = [this.get(name), this.get(other)];
    if (!output || !embedding) return undefined;
    this.byName.delete(name);
    return { output, embedding };
  }

  /** A name with the prefix that others of the same first word have. */
  spelled(name: string): string {
    return `${this.prefixOf.get(firstWord(name)) ?? ''}${name}`;
  }

  get(name: string): TensorDescriptor | undefined {
    return this.byName.get(name)?.tensor;
  }

  take(name: string): TensorDescriptor | undefined {
    const source = this.byName.get(name);
    if (source) source.used = true;
    return source?.tensor;
  }

  /** Tensors that were not taken, by name without prefix. */
  unused(): [string, TensorDescriptor][] {
    return [...this.byName].flatMap(([name, { tensor, used }]) => (used ? [] : [[name, tensor]]));
  }
}

/** A name, and what wrappers have put before it and between its parts. */
function unwrapped(name: string): { before: string; inside: readonly string[]; rest: string } {
  const [before = ''] = wrapper.exec(name) ?? [];
  const rest = name.slice(before.length);
  if (!inWrapper.test(rest)) return { before, inside: [], rest };
  return { before, inside: rest.match(innerWrapper) ?? [], rest: rest.replaceAll(innerWrapper, '') };
}

/** Where neither is left out, the usual prefix was there twice. */
function partsLeftOut(before: string, inside: readonly string[]): readonly string[] {
  if (before === '') return inside.length > 0 ? inside : ['model.'];
  return [before, ...inside];
}

const firstWord = (name: string): string => {
  const end = name.indexOf('.');
  return end < 0 ? name : name.slice(0, end);
};
