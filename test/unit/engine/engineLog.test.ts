import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EngineClient } from '../../../src/engine/client';
import { printedLine } from '../../../src/engine/printedLine';
import { requestLog } from '../../../src/engine/requestLog';
import type { EngineOutbound, LogLine } from '../../../src/protocol/engine';
import { projectRoot, sampleFolder, temporaryFolder, writeFile } from '../../support/files';

describe('a line that an engine process printed', () => {
  it.each([
    ['2026-01-01 10:00:00.1 [E:onnxruntime:, session.cc:12 Run] no memory', 'error'],
    ['2026-01-01 10:00:00.1 [F:onnxruntime:Default, env.cc:1] broken', 'error'],
    ['2026-01-01 10:00:00.1 [W:onnxruntime:, graph.cc:3 Clean] unused', 'warn'],
    ['2026-01-01 10:00:00.1 [I:onnxruntime:, graph.cc:3 Clean] folded', 'debug'],
    ['2026-01-01 10:00:00.1 [V:onnxruntime:, graph.cc:3 Clean] placed', 'trace'],
    ['(node:12) ExperimentalWarning: something is new', 'warn'],
    ['(Use `node --trace-warnings ...` to show where the warning was created)', 'debug'],
    ['FATAL ERROR: Reached heap limit Allocation failed', 'error'],
    ["TypeError [ERR_X]: Cannot read properties of undefined (reading 'a')", 'error'],
    ['    at serve (engine.mjs:1:2)', 'error'],
    ['a driver says something', 'info'],
  ] as const)('%s: %s', (text, level) => expect(printedLine(text, 'info')).toEqual({ text, level }));

  it('has the level of its stream where it says none, and no colours', () => {
    expect(printedLine('\u001b[0;93mlow on memory\u001b[m', 'warn')).toEqual({
      text: 'low on memory',
      level: 'warn',
    });
  });
});

describe('the log of a request', () => {
  const lines = (error?: Parameters<ReturnType<typeof requestLog>>[0]): string[] => {
    const sent: EngineOutbound[] = [];
    requestLog(7, 'model/open', (message) => sent.push(message))(error);
    return sent.map((line) => (line.kind === 'log' ? `${line.level} ${line.text}` : line.kind));
  };

  it('has its beginning, and its end with the time', () => {
    const [begins, ends] = lines();
    expect(begins).toBe('trace request 7, model/open: begins');
    expect(ends).toMatch(/^debug request 7, model\/open: \d+ ms$/);
  });

  it('has errors of models as details, as their callers show them, and faults of the engine with their stacks', () => {
    expect(lines({ code: 'MODEL_FILE', message: 'It is empty.' })[1]).toMatch(
      /^debug .* \d+ ms, MODEL_FILE: It is empty\.$/,
    );
    expect(lines({ code: 'INTERNAL', message: 'x is undefined', stack: 'TypeError: x\n at y' })[1]).toMatch(
      /^error .* \d+ ms, TypeError: x\n at y$/,
    );
  });
});

describe('a real engine process', () => {
  const lines: LogLine[] = [];
  const engine = new EngineClient({
    entry: join(projectRoot, 'dist', 'engine.mjs'),
    env: {
      NODE_OPTIONS: `--require ${writeFile(temporaryFolder(), 'warn.cjs', "process.emitWarning('old');")}`,
    },
    log: (line) => lines.push(line),
  });
  afterAll(() => engine.dispose());

  it('logs its start, its requests and what Node prints, each at its level', async () => {
    await engine.call('model/locate', { paths: [sampleFolder] });
    await expect(engine.call('model/open', { path: join(sampleFolder, 'none') })).rejects.toThrow();
    const has = (level: string, text: RegExp): boolean =>
      lines.some((line) => line.level === level && text.test(line.text));
    expect(has('debug', /^process \d+ started with Node v\d+/)).toBe(true);
    expect(has('trace', /^request 1, model\/locate: begins$/)).toBe(true);
    expect(has('debug', /^request 1, model\/locate: \d+ ms$/)).toBe(true);
    expect(has('debug', /^request 2, model\/open: \d+ ms, IO: /)).toBe(true);
    await expect.poll(() => has('warn', /Warning: old$/)).toBe(true);
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
