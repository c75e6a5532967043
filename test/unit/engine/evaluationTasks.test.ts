import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scoreWindows } from '../../../src/evaluation/evaluate';
import { choiceInputs, parseTasks } from '../../../src/evaluation/tasks';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import type { ScoredInputs } from '../../../src/evaluation/windows';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';
import { softmax } from '../../support/reference/math';
import { referenceLogits } from '../../support/reference/models';

const folder = temporaryFolder();
const { evaluate } = engineJobs(folder);
const signal = new AbortController().signal;

const questions = [
  { question: 'ROMEO:\nO, she doth teach the', choices: ['torches to burn bright', 'king', 'and and the'] },
  { question: 'KING RICHARD III:\nA horse! a horse! my', choices: ['kingdom for a horse!', 'lord'] },
  { question: 'To be, or not to', choices: ['be', 'the', 'have', 'day'] },
  { question: 'First Citizen:\nWe are', choices: ['accounted poor citizens', 'gone', 'a'] },
];

/** A file of questions with these answers. */
const fileOf = (name: string, answers: readonly number[]): string => {
  const lines = questions.map((question, i) => JSON.stringify({ ...question, answer: answers[i] }));
  return writeFile(folder, name, `${lines.join('\n')}\n`);
};

/** What goes in for each choice of each question, and the log-likelihoods of an independent forward pass. */
async function referenceLikelihoods(): Promise<{ inputs: ScoredInputs[][]; likelihoods: number[][] }> {
  const model = await openModel(sampleFolder);
  const tokenizer = await openTokenizer(model, signal);
  await model.close();
  const checkpoint = new Checkpoint(sampleFolder);
  const inputs: ScoredInputs[][] = [];
  for (const question of parseTasks(readFileSync(fileOf('any.jsonl', [0, 0, 0, 0]), 'utf8'), 'any.jsonl'))
    inputs.push(await choiceInputs(question, tokenizer, 256, 'any.jsonl'));
  const likelihood = (choice: ScoredInputs): number => {
    const rows = referenceLogits(checkpoint, [...choice.inputs]).map(softmax);
    return choice.targets.reduce(
      (sum, target, i) => (target < 0 ? sum : sum + Math.log(rows[i]![target]!)),
      0,
    );
  };
  return { inputs, likelihoods: inputs.map((choices) => choices.map(likelihood)) };
}
const reference = referenceLikelihoods();

const best = (scores: readonly number[]): number => scores.indexOf(Math.max(...scores));

describe('multiple-choice questions', () => {
  it('have the log-likelihoods of an independent forward pass', async () => {
    const { inputs, likelihoods } = await reference;
    const longest = Math.max(...inputs.flat().map((choice) => choice.inputs.length));
    const model = await openModel(sampleFolder);
    const decoder = await openDecoder(model, { device: 'ort-cpu', length: longest, keep: true });
    for (const [i, choices] of inputs.entries())
      for (const [j, choice] of choices.entries()) {
        const padded = { inputs: new Int32Array(longest), targets: new Int32Array(longest).fill(-1) };
        padded.inputs.set(choice.inputs);
        padded.targets.set(choice.targets);
        const { losses } = await scoreWindows(decoder, [padded], { windowsAtOnce: 1 });
        const sum = losses.reduce((total, loss) => total + loss, 0);
        expect(Math.abs(sum + likelihoods[i]![j]!), `${i}, ${j}`).toBeLessThan(2e-4);
      }
    await decoder.close();
    await model.close();
  });

  it('are answered with the choice that has the largest one, or the largest one per byte', async () => {
    const { likelihoods } = await reference;
    const bySum = likelihoods.map(best);
    const byByte = likelihoods.map((scores, i) =>
      best(scores.map((score, j) => score / Buffer.byteLength(questions[i]!.choices[j]!))),
    );
    expect(bySum).not.toEqual(byByte); // they would show nothing otherwise
    for (const [name, answers] of Object.entries({ bySum, byByte })) {
      const share = (chosen: readonly number[]): number =>
        chosen.filter((choice, i) => choice === answers[i]).length / 4;
      const tasks = fileOf(`${name}.jsonl`, answers);
      const result = await evaluate({ tasks, threads: 1 });
      expect(result.tasks).toMatchObject({ file: tasks, questions: 4 });
      expect(result.tasks!.accuracy.value).toBe(share(bySum));
      expect(result.tasks!.normalizedAccuracy.value).toBe(share(byByte));
      expect(result).not.toHaveProperty('text');
    }
  });

  it('are all wrong when the answers are, and go with a text in one run', async () => {
    const { likelihoods } = await reference;
    const wrong = likelihoods.map((scores) => (best(scores) + 1) % scores.length);
    const text = join(sampleFolder, 'generated-eval.txt');
    const settings = { text, context: 64, windows: 1, memory: 'streamed', threads: 1 } as const;
    const {
      tasks,
      text: scored,
      variant,
    } = await evaluate({ ...settings, tasks: fileOf('wrong.jsonl', wrong), type: 'Q8_0' });
    expect(tasks!.accuracy).toEqual({ value: 0, standardError: 0 });
    expect(scored!.scoredTokens).toBe(31);
    expect(variant).toBe('Q8_0');
    expect(scored!.divergence!.mean.value).toBeGreaterThan(0);
  });

  it('that are invalid are named with file and line', async () => {
    const tasks = writeFile(
      folder,
      'bad.jsonl',
      '{"question": "Who?", "choices": ["a", "b"], "answer": 2}\n',
    );
    await expect(evaluate({ tasks })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(/^Line 1 has the answer 2, .*bad\.jsonl\)$/) as string,
    });
  });
});
