import type { ArchitectureDescription } from '../../src/architectures/description';

/** Heads and bodies of classes, which their names end in. */
const ending = /(ForCausalLM|LMHeadModel|ForConditionalGeneration|(Text)?Model)$/;

const why = 'it embeds texts and predicts none';

/** Families whose checkpoints can be converted, in the order of their names, as a table in Markdown. */
export function modelTable(descriptions: readonly ArchitectureDescription[]): string {
  const rows = descriptions.map(rowOf).sort(([a = ''], [b = '']) => a.localeCompare(b, 'en'));
  const head = ['models', 'classes', 'GGUF', 'export', 'evaluation', 'calibrated methods', 'notes'];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [head, head.map(() => '---'), ...rows].map(line).join('\n');
}

function rowOf(description: ArchitectureDescription): string[] {
  const { name, family, remark, classes, forward, embeds, encodes } = description;
  const names = Object.keys(classes);
  const runs = forward === undefined ? 'no' : 'yes';
  return [
    family ?? names[0]!.replace(ending, ''),
    names.map((className) => `\`${className}\``).join(', '),
    `\`${name}\``,
    ...['yes', encodes || (forward && embeds) ? 'of pairs' : runs, embeds ? 'no' : runs],
    [embeds ? why : undefined, remark].filter((note) => note !== undefined).join('; '),
  ];
}
