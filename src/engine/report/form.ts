import { QuantscopeError } from '../../model/errors';
import { reportEndings, type ReportForm } from '../../protocol/report';

/** The form of a report, which is the ending of its file. @throws QuantscopeError REQUEST for an ending that no form has. */
export function reportForm(out: string): ReportForm {
  const ending = /\.([^.\\/]+)$/.exec(out)?.[1]?.toLowerCase();
  const form = reportEndings.find((known) => known === ending);
  if (form) return form;
  const message = `A report is written as ${reportEndings.map((known) => `.${known}`).join(' or ')}, which is the ending of its file.`;
  throw new QuantscopeError('REQUEST', message, { file: out });
}
