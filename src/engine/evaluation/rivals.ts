import { bytesIn, formatsFor, isPossible, type Candidates } from '../../ampq/candidates';
import { assignmentDigest } from '../../ampq/assignmentDigest';
import { randomAssignment, type SizedFormat } from '../../ampq/randomAssignment';
import type { CodeChoice } from '../../protocol/export';
import { fileBytesOf, padded, type FileFrame } from '../../protocol/fileFrame';
import type { Plan } from '../../protocol/plan';
import { findFormat } from '../../quant/catalogue';

/** A preset that a plan is measured against. */
export interface PresetRival {
  readonly fileType: string;
  readonly codes: CodeChoice;
  /** Of the file, as far as the plan knows its header. */
  readonly bytes: number;
  readonly predicted?: number;
}

/** Presets that are measured besides the one that is predicted to be the best: the largest. */
const largest = 2;

/** Bytes of a plan, or of something that is compared with it: of the file, where the header is known. */
export const sizeOf = ({ total }: Pick<Plan, 'total'>): number => total.fileBytes ?? total.bytes;

/** The same that its budget allows: presets are compared within the budget, which a plan need not use to the last byte. */
function roomOf(plan: Plan): number {
  const { budget, total, assignments } = plan;
  const own = sizeOf(plan);
  if (budget.kind === 'bytes') return total.fileBytes === undefined ? own : Math.max(own, budget.value);
  const assigned = assignments.reduce((sum, { bytes }) => sum + bytes, 0);
  // A budget that is exactly a mix's bits per weight must not fail by the rounding of its decimal digits.
  return Math.max(own, Math.floor(own + assigned * (budget.value / total.bitsPerWeight - 1) + 0.5));
}

/**
 * The presets that a plan has to beat: of those within its budget the one predicted to be the best and the largest ones, with the codes of
 * the plan; where these are optimised, also with those of llama.cpp.
 * @param reference candidates with llama.cpp's codes, some of whose types need an importance matrix, and the frame of such a file, whose header
 * says less than that of optimised codes; without a frame where that is not known.
 */
export function presetRivals(
  plan: Plan,
  candidates: Candidates,
  { frame, ...reference }: Candidates & { readonly frame?: FileFrame },
): PresetRival[] {
  if (!plan.codes) return rivalsIn(plan, candidates, plan.frame, 'reference');
  return [
    ...rivalsIn(plan, candidates, plan.frame, 'optimised'),
    ...rivalsIn(plan, reference, frame, 'reference'),
  ];
}

function rivalsIn(
  plan: Plan,
  { tensors, presets, fixedBytes }: Candidates,
  frame: FileFrame | undefined,
  codes: CodeChoice,
): PresetRival[] {
  const room = roomOf(plan);
  const within = presets
    .map(({ fileType, formats }) => {
      const sizes = tensors.map(({ converted }, i) => bytesIn(formats[i]!, converted.shape));
      const bytes = frame ? fileBytesOf(frame, sizes) : sizes.reduce((sum, size) => sum + size, fixedBytes);
      return { fileType, codes, bytes };
    })
    .filter(({ bytes }) => bytes <= room)
    .sort((a, b) => b.bytes - a.bytes);
  const best = within.find(({ fileType }) => fileType === plan.preset?.fileType);
  const divergence =
    (codes === 'optimised') === (plan.codes !== undefined) ? plan.preset?.divergence : undefined;
  const first = best && divergence !== undefined ? { ...best, predicted: divergence } : best;
  const others = within.filter((preset, i) => preset !== best && i < largest);
  return [...(first ? [first] : []), ...others];
}

/** Presets within the budget of a plan that cannot be measured without an importance matrix, the largest first. */
export function unmeasuredRivals(plan: Plan, { unmeasuredPresets = [] }: Candidates): string[] {
  const others = sizeOf(plan) - plan.assignments.reduce((sum, { bytes }) => sum + bytes, 0);
  return unmeasuredPresets
    .filter(({ bytes }) => others + bytes <= roomOf(plan))
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ fileType }) => fileType);
}

/** The tensors of a plan with its formats dealt out at random, of at most its size: what any assignment achieves. */
export function randomRival(plan: Plan, { tensors }: Candidates): Plan {
  const candidates = new Map(tensors.map((candidate) => [candidate.converted.name, candidate]));
  const formats = [...new Set(plan.assignments.map(({ format }) => format))].flatMap(
    (id) => findFormat(id) ?? [],
  );
  const alignment = plan.frame?.alignment ?? 1;
  const choices = plan.assignments.map(({ tensor, format }): SizedFormat[] => {
    const candidate = candidates.get(tensor)!;
    const { converted } = candidate;
    const possible = formatsFor(converted, formats).filter((item) => isPossible(candidate, item));
    return [...new Set([format, ...possible.map(({ id }) => id)])].map((id) => ({
      ...{ format: id, bytes: padded(bytesIn(id, converted.shape), alignment) },
    }));
  });
  const budget = plan.assignments.reduce((sum, { bytes }) => sum + padded(bytes, alignment), 0);
  const chosen = randomAssignment(choices, budget, assignmentDigest(plan))!; // the plan itself is within the budget
  return {
    ...plan,
    assignments: plan.assignments.map((item, i) => ({ ...item, format: chosen[i]!.format })),
  };
}
