/** Settings of other tools that a plan can be written as. */
export const overrideKinds = [
  'tensor-types',
  'compressed-tensors',
  'gptq',
  'mlx',
  'recipe',
  'onnx-recipe',
] as const;
export type OverrideKind = (typeof overrideKinds)[number];

/** What lists show of each, and what its file is called. */
export const overrideFiles: Readonly<
  Record<OverrideKind, { readonly label: string; readonly ending: string }>
> = {
  'tensor-types': { label: 'llama-quantize --tensor-type-file', ending: 'tensor-types.txt' },
  'compressed-tensors': { label: 'compressed-tensors config_groups', ending: 'compressed-tensors.json' },
  gptq: { label: 'GPTQModel dynamic', ending: 'gptq.json' },
  mlx: { label: 'MLX overrides', ending: 'mlx.json' },
  recipe: { label: 'recipe of compressed-tensors', ending: 'recipe.json' },
  'onnx-recipe': { label: 'recipe of ONNX', ending: 'onnx.recipe.json' },
};

/** A plan as such a file. */
export interface OverridesText {
  readonly text: string;
  /** What the user should know, as sentences. */
  readonly notes: readonly string[];
}
