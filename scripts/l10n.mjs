// Texts of the extension and of its page for translators: writes l10n/bundle.l10n.json from the sources, and brings the translations next
// to it into its order, without texts that there are no longer. Ends with 1 and names them if texts are not translated.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, exit } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'l10n');
const english = 'bundle.l10n.json';

/** Where texts may be. */
const sources = ['src', 'webview'];

const sourceFiles = () =>
  sources.flatMap((source) =>
    readdirSync(join(root, source), { recursive: true })
      .filter((name) => /\.tsx?$/.test(name))
      .map((name) => join(root, source, name)),
  );

/** The same texts in the order of their characters, so that changes of several people meet as seldom as possible. */
const sorted = (texts) =>
  Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : Number(a > b))));

/** Of a template after `said`: its text with `{0}`, `{1}`… for values, as src/protocol/said.ts makes it. */
const patternOf = (template) =>
  ts.isNoSubstitutionTemplateLiteral(template)
    ? template.text
    : template.head.text + template.templateSpans.map(({ literal }, i) => `{${i}}${literal.text}`).join('');

/** Patterns of `said`, and first arguments of `l10n.t` in a source. Only a literal can be found by translators: anything else is an error. */
function textsOf(file) {
  const texts = { shown: [], said: [] };
  const code = readFileSync(file, 'utf8');
  if (!/l10n\.t\(|said`/.test(code)) return texts;
  const source = ts.createSourceFile(file, code, ts.ScriptTarget.Latest, true);
  const visit = (node) => {
    if (ts.isCallExpression(node) && /^(vscode\.)?l10n\.t$/.test(node.expression.getText())) {
      const [text] = node.arguments;
      if (!text || !ts.isStringLiteralLike(text))
        throw new Error(`${file}: l10n.t needs a literal, not ${text?.getText()}.`);
      texts.shown.push(text.text);
    }
    if (ts.isTaggedTemplateExpression(node) && node.tag.getText() === 'said')
      texts.said.push(patternOf(node.template));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return texts;
}

/**
 * The texts of the sources.
 * @returns all, each by itself as its key: the format of VS Code's bundles; and those of `said` alone.
 */
export function extractTexts() {
  const found = sourceFiles().map(textsOf);
  const said = found.flatMap((texts) => texts.said);
  const all = [...found.flatMap(({ shown }) => shown), ...said];
  return { texts: sorted(Object.fromEntries(all.map((text) => [text, text]))), said };
}

const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const write = (name, texts) => writeFileSync(join(folder, name), `${JSON.stringify(texts, null, 2)}\n`);

/** Writes the bundle and tidies translations. @returns the texts that a translation lacks, as lines. */
function update() {
  const { texts } = extractTexts();
  write(english, texts);
  return readdirSync(folder)
    .filter((name) => /^bundle\.l10n\.[\w-]+\.json$/.test(name) && name !== english)
    .flatMap((name) => {
      const old = read(name);
      const known = Object.keys(texts).filter((key) => old[key] !== undefined);
      write(name, Object.fromEntries(known.map((key) => [key, old[key]])));
      const missing = Object.keys(texts).filter((key) => old[key] === undefined);
      return missing.map((key) => `${name}: ${JSON.stringify(key)}`);
    });
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  const missing = update();
  if (missing.length > 0) console.error(`Not translated:\n${missing.join('\n')}`);
  exit(missing.length > 0 ? 1 : 0);
}
