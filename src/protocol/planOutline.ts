import type { Plan } from './plan';

/** What a plan gives a tensor. */
export interface PlannedFormat {
  readonly format: string;
  readonly bits: number;
}

/** What the list of tensors shows of a plan, and which plan it is; the plan itself crosses when its view opens. */
export interface PlanOutline {
  /** Increases with every other plan. */
  readonly revision: number;
  readonly formats: readonly PlannedFormat[];
  /** For each tensor of the model, in its order, the index of its format; −1 where the plan does not list it. */
  readonly of: readonly number[];
  /** The GGUF file that the plan is to beat. */
  readonly rival?: string;
  /** Present where a file next to the model has a plan that the solver would not make at its size. */
  readonly edited?: EditedPlan;
}

/** A plan of a file that the solver would not make. */
export interface EditedPlan {
  /** Base name of its file. */
  readonly file: string;
  /** Why it is not the solver's: "it was improved by measured swaps". */
  readonly reason: string;
  /** Whether the user had the solver replace it; the file is unchanged. */
  readonly replaced: boolean;
}

/** @param tensors names of the model's tensors, in its order; those that are merged in the exported file share a format. */
export function outlineOf(
  plan: Plan,
  revision: number,
  tensors: readonly string[],
  edited?: EditedPlan,
): PlanOutline {
  const formats: PlannedFormat[] = [];
  const places = new Map<string, number>();
  const bySource = new Map<string, number>();
  for (const { sources, format, bitsPerWeight: bits } of plan.assignments) {
    const key = `${bits} ${format}`;
    const place = places.get(key) ?? formats.push({ format, bits }) - 1;
    places.set(key, place);
    for (const source of sources) bySource.set(source, place);
  }
  const of = tensors.map((name) => bySource.get(name) ?? -1);
  return { revision, formats, of, ...(edited ? { edited } : {}) };
}

/** What the plan gives each tensor that it lists, by name. */
export function plannedFormats(
  { formats, of }: PlanOutline,
  tensors: readonly { readonly name: string }[],
): Map<string, PlannedFormat> {
  const planned = new Map<string, PlannedFormat>();
  for (const [index, place] of of.entries()) {
    const tensor = tensors[index];
    if (tensor && place >= 0) planned.set(tensor.name, formats[place]!);
  }
  return planned;
}
