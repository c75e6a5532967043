import type { Estimate } from '../protocol/estimate';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { readTextFile } from '../model/textFile';
import type { TaskResult } from '../protocol/evaluation';
import { share } from './statistics';
import type { TextTokenizer } from './tokenizer/textTokenizer';
import type { ScoredInputs } from './windows';
import { greatestOf } from '../protocol/extremes';
import { said } from '../protocol/said';

/** A multiple-choice question. */
export interface Question {
  readonly question: string;
  readonly choices: readonly string[];
  /** Index of the right choice. */
  readonly answer: number;
  /** Of the file, from 1; errors name it. */
  readonly line: number;
}

/** The largest published sets of questions have some tens of megabytes (bytes). */
const maxTaskFile = 512 * 1024 * 1024;

/**
 * Reads questions from JSONL: `{"question", "choices", "answer"}`, blank lines skipped.
 * @throws QuantscopeError REQUEST naming file and line of what is not a question, IO when the file cannot be read.
 */
export async function readTasks(file: string, signal?: AbortSignal): Promise<Question[]> {
  const text = await readTextFile(file, maxTaskFile, signal);
  return parseTasks(text.replace(/^\uFEFF/, ''), file);
}

/** The questions of a file's text; `file` is for errors. */
export function parseTasks(text: string, file: string): Question[] {
  const questions = text
    .split(/\r?\n/)
    .flatMap((line, index) => (line.trim() === '' ? [] : [parseQuestion(line, index + 1, file)]));
  if (questions.length === 0)
    throw new QuantscopeError('REQUEST', said`The file has no questions.`, { file });
  return questions;
}

function parseQuestion(text: string, line: number, file: string): Question {
  const value = parseJson(text, line, file);
  const { question, choices, answer } = isRecord(value) ? value : {};
  if (typeof question !== 'string') throw badLine(line, 'needs a "question" that is text', file);
  if (!isChoices(choices)) throw badLine(line, said`needs "choices": two or more texts, none empty`, file);
  const index = answerIndex(answer, choices);
  if (index !== undefined) return { question, choices, answer: index, line };
  const wanted = said`the index of a choice, its text, or its letter (A, B, …)`;
  const problem =
    answer === undefined
      ? said`has no answer; it is`
      : said`has the answer ${JSON.stringify(answer)}, which is not`;
  throw badLine(line, `${problem} ${wanted}`, file);
}

function parseJson(text: string, line: number, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badLine(
      line,
      said`is not JSON (${cause instanceof Error ? cause.message : String(cause)})`,
      file,
      cause,
    );
  }
}

function badLine(line: number, what: string, file: string, cause?: unknown): QuantscopeError {
  return new QuantscopeError('REQUEST', said`Line ${line} ${what}.`, { file }, cause);
}

const isChoices = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length > 1 &&
  value.every((choice) => typeof choice === 'string' && choice !== '');

/** A choice's own text takes precedence over letters and digits, which may be texts of choices. */
function answerIndex(answer: unknown, choices: readonly string[]): number | undefined {
  const index = typeof answer === 'string' ? indexOfText(answer, choices) : answer;
  const valid = typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < choices.length;
  return valid ? index : undefined;
}

function indexOfText(answer: string, choices: readonly string[]): number {
  const same = choices.indexOf(answer);
  if (same >= 0) return same;
  if (/^[A-Z]$/i.test(answer)) return answer.toUpperCase().charCodeAt(0) - 'A'.charCodeAt(0);
  return /^\d+$/.test(answer) ? Number(answer) : -1;
}

/**
 * Context and continuation as texts: white space at the question's end belongs to the choice, and a space goes between the two when
 * there is none (lm-evaluation-harness, api/model.py, _encode_pair, with its delimiter).
 */
export function choiceTexts(question: string, choice: string): { context: string; continuation: string } {
  const context = question.trimEnd();
  const rest = question.slice(context.length) + choice;
  return { context, continuation: context === '' || /^\s/.test(rest) ? rest : ` ${rest}` };
}

/**
 * What goes into the model for each choice: tokens of context and continuation together, without the last, of which nothing is
 * predicted; targets are the continuation's. The continuation's tokens are those of the whole text after as many as the context
 * has alone. BOS goes first where the model adds it; without any context, it or EOS is the context. What exceeds the model's context
 * loses its beginning.
 * @param contextLength the most tokens that the model takes.
 * @throws QuantscopeError REQUEST naming file and line when a choice adds no tokens or more than fit.
 */
export async function choiceInputs(
  { question, choices, line }: Question,
  tokenizer: TextTokenizer,
  contextLength: number,
  file: string,
  signal?: AbortSignal,
): Promise<ScoredInputs[]> {
  const before = (await tokenizer.encode(question.trimEnd(), { signal })).length;
  const first = firstToken(tokenizer, before === 0);
  if (before === 0 && first.length === 0)
    throw badLine(line, said`has no question, and the model has no token that begins a text`, file);
  const all: ScoredInputs[] = [];
  for (const [index, choice] of choices.entries()) {
    const { context, continuation } = choiceTexts(question, choice);
    const tokens = await tokenizer.encode(context + continuation, { signal });
    const scored = tokens.length - before;
    if (scored < 1)
      throw badLine(line, said`has a choice, number ${index}, that adds no token to the question`, file);
    if (scored > contextLength)
      throw badLine(
        line,
        said`has a choice of ${scored} tokens; the model's context is ${contextLength}`,
        file,
      );
    all.push(scoredTail([...first, ...tokens], scored, contextLength));
  }
  return all;
}

function firstToken({ bos, eos, addsBos }: TextTokenizer, needed: boolean): number[] {
  const first = addsBos || needed ? (bos ?? (needed ? eos : undefined)) : undefined;
  return first === undefined ? [] : [first];
}

/** The last `scored` tokens are targets. */
function scoredTail(tokens: readonly number[], scored: number, contextLength: number): ScoredInputs {
  const kept = tokens.slice(-(contextLength + 1));
  const inputs = Int32Array.from(kept.slice(0, -1));
  const targets = new Int32Array(inputs.length).fill(-1);
  targets.set(kept.slice(-scored), inputs.length - scored);
  return { inputs, targets };
}

/**
 * Accuracy, and accuracy by log-likelihood per byte of the choice (UTF-8, as it appears in the file).
 * @param logLikelihoods nats, [question][choice]: sums over the continuation's tokens. Of equal ones the first is taken.
 */
export function scoreTasks(
  file: string,
  questions: readonly Question[],
  logLikelihoods: readonly (readonly number[])[],
): TaskResult {
  const right = (scoreOf: (sum: number, choice: string) => number): Estimate =>
    share(
      Float64Array.from(questions, ({ choices, answer }, i) => {
        const scores = choices.map((choice, j) => scoreOf(logLikelihoods[i]?.[j] ?? -Infinity, choice));
        return scores.indexOf(greatestOf(scores)) === answer ? 1 : 0;
      }),
    );
  return {
    file,
    questions: questions.length,
    accuracy: right((sum) => sum),
    normalizedAccuracy: right((sum, choice) => sum / Buffer.byteLength(choice)),
  };
}
