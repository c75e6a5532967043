import { basename, dirname, join, sep } from 'node:path';
import type { LocatedModel } from '../../protocol/model';

/** A task of type `quantscope`, as tasks.json has it. */
export interface TaskSettings {
  readonly command: TaskCommand;
  /** A folder, an index or a file; relative to the folder of the workspace. */
  readonly model: string;
  /** Further options of the command. */
  readonly args?: readonly string[];
}

/** Commands that are offered as tasks, with the options that a task of a found model has. `${file}` is the file in the editor. */
const offered = {
  doctor: () => ['--problems'],
  recommend: (stem: string) => ['--budget', '4.5bpw', '--out', `${stem}-4.5bpw.ampq.json`],
  export: (stem: string) => ['--type', 'Q4_K_M', '--out', `${stem}-Q4_K_M.gguf`],
  eval: () => ['--text', '${file}'],
} as const satisfies Record<string, (stem: string) => readonly string[]>;

export type TaskCommand = keyof typeof offered;

export const taskCommands = Object.keys(offered) as TaskCommand[];

/**
 * The tasks of a model that was found in the workspace; none where VS Code would replace a part of its path as a variable, which may run a command.
 * @param relative its path from the folder of the workspace.
 */
export function tasksOf(
  { file, folder, name }: LocatedModel,
  relative: (path: string) => string,
): TaskSettings[] {
  const model = operand(relative(file));
  const stem = operand(join(dirname(model), basename(folder) === name ? name : basename(name)));
  if (/\$\{/.test(model + stem)) return [];
  return taskCommands.map((command) => ({ command, model, args: offered[command](stem) }));
}

/** A path that is not taken for an option. */
const operand = (path: string): string => (path.startsWith('-') ? `.${sep}${path}` : path);

/** Checks what tasks.json has. @returns undefined where it is no task of ours: VS Code says that it cannot be run. */
export function taskSettings(definition: Readonly<Record<string, unknown>>): TaskSettings | undefined {
  const { command, model, args = [] } = definition;
  const known = taskCommands.find((name) => name === command);
  if (!known || typeof model !== 'string' || model === '') return undefined;
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string')) return undefined;
  return { command: known, model, args };
}

/** Arguments of the command line. */
export const taskArguments = ({ command, model, args = [] }: TaskSettings): string[] => [
  command,
  model,
  ...args,
];
