import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { projectRoot, temporaryFolder, writeFile } from '../../support/files';

it('the example of docs/API.md is valid with the types alone', () => {
  const text = readFileSync(join(projectRoot, 'docs', 'API.md'), 'utf8');
  const [, example = ''] = /```ts\n([^]*?)```/.exec(text) ?? [];
  const folder = temporaryFolder();
  const types = readFileSync(join(projectRoot, 'api', 'quantscope.d.ts'), 'utf8');
  writeFile(folder, 'quantscope.d.ts', types);
  const program = ts.createProgram([writeFile(folder, 'example.ts', example)], {
    ...{ strict: true, noEmit: true, noUnusedLocals: true, target: ts.ScriptTarget.ES2022 },
    ...{ module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16, types: [] },
    paths: { vscode: [join(projectRoot, 'node_modules', '@types', 'vscode', 'index.d.ts')] },
  });
  const faults = ts.getPreEmitDiagnostics(program);
  expect(faults.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});
