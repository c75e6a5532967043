import { QuantscopeError } from '../model/errors';
import { fileBytesOf, padded } from '../protocol/fileFrame';
import type { Budget, PlanConstraint, SensitivityTable } from '../protocol/plan';
import { greatestOf, leastOf } from '../protocol/extremes';
import { said, sentences } from '../protocol/said';
import { constraintText } from './constraints';
import { prepareTable, sumOf, type PreparedTable } from './preparedTable';
import { estimatedFrame, type CountedFrame } from './solve';

/**
 * The smallest size of a file whose plan is predicted to diverge by at most so much. The best divergence of a size does not rise with the
 * size, so that it is found by halving, with an exact solution at each step.
 * @param divergence KL divergence, nats per token.
 * @param frame what the file holds besides the tensors of the table.
 * @throws QuantscopeError REQUEST where gains are unknown, naming the smallest divergence where none of the formats reaches this one, and the
 * constraints in the way; or as `classesOf`.
 */
export function smallestBudget(
  table: SensitivityTable,
  divergence: number,
  frame: CountedFrame = estimatedFrame(table),
  constraints: readonly PlanConstraint[] = [],
): Budget {
  const prepared = prepareTable(table, constraints);
  if (!prepared.hasGains)
    throw new QuantscopeError(
      'REQUEST',
      table.weightsOnly === undefined
        ? said`A divergence can only be predicted where the model was run over a text.`
        : said`A divergence can only be predicted where the model was run over a text: ${table.weightsOnly}`,
    );
  const { alignment } = frame;
  let [least, most] = [leastOf, greatestOf].map((extreme) => bytesBy(prepared, alignment, extreme)) as [
    number,
    number,
  ];
  const solver = prepared.solverFor(alignment);
  const bestAt = (bytes: number): number => solver(bytes)!.cost;
  if (bestAt(most) > divergence) throw unreachable(table, divergence, bestAt(most), constraints);
  while (least < most) {
    const middle = Math.floor((least + most) / 2);
    if (bestAt(middle) <= divergence) most = middle;
    else least = middle + 1;
  }
  return { kind: 'bytes', value: fileBytesOf(frame, [least]) };
}

/** Bytes of all tensors with the smallest or the largest option of each class, with padding. */
const bytesBy = (
  { classes, choices }: PreparedTable,
  alignment: number,
  extreme: (sizes: readonly number[]) => number,
): number =>
  sumOf(classes, ({ rows, options }) =>
    extreme(
      options.map((places) =>
        sumOf(places, (place, i) => padded(choices[rows[i]!]![place]!.bytes, alignment)),
      ),
    ),
  );

function unreachable(
  table: SensitivityTable,
  wanted: number,
  reached: number,
  constraints: readonly PlanConstraint[],
): QuantscopeError {
  const leastWith = (kept: readonly PlanConstraint[]): number => {
    const prepared = prepareTable(table, kept);
    return prepared.solverFor(1)(bytesBy(prepared, 1, greatestOf))!.cost;
  };
  const inTheWay = constraints.flatMap((constraint) => {
    const without = leastWith(constraints.filter((other) => other !== constraint));
    return without < reached ? [said`Without ${constraintText(constraint)} it is ${figure(without)}.`] : [];
  });
  return new QuantscopeError(
    'REQUEST',
    sentences([
      constraints.length > 0
        ? said`No plan is predicted to diverge by at most ${figure(wanted)} nats per token: with the measured formats and the constraints the smallest KL divergence is ${figure(reached)}.`
        : said`No plan is predicted to diverge by at most ${figure(wanted)} nats per token: with the measured formats the smallest KL divergence is ${figure(reached)}.`,
      ...inTheWay,
    ]),
  );
}

const figure = (value: number): string => String(Number(value.toPrecision(3)));
