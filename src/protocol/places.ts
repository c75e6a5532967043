/** How tensors are grouped: by layer, by role in every layer, or not at all. */
export type Grouping = 'layer' | 'role' | 'none';

/** What the name of a tensor says: "model.layers.3.mlp.experts.7.up_proj.weight" is an up_proj of layer 3, of its expert 7. */
export interface Place {
  /** All that the tensor is in: model, layers, 3, mlp, experts, 7. */
  readonly modules: readonly string[];
  /** Its own part: "up_proj", "q_proj.bias". */
  readonly label: string;
  /** The suffix, where it says little: ".weight". */
  readonly suffix: string;
  /** What the first number counts: model, layers. Empty outside the blocks. */
  readonly wrapper: readonly string[];
  /** Of the block, then of an expert: 3, 7. */
  readonly numbers: readonly string[];
  /** What the tensor does in its block, without numbers: "mlp.experts.up_proj"; outside the blocks its whole name. */
  readonly role: string;
}

/** Last parts of a name that say little on their own. */
const trailing = /^(weight|bias|weight_scale|qweight|qzeros|scales|g_idx)$/;

const isNumber = (part: string): boolean => /^\d+$/.test(part);

/** Whether a part of the name is a number. */
export const hasNumber = (name: string): boolean => name.split('.').some(isNumber);

export function placeOf(name: string): Place {
  const parts = name.split('.');
  const last = parts.at(-1) ?? '';
  const isPlain = parts.length > 1 && trailing.test(last);
  const suffix = isPlain && last === 'weight' ? '.weight' : '';
  const modules = parts.slice(0, isPlain ? -2 : -1);
  const label = parts.slice(modules.length, suffix === '' ? undefined : -1).join('.');
  const all = [...modules, label];
  const block = all.findIndex(isNumber);
  const inside = all.slice(Math.max(0, block));
  return {
    ...{ modules, label, suffix },
    wrapper: all.slice(0, Math.max(0, block)),
    numbers: inside.filter(isNumber),
    role: inside.filter((part) => !isNumber(part)).join('.'),
  };
}
