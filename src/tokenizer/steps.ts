import { isRecord } from '../model/json';

/** A step of a normalizer or a pre-tokenizer in tokenizer.json. */
export type Step = Readonly<Record<string, unknown>>;

/**
 * The steps of a normalizer or pre-tokenizer, one after the other: those inside sequences, or the only one.
 * @param inner the key that a sequence has them under: "normalizers" or "pretokenizers".
 */
export function stepsIn(step: unknown, inner: 'normalizers' | 'pretokenizers'): Step[] {
  if (!isRecord(step)) return [];
  const parts: unknown = step[inner];
  if (step['type'] !== 'Sequence' || !Array.isArray(parts)) return [step];
  return (parts as unknown[]).filter(isRecord);
}
