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

function stem(name: string): string {
  return hasHead(name) ? name.replace(head, '') : name.replace(base, '');
}
