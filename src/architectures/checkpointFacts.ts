import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import type { ConfigReader } from './configReader';

/** What the tensors bound of the numbers of a config.json. */
export function sizesOf(tensors: readonly TensorDescriptor[]) {
  let largestDimension = 0;
  for (const { shape, elements } of tensors) {
    if (elements > 0) for (const size of shape) largestDimension = Math.max(largestDimension, size);
  }
  return { tensors: tensors.length, largestDimension };
}

/** Unknown keys may change what the model computes. */
export function unreadNotes(reader: ConfigReader, file = 'config.json'): string[] {
  const keys = reader.unread();
  if (keys.length === 0) return [];
  const listed = keys.slice(0, 8).map((key) => JSON.stringify(key));
  const rest = keys.length > 8 ? ` and ${keys.length - 8} more` : '';
  return [
    said`${file} has unknown keys for this architecture: ${listed.join(', ')}${rest}. If they change what the model computes, neither an export nor an evaluation follows them.`,
  ];
}
