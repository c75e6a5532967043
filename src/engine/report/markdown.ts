import { modelHash } from '../../model/identity';
import { markdownInline, markdownText } from '../../protocol/markdown';
import type { ReportFacts, WrittenReport } from './facts';
import {
  baseName,
  evaluationsTable,
  findingTexts,
  gainsTable,
  headFacts,
  identityTable,
  partsTable,
  planLines,
  planTable,
  type ShownTable,
} from './tables';

/** A model in Markdown: what it is, where its bytes are, what is odd, and what was measured. What comes from files is text. */
export function reportMarkdown(facts: ReportFacts): WrittenReport {
  const { model, kept } = facts;
  const findings = findingTexts(facts);
  const gains = gainsTable(kept);
  const sections: (readonly [title: string, ...blocks: string[]])[] = [
    ['What it is', tableText(identityTable(facts))],
    ['Where the bytes are', tableText(partsTable(facts))],
    ...(findings.length > 0 ? [['Findings', listText(findings)] as const] : []),
    ...(gains ? [['Sensitivity', markdownText(gains.caption), tableText(gains)] as const] : []),
    ...(kept.plan ? [planSection(kept.plan)] : []),
    ...(kept.evaluations.length > 0
      ? [['Evaluations', tableText(evaluationsTable(kept, modelHash(facts.model)))] as const]
      : []),
  ];
  const text = [
    `# ${markdownText(model.name)}`,
    markdownText(headFacts(facts).join(' · ')),
    ...sections.flatMap(([title, ...blocks]) => [`## ${title}`, ...blocks]),
    '',
  ].join('\n\n');
  return { text, sections: sections.map(([title]) => title) };
}

const planSection = ({ file, plan }: NonNullable<ReportFacts['kept']['plan']>) =>
  [
    'Plan',
    listText([`File: ${baseName(file)}`, ...planLines(plan).map(([label, text]) => `${label}: ${text}`)]),
    tableText(planTable(plan)),
  ] as const;

const listText = (lines: readonly string[]): string =>
  lines.map((line) => `- ${markdownText(line)}`).join('\n');

function tableText({ columns, rows }: ShownTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownInline).join(' | ')} |`;
  return [
    line(columns.map(({ text }) => text)),
    `| ${columns.map(({ isNumber }) => (isNumber ? '---:' : '---')).join(' | ')} |`,
    ...rows.map(line),
  ].join('\n');
}
