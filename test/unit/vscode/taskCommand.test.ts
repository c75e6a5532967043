import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json';
import { taskArguments, taskCommands, taskSettings, tasksOf } from '../../../src/vscode/tasks/taskCommand';

const model = {
  ...{ file: '/ws/models/tiny/model.safetensors', folder: '/ws/models/tiny', name: 'tiny' },
  files: ['/ws/models/tiny/model.safetensors'],
};

describe('tasks of a model', () => {
  it('name their files relative to the workspace', () => {
    const tasks = tasksOf(model, (path) => relative('/ws', path));
    expect(tasks.map(taskArguments)).toEqual([
      ['doctor', 'models/tiny/model.safetensors', '--problems'],
      [
        ...['recommend', 'models/tiny/model.safetensors', '--budget', '4.5bpw'],
        ...['--out', 'models/tiny/tiny-4.5bpw.ampq.json'],
      ],
      [
        ...['export', 'models/tiny/model.safetensors', '--type', 'Q4_K_M'],
        ...['--out', 'models/tiny/tiny-Q4_K_M.gguf'],
      ],
      ['eval', 'models/tiny/model.safetensors', '--text', '${file}'],
    ]);
  });

  it('take no path for an option', () => {
    const dashed = { ...model, file: '/ws/--fix/model.gguf', folder: '/ws/--fix', name: '--fix' };
    const [doctor, recommend] = tasksOf(dashed, (path) => relative('/ws', path));
    expect(doctor!.model).toBe('./--fix/model.gguf');
    expect(recommend!.args!.at(-1)).toBe('./--fix/--fix-4.5bpw.ampq.json');
  });

  it.each(['${command:workbench.action.quit}', '${file}'])(
    'are not offered for a folder named %s',
    (name) => {
      const named = { ...model, file: `/ws/${name}/model.gguf`, folder: `/ws/${name}`, name };
      expect(tasksOf(named, (path) => relative('/ws', path))).toEqual([]);
    },
  );

  it('are those that package.json defines', () => {
    const [definition] = packageJson.contributes.taskDefinitions;
    expect(definition!.properties.command.enum).toEqual(taskCommands);
  });

  it.each([
    [
      { command: 'doctor', model: 'm' },
      { command: 'doctor', model: 'm', args: [] },
    ],
    [
      { command: 'eval', model: 'm', args: ['--text', 't'] },
      { command: 'eval', model: 'm', args: ['--text', 't'] },
    ],
    [{ command: 'remove', model: 'm' }, undefined],
    [{ command: 'doctor' }, undefined],
    [{ command: 'doctor', model: 'm', args: [1] }, undefined],
  ])('of tasks.json are checked: %j', (definition, settings) => {
    expect(taskSettings(definition)).toEqual(settings);
  });
});

describe('problem matchers', () => {
  const matched = (name: string, line: string): string[] => {
    const matcher = packageJson.contributes.problemMatchers.find((item) => item.name === name)!;
    return [...(new RegExp(matcher.pattern.regexp).exec(line) ?? [])].slice(1);
  };

  it('take a finding of the doctor apart', () => {
    const line = '/m/config.json:3:5: warning: "vocab_size" is [1000]. [config/vocabulary]';
    expect(matched('quantscope-doctor', line)).toEqual([
      ...['/m/config.json', '3', '5', 'warning', '"vocab_size" is [1000].', 'config/vocabulary'],
    ]);
    expect(matched('quantscope-doctor', '10.49 MB of weights read: nothing wrong.')).toEqual([]);
  });

  it('take an error that names its file apart', () => {
    const line = 'quantscope: The header is cut off (of 3). (/m/a (1).gguf, tensor "x", byte 12)';
    expect(matched('quantscope', line)).toEqual(['The header is cut off (of 3).', '/m/a (1).gguf']);
    expect(matched('quantscope', 'quantscope: unknown option --x')).toEqual([]);
  });
});
