import { scoreQuestions } from '../../evaluation/evaluate';
import { choiceInputs, readTasks } from '../../evaluation/tasks';
import type { TextTokenizer } from '../../evaluation/tokenizer/textTokenizer';
import type { RunMeasures, TaskResult } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import { StepMeter } from './progress';
import { openChanged, passMeasures, type Run } from './run';
import { contextLengthOf, stepsOf, windowsAtOnce } from './runPlan';

/** Choices are padded to a multiple of this many tokens, to share graphs. */
const lengthStep = 16;

/** Questions that the model answered. */
export interface TaskRun {
  readonly result: TaskResult;
  readonly measures: Omit<RunMeasures, 'seconds'>;
}

/** Lets the model answer multiple-choice questions. */
export async function evaluateTasks(run: Run, file: string, tokenizer: TextTokenizer): Promise<TaskRun> {
  const { where, context } = run;
  const { signal } = context;
  const questions = await readTasks(file, signal);
  const contextLength = await contextLengthOf(run.model, signal);
  const inputs = [];
  for (const question of questions)
    inputs.push(await choiceInputs(question, tokenizer, contextLength, file, signal));
  const choices = inputs.flat();
  const longest = choices.reduce((most, choice) => Math.max(most, choice.inputs.length), 0);
  const decoder = await openChanged(run, Math.ceil(longest / lengthStep) * lengthStep);
  const meter = new StepMeter(
    stepsOf(decoder, choices.length, 0),
    choices.length,
    where.device,
    context.progress,
  );
  try {
    const started = performance.now();
    const result = await scoreQuestions(decoder, file, questions, inputs, {
      ...{ signal, windowsAtOnce: windowsAtOnce(decoder) },
      onStep: (part) => meter.step(said`questions: ${part}`),
    });
    const seconds = (performance.now() - started) / 1000;
    return { result, measures: passMeasures(decoder, choices.length * decoder.length, seconds) };
  } finally {
    await decoder.close();
  }
}
