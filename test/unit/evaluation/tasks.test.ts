import { describe, expect, it } from 'vitest';
import { choiceInputs, choiceTexts, parseTasks, readTasks, scoreTasks } from '../../../src/evaluation/tasks';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import type { TextTokenizer } from '../../../src/evaluation/tokenizer/textTokenizer';
import { openModel } from '../../../src/layouts/openModel';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const jsonl = (...values: unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');
const ask = (answer: unknown) => ({ question: 'Who?', choices: ['Romeo', 'B', '2'], answer });

describe('files of questions', () => {
  it.each([
    [0, 0],
    ['Romeo', 0],
    ['B', 1],
    ['c', 2],
    ['2', 2],
    ['1', 1],
  ])('take %j for the answer number %i', (answer, index) => {
    expect(parseTasks(jsonl(ask(answer)), 'q.jsonl')[0]!.answer).toBe(index);
  });

  it('are read line by line, blank ones skipped', async () => {
    const text = `${jsonl(ask(0))}\r\n\n  \n${jsonl({ ...ask(1), subject: 'more' })}\n`;
    const questions = await readTasks(writeFile(folder, 'questions.jsonl', text));
    expect(questions).toEqual([
      { question: 'Who?', choices: ['Romeo', 'B', '2'], answer: 0, line: 1 },
      { question: 'Who?', choices: ['Romeo', 'B', '2'], answer: 1, line: 4 },
    ]);
  });

  it.each([
    ['{"question": "a"', /^Line 2 is not JSON \(.+\)\. \(q\.jsonl\)$/],
    ['["a"]', /^Line 2 needs a "question" that is text\. \(q\.jsonl\)$/],
    [jsonl({ ...ask(0), choices: ['a'] }), /^Line 2 needs "choices": two or more texts, none empty\./],
    [jsonl({ ...ask(0), choices: ['a', ''] }), /^Line 2 needs "choices"/],
    [jsonl(ask(3)), /^Line 2 has the answer 3, which is not the index of a choice, its text, or its letter/],
    [jsonl(ask('D')), /^Line 2 has the answer "D"/],
    [jsonl(ask(0.5)), /^Line 2 has the answer 0\.5/],
    [jsonl({ question: '', choices: ['a', 'b'] }), /^Line 2 has no answer; it is the index of a choice/],
  ])('name the line of %s', (line, message) => {
    const read = (): unknown => parseTasks(`\n${line}`, 'q.jsonl');
    expect(read).toThrow(expect.objectContaining({ code: 'REQUEST' }));
    expect(read).toThrow(message);
  });

  it('are rejected when they are empty, not UTF-8 or missing', async () => {
    const empty = writeFile(folder, 'empty.jsonl', '\n\n');
    await expect(readTasks(empty)).rejects.toThrow(`The file has no questions. (${empty})`);
    const damaged = writeFile(folder, 'latin1.jsonl', Buffer.from('{"question": "\xe9"}', 'latin1'));
    await expect(readTasks(damaged)).rejects.toThrow(`The file is not UTF-8 text. (${damaged})`);
    await expect(readTasks(`${folder}/none.jsonl`)).rejects.toMatchObject({ code: 'IO' });
  });
});

describe('a question and a choice', () => {
  it.each([
    ['Who is it?', 'Romeo', 'Who is it?', ' Romeo'],
    ['Answer: ', 'Romeo', 'Answer:', ' Romeo'],
    ['ROMEO:\n', 'But soft', 'ROMEO:', '\nBut soft'],
    ['Who?', ' Romeo', 'Who?', ' Romeo'],
    ['', 'Romeo', '', 'Romeo'],
  ])(
    '%j and %j are joined so that white space goes with the choice',
    (question, choice, context, continuation) => {
      expect(choiceTexts(question, choice)).toEqual({ context, continuation });
    },
  );
});

describe('tokens of choices', () => {
  const question = { question: 'ROMEO:', choices: ['But soft', 'O, speak again'], answer: 0, line: 7 };
  const sample = async (change: Partial<TextTokenizer> = {}): Promise<TextTokenizer> => {
    const model = await openModel(sampleFolder);
    const tokenizer = await openTokenizer(model);
    await model.close();
    return { ...tokenizer, ...change };
  };

  it('are those of the whole text; targets are those of the choice', async () => {
    const tokenizer = await sample();
    const inputs = await choiceInputs(question, tokenizer, 256, 'q.jsonl');
    const whole = await tokenizer.encode('ROMEO: O, speak again');
    const context = await tokenizer.encode('ROMEO:');
    expect(inputs[1]!.inputs).toEqual(whole.slice(0, -1));
    const scored = [...inputs[1]!.targets].filter((target) => target >= 0);
    expect(tokenizer.decode(scored)).toBe(' O, speak again');
    expect([...inputs[1]!.targets]).toEqual([
      ...Array.from({ length: context.length - 1 }, () => -1),
      ...whole.slice(context.length),
    ]);
  });

  it('have BOS before them where the model adds it', async () => {
    const plain = await choiceInputs(question, await sample(), 256, 'q.jsonl');
    const [withBos] = await choiceInputs(question, await sample({ bos: 5, addsBos: true }), 256, 'q.jsonl');
    expect([...withBos!.inputs]).toEqual([5, ...plain[0]!.inputs]);
    expect([...withBos!.targets]).toEqual([-1, ...plain[0]!.targets]);
  });

  it('have BOS for a context where there is no other', async () => {
    const tokenizer = await sample();
    const [inputs] = await choiceInputs({ ...question, question: '' }, tokenizer, 256, 'q.jsonl');
    const soft = await tokenizer.encode('But soft');
    expect([...inputs!.inputs]).toEqual([1023, ...soft.slice(0, -1)]);
    expect(inputs!.targets).toEqual(soft);
  });

  it('lose their beginning where they are longer than the model’s context', async () => {
    const tokenizer = await sample();
    const long = { ...question, question: 'ROMEO: '.repeat(100) };
    const [inputs] = await choiceInputs(long, tokenizer, 16, 'q.jsonl');
    const whole = await tokenizer.encode('ROMEO: '.repeat(100) + 'But soft');
    expect(inputs!.inputs).toEqual(whole.slice(-17, -1));
    expect([...inputs!.targets].slice(-3)).toEqual([...whole.slice(-3)]);
  });

  it('name the line of a choice that does not fit or has no tokens', async () => {
    const tokenizer = await sample();
    await expect(choiceInputs(question, tokenizer, 3, 'q.jsonl')).rejects.toThrow(
      /^Line 7 has a choice of \d+ tokens; the model's context is 3\. \(q\.jsonl\)$/,
    );
    const silent = { ...tokenizer, encode: () => Promise.resolve(Int32Array.of(1, 2)) };
    await expect(choiceInputs(question, silent, 256, 'q.jsonl')).rejects.toThrow(
      'Line 7 has a choice, number 0, that adds no token to the question. (q.jsonl)',
    );
    const nothing = Object.fromEntries(
      Object.entries(tokenizer).filter(([key]) => key !== 'bos' && key !== 'eos'),
    ) as unknown as TextTokenizer;
    await expect(choiceInputs({ ...question, question: '' }, nothing, 256, 'q.jsonl')).rejects.toThrow(
      'Line 7 has no question, and the model has no token that begins a text. (q.jsonl)',
    );
  });
});

describe('scores of questions', () => {
  const questions = parseTasks(
    jsonl(
      { question: 'a', choices: ['yes', 'no, never'], answer: 1 },
      { question: 'b', choices: ['yes', 'no'], answer: 0 },
      { question: 'c', choices: ['é', 'e'], answer: 0 },
      { question: 'd', choices: ['x', 'y'], answer: 1 },
    ),
    'q.jsonl',
  );
  // By sums: no, yes, no, no. Per byte: −1 against −0.5, yes; yes; −2 against −3, yes as "é" has two bytes; equal ones: no.
  const sums = [
    [-3, -4.5],
    [-1, -2],
    [-4, -3],
    [-1, -1],
  ];

  it('count right answers, by sum and by byte, with their standard errors', () => {
    const result = scoreTasks('q.jsonl', questions, sums);
    expect(result).toMatchObject({ file: 'q.jsonl', questions: 4 });
    expect(result.accuracy.value).toBe(0.25);
    expect(result.accuracy.standardError).toBeCloseTo(0.25, 12); // √(0.25 · 0.75 / 3)
    expect(result.normalizedAccuracy).toEqual({ value: 0.75, standardError: result.accuracy.standardError });
  });
});
