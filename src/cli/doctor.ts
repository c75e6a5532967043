import { basename } from 'node:path';
import type { DoctorFinding, DoctorResult } from '../protocol/doctor';
import { plural, size } from '../protocol/words';
import { flagOption, listOption, textOptions, type Command } from './command';
import { table } from './text';

export const doctorCommand: Command = {
  name: 'doctor',
  operand: 'MODEL',
  summary: 'Look for faults of a model: files, index, configuration, tokenizer, templates, weights',
  options: {
    only: listOption('CODE', 'look for this code only, such as values/nan; repeatable'),
    quick: flagOption('headers and small files only; read no weights'),
    problems: flagOption('one line for each finding: FILE:LINE:COLUMN: SEVERITY: FINDING [CODE]'),
    fix: flagOption('apply the fixes: index and configuration only, never weights'),
  },
  async run(context) {
    const { model, jobs, signal, progress, options } = context;
    const only = textOptions(context, 'only');
    const result = await jobs['model/doctor'](
      {
        ...{ ...model, headersOnly: options['quick'] === true, fix: options['fix'] === true },
        ...(only.length === 0 ? {} : { only }),
      },
      { signal, progress },
    );
    const failure = failureOf(result);
    return {
      json: result,
      lines: options['problems'] === true ? problemLines(result) : describe(result),
      ...(failure === undefined ? {} : { failure }),
    };
  },
};

function describe({ findings, omitted, checkedBytes, notes, written, seconds }: DoctorResult): string[] {
  const rows = findings.map((finding) => [
    ...[finding.severity, finding.code, placeOf(finding), finding.tensor ?? '', finding.message],
    finding.fixed ? `fixed: ${finding.fix}` : (finding.fix ?? ''),
  ]);
  return [
    ...(rows.length === 0
      ? []
      : [...table(['severity', 'code', 'file', 'tensor', 'finding', 'fix'], rows), '']),
    ...(omitted === 0 ? [] : [`and ${omitted} more`]),
    ...notes.map((note) => `Note: ${note}`),
    ...written.map((file) => `Written: ${file}`),
    `${size(checkedBytes)} of weights read in ${seconds.toFixed(2)} s: ${
      rows.length === 0
        ? 'nothing wrong was found.'
        : `${plural(rows.length + omitted, 'finding')}; docs/DOCTOR.md explains each.`
    }`,
  ];
}

/** As compilers print them, for editors. */
const problemLines = ({ findings }: DoctorResult): string[] =>
  findings
    .filter(({ fixed }) => !fixed)
    .map(({ file, place, severity, tensor, message, code }) => {
      const about = tensor === undefined ? '' : `${tensor}: `;
      return `${file}:${place?.line ?? 1}:${place?.column ?? 1}: ${severity}: ${about}${message} [${code}]`;
    });

const placeOf = ({ file, place }: DoctorFinding): string =>
  basename(file) + (place ? `:${place.line}:${place.column}` : '');

const isOpen = ({ severity, fixed }: DoctorFinding): boolean => severity !== 'note' && !fixed;

/** Notes and what was fixed are no failure. */
function failureOf({ findings, omitted, path }: DoctorResult): string | undefined {
  const open = findings.filter(isOpen).length + omitted;
  return open === 0 ? undefined : `${plural(open, 'fault')} (${path}).`;
}
