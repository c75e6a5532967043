import type { DocumentFault } from '../../protocol/documentCheck';
import { fileBytesOf } from '../../protocol/fileFrame';
import { said } from '../../protocol/said';
import { unlistedBytes, weightsOf, type Candidates } from '../candidates';
import { fault, type BoundAssignment } from './faults';
import type { PlanDocument } from './planDocument';

/** Share by which bits per weight in decimal digits may differ. */
const rounding = 1e-6;

/** Size of a file by a plan that is whole. */
export interface PlanSize {
  /** Of the exported file where the plan says what else it holds; of the data of its tensors otherwise. */
  readonly bytes: number;
  /** Of the assigned tensors. */
  readonly bitsPerWeight: number;
}

/** That a plan is larger than its budget; nothing while an assignment cannot be applied. */
export function budgetFaults(
  document: PlanDocument,
  candidates: Candidates,
  bound: readonly BoundAssignment[],
): DocumentFault[] {
  const { json, assignments } = document;
  const limit = json.valueAt('budget', 'value');
  if (bound.length !== assignments.length || typeof limit !== 'number') return [];
  const size = planSize(document, candidates, bound);
  if (!size) return [];
  const inBits = json.valueAt('budget', 'kind') === 'bits-per-weight';
  const value = inBits ? size.bitsPerWeight : size.bytes;
  if (value <= (inBits ? limit * (1 + rounding) : limit)) return [];
  const [is, may] = inBits
    ? [said`${value.toFixed(4)} bits per weight`, `${limit}`]
    : [said`${value.toLocaleString('en-US')} bytes`, limit.toLocaleString('en-US')];
  const span = json.span('budget', 'value');
  const raised = inBits ? (Math.ceil(value * 1e4) / 1e4).toString() : String(value);
  return [
    fault('budget/exceeded', 'warning', span, said`The plan takes ${is}; its budget is ${may}.`, [
      { ...span, text: raised, title: said`Raise the budget to ${raised}` },
    ]),
  ];
}

/** Undefined for a plan without assignments. */
export function planSize(
  { json }: PlanDocument,
  { tensors, fixedBytes }: Candidates,
  bound: readonly BoundAssignment[],
): PlanSize | undefined {
  if (bound.length === 0) return undefined;
  const assigned = new Set(bound.map(({ candidate }) => candidate));
  const others = tensors.filter((candidate) => !assigned.has(candidate)).map(unlistedBytes);
  const sizes = [...bound.map(({ bytes }) => bytes), ...others];
  const [bytes, alignment] = [json.valueAt('frame', 'bytes'), json.valueAt('frame', 'alignment')];
  const hasFrame = typeof bytes === 'number' && typeof alignment === 'number' && alignment > 0;
  return {
    bytes: hasFrame ? fileBytesOf({ bytes, alignment }, sizes) : fixedBytes + sum(sizes),
    bitsPerWeight:
      (8 * sum(bound.map((item) => item.bytes))) / sum(bound.map(({ candidate }) => weightsOf(candidate))),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
