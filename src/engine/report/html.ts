import { modelHash } from '../../model/identity';
import { markup } from '../../protocol/markup';
import { treemapSvg } from './drawings';
import type { ReportFacts, WrittenReport } from './facts';
import { reportMaps } from './maps';
import { reportStyle } from './style';
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

interface Section {
  readonly title: string;
  /** Of elements that need no more of the page. */
  readonly html: string;
}

/**
 * A model as one page that needs nothing else: no script, no address, drawings inline. What comes from files is text.
 * @param made what the page says of its making: program, version, date.
 */
export function reportHtml(facts: ReportFacts, made: string): WrittenReport {
  const sections = sectionsOf(facts);
  const { name } = facts.model;
  const text = [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="UTF-8">',
    // Should anything of a file ever get out of its quotes, it could load and run nothing.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${markup(name)}</title>`,
    `<style>${reportStyle}</style>`,
    '</head>',
    '<body>',
    `<h1>${markup(name)}</h1>`,
    `<ul class="facts">${headFacts(facts)
      .map((fact) => `<li>${markup(fact)}</li>`)
      .join('')}</ul>`,
    ...sections.map((section) => `<h2>${markup(section.title)}</h2>\n${section.html}`),
    `<footer>${markup(made)}</footer>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
  return { text, sections: sections.map(({ title }) => title) };
}

function sectionsOf(facts: ReportFacts): Section[] {
  const { kept, areas } = facts;
  const findings = findingTexts(facts);
  const maps = reportMaps(kept);
  const gains = gainsTable(kept);
  return [
    { title: 'What it is', html: tableHtml(identityTable(facts)) },
    { title: 'Where the bytes are', html: treemapSvg(areas) + tableHtml(partsTable(facts)) },
    ...(findings.length > 0 ? [{ title: 'Findings', html: findingsHtml(findings) }] : []),
    ...(maps.weights === '' ? [] : [{ title: 'Weights by layer and role', html: maps.weights }]),
    ...(gains
      ? [{ title: 'Sensitivity', html: noteHtml(gains.caption) + maps.sensitivity + tableHtml(gains) }]
      : []),
    ...(kept.plan ? [{ title: 'Plan', html: planHtml(kept.plan) + maps.plan }] : []),
    ...(kept.evaluations.length > 0
      ? [{ title: 'Evaluations', html: tableHtml(evaluationsTable(kept, modelHash(facts.model))) }]
      : []),
  ];
}

const noteHtml = (text: string): string => `<p class="muted">${markup(text)}</p>`;

const findingsHtml = (findings: readonly string[]): string =>
  `<ul class="findings">${findings.map((finding) => `<li>${markup(finding)}</li>`).join('')}</ul>`;

function planHtml({ file, plan }: NonNullable<ReportFacts['kept']['plan']>): string {
  const lines: ShownTable = {
    columns: [{ text: 'Property' }, { text: 'Value' }],
    rows: [['File', baseName(file)], ...planLines(plan)],
  };
  return `${tableHtml(lines)}<h3>Formats</h3>${tableHtml(planTable(plan))}`;
}

/** A table of properties has no head to show. */
function tableHtml({ columns, rows }: ShownTable): string {
  const isList = columns[0]?.text === 'Property';
  const cell = (tag: 'th' | 'td', text: string, column: number): string =>
    `<${tag}${tag === 'th' ? ' scope="col"' : ''}${columns[column]?.isNumber ? ' class="number"' : ''}>${markup(text)}</${tag}>`;
  const head = isList
    ? ''
    : `<thead><tr>${columns.map(({ text }, i) => cell('th', text, i)).join('')}</tr></thead>`;
  const body = rows.map(
    ([first = '', ...others]) =>
      `<tr>${isList ? `<th scope="row">${markup(first)}</th>` : cell('td', first, 0)}${others.map((text, i) => cell('td', text, i + 1)).join('')}</tr>`,
  );
  return `<div class="wide"><table>${head}<tbody>${body.join('')}</tbody></table></div>`;
}
