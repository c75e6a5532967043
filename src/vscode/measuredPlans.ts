import type { Plan } from '../protocol/plan';
import { savedPlan, type SavedPlan } from '../protocol/savedPlans';

/** Plans of a model that were measured in this window, in files of the extension: listed until one next to the model has the same measurement. */
export class MeasuredPlans {
  private plans: readonly SavedPlan[] = [];

  /** @param file that the plan was written to. */
  add(file: string, plan: Plan): void {
    const added: SavedPlan = { ...savedPlan(file, plan), isUnsaved: true };
    this.plans = [...this.plans.filter((other) => keyOf(other) !== keyOf(added)), added];
  }

  /** Plans next to the model, and those that are not among them. */
  with(saved: readonly SavedPlan[]): readonly SavedPlan[] {
    const known = new Set(saved.map(keyOf));
    return [...saved, ...this.plans.filter((plan) => !known.has(keyOf(plan)))];
  }

  clear(): void {
    this.plans = [];
  }
}

/** The same for the same measurement of the same weights. */
const keyOf = ({ certificate }: SavedPlan): string =>
  JSON.stringify(certificate && [certificate.assignments, certificate.text, certificate.measured]);
