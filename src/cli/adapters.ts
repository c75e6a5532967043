import { absolutePlace } from '../model/place';
import type { AdapterRef } from '../protocol/model';
import { listOption, type OptionSpec, type Options } from './command';

/** Option of commands that read weights: adapters that are merged into those of the model. */
export const loraOption = adaptersOption(
  'merge this LoRA adapter (a folder of PEFT) into the weights, multiplied by WEIGHT (default: 1)',
);

/** An option that names adapters. */
export function adaptersOption(help: string): OptionSpec {
  return { ...listOption('ADAPTER[=WEIGHT]', help), mayBeAddress: true };
}

/** A path, and a number after the last "=". */
const withWeight = /^(.+)=([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/is;

/** The adapters that were given by an option; undefined where none was. A path that ends in "=" and a number needs a weight of its own. */
export function adaptersOf(options: Options, option = 'lora'): readonly AdapterRef[] | undefined {
  const given = options[option];
  if (typeof given !== 'object' || given.length === 0) return undefined;
  return given.map((text) => {
    const [, path = text, weight = '1'] = withWeight.exec(text) ?? [];
    return { path: absolutePlace(path), weight: Number(weight) };
  });
}
