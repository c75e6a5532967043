import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import manifest from '../../package.json';
import { extractTexts } from '../../scripts/l10n.mjs';
import { projectRoot } from '../support/files';
import { literalTypes, untranslated } from '../support/hostTexts';
import { manifestTexts } from '../support/manifestTexts';

type Texts = Readonly<Record<string, string>>;

const read = (...path: string[]): Texts =>
  JSON.parse(readFileSync(join(projectRoot, ...path), 'utf8')) as Texts;

const english = read('package.nls.json');
const chinese = read('package.nls.zh-cn.json');

describe('the texts of package.json', () => {
  const texts = [
    ...manifestTexts({ description: manifest.description }),
    ...manifestTexts(manifest.capabilities),
    ...manifestTexts(manifest.contributes),
  ];

  it('are keys of package.nls.json', () => {
    expect(texts.length).toBeGreaterThan(60);
    expect(texts.filter(({ text }) => !/^%[\w.]+%$/.test(text))).toEqual([]);
  });

  it('have all of their keys in package.nls.json, which has no others', () => {
    const keys = new Set(texts.map(({ text }) => text.replaceAll('%', '')));
    expect(Object.keys(english).sort()).toEqual([...keys].sort());
  });

  it('are all translated, in the order of the English file', () => {
    expect(Object.keys(chinese)).toEqual(Object.keys(english));
  });

  it('keep the code and the links of the English text', () => {
    const marks = (text: string): string[] => text.match(/`[^`]+`|\]\([^)]+\)|%\w+%/g) ?? [];
    for (const [key, text] of Object.entries(english))
      expect(marks(chinese[key]!).sort(), key).toEqual(marks(text).sort());
  });
});

describe('the texts of the extension and its page', () => {
  const bundle = read('l10n', 'bundle.l10n.json');
  const translation = read('l10n', 'bundle.l10n.zh-cn.json');
  const extracted = extractTexts();

  it('are those of l10n/bundle.l10n.json: npm run l10n writes it', () => {
    expect(bundle).toEqual(extracted.texts);
  });

  it('are all translated, in the order of the English bundle', () => {
    expect(Object.keys(translation)).toEqual(Object.keys(bundle));
    expect(Object.entries(translation).filter(([, text]) => text === '')).toEqual([]);
  });

  it('keep their placeholders, icons and code', () => {
    const marks = (text: string): string[] => [
      ...new Set(text.match(/\{\d+\}|\$\([\w~-]+\)|`[^`]+`|%\{[^}]*\}|\*\*/g) ?? []),
    ];
    for (const [key, text] of Object.entries(translation))
      expect(marks(text).sort(), key).toEqual(marks(key).sort());
  });

  it('are never words alone where they cross processes: such a word could be a value of a message', () => {
    expect(extracted.said.filter((text) => !/\S\s+\S/.test(text))).toEqual([]);
  });

  it('are no values of messages where they cross processes: these would be translated, too', () => {
    const values = new Set(literalTypes(join(projectRoot, 'src', 'protocol')));
    expect(values).toContain('only in A');
    expect(extracted.said.filter((text) => values.has(text))).toEqual([]);
  });

  it('are not shown by the extension host without a look-up', () => {
    const folder = join(projectRoot, 'src', 'vscode');
    const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) =>
      name.endsWith('.ts'),
    );
    const found = names.flatMap((name) => untranslated(join(folder, name)).map((text) => `${name}:${text}`));
    expect(found).toEqual([]);
  });
});
