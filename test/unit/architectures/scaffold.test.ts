import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { ConfigReader } from '../../../src/architectures/configReader';
import type { ArchitectureDescription } from '../../../src/architectures/description';
import { matchRules } from '../../../src/architectures/matchRules';
import { architectures } from '../../../src/architectures/registry';
import { scaffoldModel } from '../../../src/architectures/scaffold/proposal';
import { Sources } from '../../../src/architectures/sources';
import { allCheckpoints, convertedSpec, describedTensors } from '../../support/descriptionParts';
import { projectRoot, temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const beside = join(projectRoot, 'src', 'architectures', 'families');

const classOf = (name: string): string =>
  (allCheckpoints[name]!.config['architectures'] as readonly string[])[0]!;

/** A proposal for a tiny checkpoint by the descriptions of all other classes. */
function forgotten(name: string) {
  const spec = allCheckpoints[name]!;
  const others = architectures.filter(({ classes }) => !(classOf(name) in classes));
  return scaffoldModel(describedTensors(spec), spec.config, others);
}

const names = [
  ...['llama', 'qwen2', 'qwen3', 'qwen3moe', 'olmo2', 'arcee', 'exaone4', 'starcoder2'],
  ...['gemma2', 'hunyuan', 'smollm3', 'llama, biases everywhere, in float16', 'phi2'],
];

/** What the compiler says of texts beside the descriptions, under this project's settings. */
function compile(texts: Readonly<Record<string, string>>): string[] {
  const { config } = ts.readConfigFile(join(projectRoot, 'tsconfig.json'), (path) =>
    ts.sys.readFile(path),
  ) as {
    config: object;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, projectRoot);
  const host = ts.createCompilerHost(options);
  const read = host.readFile.bind(host);
  const source = host.getSourceFile.bind(host);
  host.fileExists = (path) => path in texts || ts.sys.fileExists(path);
  host.readFile = (path) => texts[path] ?? read(path);
  host.getSourceFile = (path, target, ...rest) =>
    path in texts ? ts.createSourceFile(path, texts[path]!, target) : source(path, target, ...rest);
  const program = ts.createProgram(
    Object.keys(texts),
    { ...options, noEmit: true, noUnusedLocals: true },
    host,
  );
  return Object.keys(texts).flatMap((path) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      .map(({ messageText }) => `${path}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`),
  );
}

/** The description that a text exports. */
async function evaluate(text: string, name: string): Promise<ArchitectureDescription> {
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, text.replaceAll("from '../", `from '${beside}/../`));
  const outfile = join(folder, `${name}.mjs`);
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  const exported = (await import(pathToFileURL(outfile).href)) as Record<string, ArchitectureDescription>;
  return Object.values(exported)[0]!;
}

describe('proposed descriptions of checkpoints whose own is forgotten', () => {
  it('compile', () => {
    const texts = Object.fromEntries(
      names.map((name, index) => [join(beside, `proposal${index}.ts`), forgotten(name).text]),
    );
    expect(compile(texts)).toEqual([]);
  });

  it.each(names)('%s: takes every tensor that was recognised under its name in GGUF', async (name) => {
    const spec = allCheckpoints[name]!;
    const { text, unknown } = forgotten(name);
    const proposed = await evaluate(text, `proposal-${names.indexOf(name)}`);
    const tensors = describedTensors(spec);
    const sizes = { tensors: tensors.length, largestDimension: 1024 };
    const conversion = proposed.convert(new ConfigReader(spec.config, 'config.json', sizes));
    const { matched, problems } = matchRules(conversion, new Sources(tensors, conversion));
    expect(problems.filter(({ kind }) => kind !== 'unexpected')).toEqual([]);
    if (unknown.length === 0) expect(problems).toEqual([]);
    const own = new Set(convertedSpec(spec).tensors.map(({ name: to }) => to));
    expect(matched.map(({ rule }) => rule.to).filter((to) => !own.has(to))).toEqual([]);
  });
});

describe('a proposal', () => {
  it('names the closest description, and what is recognised', () => {
    const spec = allCheckpoints['qwen3']!;
    const known = architectures.filter(({ name }) => ['gemma2', 'phi3', 'olmo2'].includes(name));
    const { nearest, recognised, unknown } = scaffoldModel(describedTensors(spec), spec.config, known);
    expect(nearest).toBe('gemma2');
    expect(unknown).toEqual([]);
    expect(recognised).toMatchObject({
      embed_tokens: 'token_embd',
      'self_attn.q_norm': 'attn_q_norm',
      'mlp.down_proj': 'ffn_down',
    });
  });

  it('lists what is not, with shapes, and keys that no description reads', () => {
    const { config, shapes } = allCheckpoints['llama']!;
    const spec = {
      shapes: { ...shapes, 'model.layers.0.self_attn.flow.weight': [3, 64], 'model.layers.1.taps': [7] },
      config: { ...config, flow_rate: 3, model_type: 'newest' },
    };
    const { text, unknown, unread } = scaffoldModel(describedTensors(spec), spec.config, architectures);
    expect(unknown).toEqual([
      '"self_attn.flow" [3, 64] in 1 block',
      '"taps" (without "weight") [7] in 1 block',
    ]);
    expect(unread).toEqual(['flow_rate']);
    expect(text).toContain('// Not recognised: "self_attn.flow" [3, 64] in 1 block.\n');
    expect(text).toContain('// No description reads "flow_rate" of config.json.\n');
    expect(text).toContain("export const newest: ArchitectureDescription = {\n  name: 'newest',");
  });

  it('keeps names of a checkpoint inside of quotes and comments', () => {
    const { config, shapes } = allCheckpoints['llama']!;
    const spec = {
      shapes: { ...shapes, "model.layers.0.a\n'; process.exit(1); //.weight": [1] },
      config: { ...config, model_type: "x'\n;evil()", hidden_act: "`${evil}`'\u2028", 'key\nevil()': 1 },
    };
    const { text } = scaffoldModel(describedTensors(spec), spec.config, architectures);
    expect(compile({ [join(beside, 'proposal.ts')]: text })).toEqual([]);
    const outside = text.split(/[\n\u2028]/).filter((line) => !/^\/\/|'.*'/.test(line));
    expect(outside.filter((line) => /evil|exit/.test(line))).toEqual([]);
  });
});
