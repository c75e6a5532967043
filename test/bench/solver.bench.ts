import loadHighs from 'highs';
import { knapsackSolver, type KnapsackSolution, type KnapsackSolver } from '../../src/ampq/knapsack';
import { prepareClasses, type Choice } from '../../src/ampq/knapsackClasses';
import { knapsackFront } from '../../src/ampq/knapsackFront';
import { Random } from '../support/random';
import { median } from '../../src/evaluation/statistics';
import { printSection, table, writeSection } from './document';
import { machine } from './machine';
import { tableOf, timePins } from './solver/pins';

/**
 * npm run bench -- solver [--write]: plans of 10,000 tensors in 20 formats, and instances of the same kind that the mixed-integer solver HiGHS can solve,
 * with its time and optimum.
 */
const formats = 20;
const large = 10_000;
const small = [100, 300, 1000];
const budgets = 101;

/** Matrices of the shapes of a model, whose errors fall by about a quarter with each bit, some more than others. */
function classesOf(count: number): Choice[][] {
  const random = new Random(count);
  return Array.from({ length: count }, (_, i) => {
    const weights = 4096 * [4096, 14336, 1024, 11008][i % 4]!;
    const gain = Math.exp(2 * random.normal());
    return Array.from({ length: formats }, (_, j) => {
      const bits = Math.round(16 * (1.6 + 0.34 * j + 0.2 * random.next())) / 16;
      return { bytes: (weights * bits) / 8, cost: gain * 4 ** -bits * (0.7 + 0.6 * random.next()) };
    });
  });
}

const extremeSum = (classes: Choice[][], extreme: (...values: number[]) => number): number =>
  classes.reduce((sum, choices) => sum + extreme(...choices.map(({ bytes }) => bytes)), 0);

/** Budgets from all smallest to all largest choices, evenly spread. */
function budgetsOf(classes: Choice[][], count: number): number[] {
  const [least, most] = [extremeSum(classes, Math.min), extremeSum(classes, Math.max)];
  return Array.from({ length: count }, (_, i) => Math.floor(least + ((most - least) * (i + 0.5)) / count));
}

/** Milliseconds of processor time, as others use the machine; and the result. */
function timed<T>(run: () => T): [number, T] {
  const start = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(start);
  return [(user + system) / 1000, result];
}

/** The instance as text in CPLEX's LP format. */
function linearProgram(classes: Choice[][], budget: number): string {
  const terms = (of: keyof Choice): string =>
    classes
      .map((choices, i) => choices.map((choice, j) => `${choice[of]} x${i}_${j}`).join(' + '))
      .join('\n + ');
  const names = classes.map((choices, i) => choices.map((_, j) => `x${i}_${j}`));
  const each = names.map((own, i) => `e${i}: ${own.join(' + ')} = 1`);
  return [
    'Minimize',
    terms('cost'),
    'Subject To',
    `b: ${terms('bytes')} <= ${budget}`,
    ...each,
    'Binary',
    ...names.flat(),
    'End',
  ].join('\n');
}

const digits = (value: number): string => String(Number(value.toPrecision(3)));
const highest = (values: readonly number[]): number => Math.max(...values);

interface Solved {
  readonly times: number[];
  readonly solutions: KnapsackSolution[];
}

function solveAll(solver: KnapsackSolver, budgets: readonly number[]): Solved {
  const results = budgets.map((budget) => timed(() => solver(budget)!));
  return { times: results.map(([time]) => time), solutions: results.map(([, solution]) => solution) };
}

function provenText(solutions: readonly KnapsackSolution[]): string {
  const cut = solutions.filter(({ optimal }) => !optimal);
  if (cut.length === 0) return `All ${solutions.length} solutions are proven to be optimal.`;
  const gap = highest(cut.map((solution) => solution.gap)).toExponential(1);
  return `${solutions.length - cut.length} of ${solutions.length} solutions are proven to be optimal; the others cost at most ${gap} more, relatively.`;
}

function largeReport(): string {
  const classes = classesOf(large);
  const [preparing, solver] = timed(() => knapsackSolver(classes));
  solver(budgetsOf(classes, 1)[0]!); // compiles
  const { times, solutions } = solveAll(solver, budgetsOf(classes, budgets));
  const [front, { bytes }] = timed(() => knapsackFront(prepareClasses(classes)));
  return [
    table(
      [`${large.toLocaleString('en')} tensors in ${formats} formats`, 'ms'],
      [
        ['Preparation, once', digits(preparing)],
        [`A budget, median of ${budgets}`, digits(median(times))],
        ['The slowest of them', digits(highest(times))],
        [
          `The front: ${bytes.length.toLocaleString('en')} corners, each an exact optimum, with preparation`,
          digits(front),
        ],
      ],
    ),
    '',
    provenText(solutions),
  ].join('\n');
}

/** Plans of tables whose tensors are pinned one after the other, as the page solves them. */
function pinsReport(): string {
  const milliseconds = (run: () => unknown): number => timed(run)[0];
  const row = (tensors: number): string[] => {
    const { pins, fronts } = timePins(tableOf(tensors, formats), 25, milliseconds);
    const name = `${tensors.toLocaleString('en')} tensors in ${formats} formats`;
    return [name, digits(median(pins)), digits(highest(pins)), digits(median(fronts))];
  };
  return table(
    ['A pin more', 'Exact plan, median of 25 (ms)', 'The slowest (ms)', 'Its front, median (ms)'],
    [large, 23_280].map(row),
  );
}

async function peerReport(): Promise<string> {
  const highs = await loadHighs();
  const rows = small.map((count) => {
    const classes = classesOf(count);
    const budget = budgetsOf(classes, 3)[1]!;
    const [ours, found] = timed(() => knapsackSolver(classes)(budget)!);
    const [theirs, peer] = timed(() =>
      highs.solve(linearProgram(classes, budget), { mip_rel_gap: 0, time_limit: 300 }),
    );
    const difference = (found.cost - peer.ObjectiveValue) / peer.ObjectiveValue;
    return [`${count} × ${formats}`, digits(ours), digits(theirs), peer.Status, difference.toExponential(1)];
  });
  return table(
    [
      'Instance',
      'Quantscope, preparation included (ms)',
      'HiGHS (ms)',
      'HiGHS says',
      'Our cost against that of HiGHS (relative)',
    ],
    rows,
  );
}

const section = [
  `${machine()}; one thread, processor time. Random instances with the bytes of real shapes; costs fall with the bits as errors do.`,
  '',
  largeReport(),
  '',
  pinsReport(),
  '',
  await peerReport(),
].join('\n');
printSection(section);
if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'solver', section);
