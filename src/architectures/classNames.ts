/** Classes of transformers: a model comes with a head that predicts tokens, or without one, as embedding models do. */

const head = /(ForCausalLM|LMHeadModel)$/;
const base = /(Text)?Model$/;

/** The first of `architectures` in config.json. */
export function listedClass(config: Readonly<Record<string, unknown>>): string | undefined {
  const listed = config['architectures'];
  const name: unknown = Array.isArray(listed) ? listed[0] : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** Whether a class has a head that predicts tokens. */
export const hasHead = (name: string): boolean => head.test(name);

/** Whether a class has no head: `Qwen3Model`, `Gemma3TextModel`. Its checkpoints have no output matrix. */
export const isBaseClass = (name: string): boolean => base.test(name) && !hasHead(name);

/** Whether two classes are one model, whatever heads they have. */
export const sameModel = (a: string, b: string): boolean => a === b || stem(a) === stem(b);

/** What a description says of the checkpoints that it is of. */
export interface Described {
  /** Classes in `architectures` of config.json → `model_type`, which decides where no class is listed. */
  readonly classes: Readonly<Record<string, string>>;
  /** Where several descriptions have a class: whether a config.json is of this one. The first that fits counts. */
  fits?(config: Readonly<Record<string, unknown>>): boolean;
}

/** The first description of a config.json; undefined where there is none. */
export function describing<D extends Described>(
  descriptions: readonly D[],
  config: Readonly<Record<string, unknown>>,
): D | undefined {
  const className = listedClass(config);
  const modelType = config['model_type'];
  const isListed = ({ classes }: D): boolean =>
    className !== undefined
      ? Object.keys(classes).some((name) => sameModel(name, className))
      : typeof modelType === 'string' && Object.values(classes).includes(modelType);
  return descriptions.find((description) => isListed(description) && (description.fits?.(config) ?? true));
}

function stem(name: string): string {
  return hasHead(name) ? name.replace(head, '') : name.replace(base, '');
}
