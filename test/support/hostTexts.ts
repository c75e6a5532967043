import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Functions of VS Code whose arguments are shown. */
const showing =
  /\.(show(Information|Warning|Error)Message|setStatusBarMessage|info|warn|error)$|^(notices|this\.notices)\.\w+$/;

/** Properties of objects for VS Code that are shown. */
const shown = new Set([
  ...[
    'title',
    'placeHolder',
    'prompt',
    'openLabel',
    'saveLabel',
    'label',
    'description',
    'detail',
    'tooltip',
  ],
  ...['validationMessage', 'heading'],
]);

/** Names that no language translates, and texts without words. */
const name = /^(Quantscope|CUDA|WebGPU|GGUF|ONNX|NVFP4|[\d\W_]*|\$\([\w~-]+\)[\d\W]*)$/;

/** Literals of a source that VS Code would show as they are written, with their lines: those that are not given to `l10n.t`. */
export function untranslated(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && showing.test(node.expression.getText()) && !isLog(node))
      for (const argument of node.arguments) collect(argument);
    if (ts.isPropertyAssignment(node) && shown.has(node.name.getText())) collect(node.initializer);
    ts.forEachChild(node, visit);
  };
  const collect = (node: ts.Expression): void => {
    for (const text of literalsOf(node)) {
      const line = source.getLineAndCharacterOfPosition(text.node.getStart()).line + 1;
      if (!name.test(text.words.trim())) found.push(`${line}: ${text.node.getText()}`);
    }
  };
  visit(source);
  return [...new Set(found)];
}

/** What goes into the log stays English, for those who read reports of faults. */
const isLog = (call: ts.CallExpression): boolean => /(^|\.)log\.\w+$/.test(call.expression.getText());

/** The literals that a value may be or contain, without those in calls, which say themselves what they are. */
function literalsOf(node: ts.Expression): { node: ts.Node; words: string }[] {
  if (ts.isStringLiteralLike(node)) return [{ node, words: node.text }];
  if (ts.isTemplateExpression(node)) {
    const words = [node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join(' ');
    return [{ node, words }, ...node.templateSpans.flatMap((span) => literalsOf(span.expression))];
  }
  if (ts.isParenthesizedExpression(node)) return literalsOf(node.expression);
  if (ts.isConditionalExpression(node)) return [...literalsOf(node.whenTrue), ...literalsOf(node.whenFalse)];
  if (ts.isBinaryExpression(node) && !isComparison(node))
    return [...literalsOf(node.left), ...literalsOf(node.right)];
  return [];
}

const isComparison = ({ operatorToken: { kind } }: ts.BinaryExpression): boolean =>
  kind === ts.SyntaxKind.EqualsEqualsEqualsToken || kind === ts.SyntaxKind.ExclamationEqualsEqualsToken;

/** The texts that are types in the sources of a folder: values that programs compare. */
export function literalTypes(folder: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isLiteralTypeNode(node) && ts.isStringLiteral(node.literal)) found.push(node.literal.text);
    ts.forEachChild(node, visit);
  };
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.endsWith('.ts'));
  for (const name of names)
    visit(ts.createSourceFile(name, readFileSync(join(folder, name), 'utf8'), ts.ScriptTarget.Latest, true));
  return found;
}
