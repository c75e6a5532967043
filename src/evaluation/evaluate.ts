import type { Decoder } from '../graph/transformer/decoder';
import { QuantscopeError } from '../model/errors';
import type { EvaluationPoint, TaskResult } from '../protocol/evaluation';
import { said } from '../protocol/said';
import { tokenDivergences, tokenLosses, type TokenDivergences } from './divergence';
import { scoredStates, sumLogits, type ScoreBase, type WaveOptions } from './scoring';
import { joinArrays } from './joinArrays';
import { scoreTasks, type Question } from './tasks';
import type { ScoredInputs } from './windows';

/** Results for each scored token. */
export interface TokenScores {
  /** −ln p, nats. */
  readonly losses: Float64Array;
  /** Where there is a base. */
  readonly divergences?: TokenDivergences;
}

export interface ScoreOptions extends WaveOptions {
  readonly base?: ScoreBase | undefined;
  readonly onPoint?: ((point: EvaluationPoint) => void) | undefined;
}

/**
 * Scores every target of some windows, which all have the decoder's length.
 * @throws QuantscopeError UNSUPPORTED when the model gives NaN or infinity.
 */
export async function scoreWindows(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  options: ScoreOptions,
): Promise<TokenScores> {
  const { base, onPoint } = options;
  const waves: TokenScores[] = [];
  const curve = new Curve(windows);
  for await (const wave of scoredStates(decoder, windows, options)) {
    const sums = await sumLogits(decoder, wave, base, options);
    const losses = tokenLosses(sums);
    ensureFinite(
      'loss',
      losses,
      wave.firstToken,
      said`the weights, or what the formats make of them, overflow`,
    );
    const divergences = base ? tokenDivergences(sums) : undefined;
    if (divergences)
      ensureFinite(
        'divergence',
        divergences.divergences,
        wave.firstToken,
        said`the weights of the base overflow`,
      );
    waves.push({ losses, ...(divergences ? { divergences } : {}) });
    for (const point of curve.extend(losses, divergences?.divergences)) onPoint?.(point);
  }
  return joinScores(waves);
}

/** Figures over all tokens up to the end of each window. */
class Curve {
  private windowsDone = 0;
  private tokens = 0;
  private loss = 0;
  private divergence = 0;

  constructor(private readonly windows: readonly ScoredInputs[]) {}

  /** The points of the windows whose tokens come next. */
  *extend(losses: Float64Array, divergences: Float64Array | undefined): Generator<EvaluationPoint> {
    for (let at = 0; at < losses.length;) {
      const end = at + countScored(this.windows[this.windowsDone++]!);
      this.tokens += end - at;
      this.loss += total(losses.subarray(at, end));
      if (divergences) this.divergence += total(divergences.subarray(at, end));
      at = end;
      yield {
        windows: this.windowsDone,
        perplexity: Math.exp(this.loss / this.tokens),
        ...(divergences ? { divergence: this.divergence / this.tokens } : {}),
      };
    }
  }
}

const countScored = ({ targets }: ScoredInputs): number =>
  targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);

/** @throws QuantscopeError UNSUPPORTED naming the first token whose figure is not finite. */
function ensureFinite(figure: string, values: Float64Array, firstToken: number, why: string): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  const message = said`The ${figure} of scored token ${firstToken + bad} is ${values[bad]!}: ${why}.`;
  throw new QuantscopeError('UNSUPPORTED', message);
}

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

function joinScores(waves: readonly TokenScores[]): TokenScores {
  const divergences = waves.flatMap((wave) => wave.divergences ?? []);
  const join = (name: keyof TokenDivergences): Float64Array =>
    joinArrays(
      Float64Array,
      divergences.map((part) => part[name]),
    );
  return {
    losses: joinArrays(
      Float64Array,
      waves.map(({ losses }) => losses),
    ),
    ...(divergences.length > 0
      ? {
          divergences: {
            baseLosses: join('baseLosses'),
            divergences: join('divergences'),
            sameTop: join('sameTop'),
            deltaP: join('deltaP'),
          },
        }
      : {}),
  };
}

/** Log-likelihoods of the choices of questions, and the accuracy that follows. */
export async function scoreQuestions(
  decoder: Decoder,
  file: string,
  questions: readonly Question[],
  inputs: readonly (readonly ScoredInputs[])[],
  options: WaveOptions,
): Promise<TaskResult> {
  const choices = inputs.flat().map((choice) => padded(choice, decoder.length));
  const { losses } = await scoreWindows(decoder, choices, options);
  let at = 0;
  const likelihoods = inputs.map((ofQuestion) =>
    ofQuestion.map((choice) => {
      const count = countScored(choice);
      at += count;
      return -total(losses.subarray(at - count, at));
    }),
  );
  return scoreTasks(file, questions, likelihoods);
}

/** Positions after the last input do not affect it: attention is causal. */
function padded({ inputs, targets }: ScoredInputs, length: number): ScoredInputs {
  const longer = { inputs: new Int32Array(length), targets: new Int32Array(length).fill(-1) };
  longer.inputs.set(inputs);
  longer.targets.set(targets);
  return longer;
}
