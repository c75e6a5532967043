import { budgetFrom } from '../../src/protocol/budget';
import { cacheTypes, type CacheType } from '../../src/protocol/fit';
import { machines, type Machine } from '../../src/protocol/machines';
import {
  tokensPerSecond,
  totalBytes,
  type RunEstimate,
  type RunTarget,
} from '../../src/protocol/runEstimate';

/** What the estimate is asked for; kept as the user left it. */
export interface FitsForm {
  /** "stored", "plan", "type Q4_K_M", "recipe bnb-nf4". */
  readonly target: string;
  /** Tokens; 0 for the usual ones. */
  readonly context: number;
  readonly sequences: number;
  readonly cacheType: CacheType;
  /** A memory and a bandwidth of one's own, as typed. */
  readonly memory: string;
  readonly bandwidth: string;
}

export const freshFits: FitsForm = {
  ...{ target: 'stored', context: 0, sequences: 1, cacheType: 'f16', memory: '', bandwidth: '' },
};

/** A form that was kept: what is no type of a cache by now is the usual one. */
export const checkedFits = (form: FitsForm): FitsForm =>
  cacheTypes.includes(form.cacheType) ? form : { ...form, cacheType: 'f16' };

/** The target that a choice stands for; the plan only where there is one. */
export function targetFrom(choice: string, hasPlan: boolean): RunTarget | { readonly kind: 'ownPlan' } {
  const [kind, name] = choice.split(' ');
  if (kind === 'type' && name) return { kind: 'type', type: name };
  if (kind === 'recipe' && name) return { kind: 'recipe', recipe: name };
  return kind === 'plan' && hasPlan ? { kind: 'ownPlan' } : { kind: 'stored' };
}

/** Contexts to choose from: powers of two up to that of the model, and that. */
export function contextsUpTo(most: number | undefined): number[] {
  const longest = most ?? 131_072;
  const powers: number[] = [];
  for (let tokens = 1024; tokens < longest; tokens *= 2) powers.push(tokens);
  return [...powers, longest];
}

/** Bytes of a typed memory ("8 GB"), or per second of a typed bandwidth ("400 GB/s"); undefined for nothing, null for anything else. */
export function bytesTyped(text: string): number | undefined | null {
  if (text.trim() === '') return undefined;
  const budget = budgetFrom(text.replace(/\s*\/\s*s\s*$/i, ''));
  return budget?.kind === 'bytes' && budget.value > 0 ? budget.value : null;
}

/** Whether a model fits on a device, and how fast it is there. */
export interface MachineFit {
  readonly machine: Machine;
  /** Bytes; less than 0 where it does not fit. Undefined where nothing of what the model takes is known. */
  readonly left: number | undefined;
  /** Whether `left` is what the weights alone leave, as the rest is not known. */
  readonly isOfWeights: boolean;
  /** Tokens per second of all sequences; undefined where it does not fit, or is not known. */
  readonly speed: number | undefined;
}

export function machineFit(estimate: RunEstimate, machine: Machine): MachineFit {
  const weights = estimate.targets[0]!;
  const total = totalBytes(estimate, weights);
  const taken = total ?? weights.weights?.bytes;
  const left = taken === undefined ? undefined : machine.memory - taken;
  const fits = left === undefined || left >= 0;
  const isOfWeights = total === undefined;
  return {
    machine,
    left,
    isOfWeights,
    speed: fits ? tokensPerSecond(estimate, weights, machine.bandwidth) : undefined,
  };
}

/** All known devices, the smallest memory first, of equal ones the slowest. */
export const machineFits = (estimate: RunEstimate): MachineFit[] =>
  [...machines]
    .sort((a, b) => a.memory - b.memory || a.bandwidth - b.bandwidth)
    .map((machine) => machineFit(estimate, machine));
