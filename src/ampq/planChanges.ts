import type { Plan, PlanAssignment } from '../protocol/plan';

/** What a plan says of a tensor. */
export interface TensorFigures extends Pick<PlanAssignment, 'format' | 'bitsPerWeight' | 'bytes'> {
  /** What its format is expected to cost, in the measure of the comparison; undefined where that is not known. */
  readonly expected?: number;
}

/** A tensor in two plans; a side is absent where its plan does not list it. */
export interface ComparedTensor {
  readonly tensor: string;
  readonly before?: TensorFigures;
  readonly after?: TensorFigures;
  /** What the second plan has more; absent where a side is missing or not known. */
  readonly bytes?: number;
  readonly expected?: number;
}

/** What one plan has otherwise than another. */
export interface PlanChanges {
  /**
   * Of expected figures: the KL divergence that a tensor adds (gain × relative squared error, nats per token) where the plans know gains, else
   * its relative squared error.
   */
  readonly measure: 'divergence' | 'error';
  /** Tensors with another format or size, the largest change of the expected figure first; those where it is not known by bytes, at the end. */
  readonly changed: readonly ComparedTensor[];
  readonly onlyBefore: readonly ComparedTensor[];
  readonly onlyAfter: readonly ComparedTensor[];
  /** In the order of the second plan. */
  readonly same: readonly ComparedTensor[];
}

/** Compares two plans tensor by tensor, by names in the exported file. */
export function planChanges(
  { assignments: before }: Pick<Plan, 'assignments'>,
  { assignments: after }: Pick<Plan, 'assignments'>,
): PlanChanges {
  const measure = [...before, ...after].some((item) => divergenceOf(item) !== undefined)
    ? 'divergence'
    : 'error';
  const figures = (item: PlanAssignment): TensorFigures => figuresOf(item, measures[measure]);
  const earlier = new Map(before.map((item) => [item.tensor, item]));
  const later = new Set(after.map(({ tensor }) => tensor));
  const both = after.flatMap((item) => {
    const own = earlier.get(item.tensor);
    return own ? [compared(item.tensor, figures(own), figures(item))] : [];
  });
  const isChanged = ({ before: from, after: to }: ComparedTensor): boolean =>
    from!.format !== to!.format || from!.bytes !== to!.bytes;
  return {
    measure,
    changed: both.filter(isChanged).sort(byChange),
    same: both.filter((item) => !isChanged(item)),
    onlyBefore: before
      .filter(({ tensor }) => !later.has(tensor))
      .map((item) => ({ tensor: item.tensor, before: figures(item) })),
    onlyAfter: after
      .filter(({ tensor }) => !earlier.has(tensor))
      .map((item) => ({ tensor: item.tensor, after: figures(item) })),
  };
}

/** Predicted KL divergence, nats per token. An exact tensor adds none, whatever its gain. */
function divergenceOf({ relativeSquaredError: error, gain }: PlanAssignment): number | undefined {
  if (error === undefined || gain === undefined) return undefined;
  return error === 0 ? 0 : error * gain;
}

const measures: Readonly<Record<PlanChanges['measure'], (item: PlanAssignment) => number | undefined>> = {
  divergence: (item) => (item.relativeSquaredError === 0 ? 0 : divergenceOf(item)),
  error: ({ relativeSquaredError }) => relativeSquaredError,
};

function figuresOf(
  item: PlanAssignment,
  measure: (item: PlanAssignment) => number | undefined,
): TensorFigures {
  const { format, bitsPerWeight, bytes } = item;
  const expected = measure(item);
  return { ...{ format, bitsPerWeight, bytes }, ...(expected === undefined ? {} : { expected }) };
}

function compared(tensor: string, before: TensorFigures, after: TensorFigures): ComparedTensor {
  const isKnown = before.expected !== undefined && after.expected !== undefined;
  return {
    ...{ tensor, before, after },
    bytes: after.bytes - before.bytes,
    ...(isKnown ? { expected: after.expected - before.expected } : {}),
  };
}

/** Figures that are not known come last. */
function byChange(a: ComparedTensor, b: ComparedTensor): number {
  const [first, second] = [a, b].map(({ expected }) => (expected === undefined ? -1 : Math.abs(expected)));
  return second! - first! || Math.abs(b.bytes!) - Math.abs(a.bytes!);
}
