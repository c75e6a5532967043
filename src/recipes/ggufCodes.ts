import { usualObjective } from '../protocol/export';
import type { MethodChoice, MethodDescription, MethodOptions } from '../protocol/recipe';
import { gptqDescent } from '../quant/methods/gptqDescent';
import { describeMethods } from '../quant/methods/methods';

/** What finds optimised codes of a GGUF file, with the options that a recipe leaves to it: the objective is that of other exports. */
export const codesOptions = ({ options }: Pick<MethodChoice, 'options'>): MethodOptions => ({
  objective: usualObjective,
  ...options,
});

/** The methods as lists of recipes show them: those for GGUF files with the defaults of these. */
export const describeRecipeMethods = (): MethodDescription[] =>
  describeMethods().map((method) => {
    if (method.id !== gptqDescent.id) return method;
    const options = method.options.map((option) =>
      option.name === 'objective' && option.type === 'choice'
        ? { ...option, default: usualObjective }
        : option,
    );
    return { ...method, options };
  });
