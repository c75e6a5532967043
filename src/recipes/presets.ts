import type { Grid } from '../protocol/grids';
import type { MethodChoice, Recipe, RecipeRule } from '../protocol/recipe';
import { bitsandbytes4bit } from '../quant/grids/libraries';

interface Row {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly layout: string;
  readonly grid: Grid;
  readonly method?: MethodChoice;
  readonly more?: Partial<RecipeRule>;
}

const checkpoint = ({ id, label, description, layout, grid, method, more }: Row): Recipe => ({
  ...{ version: 1, id, label, description, layout, target: 'checkpoint' },
  rules: [{ grid, ...(method ? { method } : {}), ...more }],
});

/** Presets of llama.cpp that lists show; a recipe can name each other one. */
const ggufTypes = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'];

const gguf = (fileType: string): Recipe => ({
  ...{ version: 1, id: `gguf-${fileType.toLowerCase()}`, label: `GGUF ${fileType}` },
  description: `A GGUF file with llama.cpp's mixture ${fileType}.`,
  ...{ layout: 'gguf', target: 'gguf', fileType, rules: [] },
});

/** Recipes by the names that people give them, in the order in which lists show them. Adding a row adds a preset. */
export const presets: readonly Recipe[] = [
  ...[
    {
      ...{ id: 'bnb-nf4', label: 'bitsandbytes NF4', layout: 'bitsandbytes-4bit' },
      description: 'NormalFloat of 4 bits in blocks of 64, one float32 absmax for each (QLoRA).',
      grid: bitsandbytes4bit('nf4', 64),
    },
    {
      ...{ id: 'bnb-nf4-dq', label: 'bitsandbytes NF4, double quantization', layout: 'bitsandbytes-4bit' },
      description: 'NormalFloat of 4 bits in blocks of 64 whose scales are quantized to 8 bits (QLoRA).',
      grid: bitsandbytes4bit('nf4', 64, { nested: true }),
    },
    {
      ...{ id: 'bnb-fp4', label: 'bitsandbytes FP4', layout: 'bitsandbytes-4bit' },
      description: 'Floats of 4 bits in blocks of 64, one float32 absmax for each.',
      grid: bitsandbytes4bit('fp4', 64),
    },
  ].map(checkpoint),
  ...ggufTypes.map(gguf),
];
