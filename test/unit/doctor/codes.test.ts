import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checks } from '../../../src/doctor/checks';
import { codes } from '../../../src/doctor/codes';
import { projectRoot } from '../../support/files';

const text = readFileSync(join(projectRoot, 'docs', 'DOCTOR.md'), 'utf8');
/** The anchor of a heading, as Markdown of GitHub has it. */
const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^\w -]/g, '');

it('docs/DOCTOR.md lists every code with its severity, and explains it in a section of its own', () => {
  const rows = [...text.matchAll(/^\| \[`(.+?)`\]\(#(.+?)\) \| (\w+) \| (.+?) \|$/gm)];
  expect(rows.map(([, code, anchor, severity, title]) => ({ code, anchor, severity, title }))).toEqual(
    Object.entries(codes).map(([code, { severity, title }]) => ({
      ...{ code, anchor: anchorOf(code), severity, title },
    })),
  );
  const sections = text.split(/^## /m).slice(1);
  expect(sections.map((section) => section.split('\n')[0])).toEqual(Object.keys(codes));
  for (const section of sections) expect(section).toContain('What to do: ');
});

it('every code belongs to a check', () => {
  const known = new Set<string>(checks.flatMap((check) => check.codes));
  expect(Object.keys(codes).filter((code) => !known.has(code))).toEqual([]);
});
