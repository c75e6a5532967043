import type { Encoding, ProvenanceResult, StatedFileType, UnprovenTensor } from './provenance';
import { markdownCode, markdownText } from './markdown';
import { plural, size } from './words';

/** How the weights of a type were encoded, in words. */
export function encodingText(type: string, { importance, via }: Encoding): string {
  if (['F32', 'F16', 'BF16', 'F64'].includes(type))
    return via === undefined ? 'values' : `values, after rounding to ${via}`;
  const by = importance === 'given' ? 'with the importance matrix' : 'without importance';
  return via === undefined ? by : `${by}, after rounding to ${via}`;
}

/** Whether a file is what its source gives, in a sentence. */
export function provenanceSummary({
  isProven,
  tensors,
  unprovenCount,
  keys,
  unproven,
}: ProvenanceResult): string {
  if (isProven) return `Proven: all ${plural(tensors, 'tensor')} are bit for bit those of the source.`;
  const differing = keys.filter(({ matters }) => matters).map(({ key }) => key);
  const parts = [
    ...(unprovenCount === 0
      ? []
      : [`${plural(unprovenCount, 'tensor')} of ${tensors}: ${verdictsOf(unproven)}`]),
    ...(differing.length === 0
      ? []
      : [`other values of ${differing.slice(0, 3).join(', ')}${more(differing.length - 3)}`]),
  ];
  return `Not proven: ${parts.join('; ')}.`;
}

const more = (count: number): string => (count > 0 ? ` and ${count} more` : '');

const verdictTexts: Readonly<Record<UnprovenTensor['verdict'], string>> = {
  changed: 'damaged or edited',
  codes: 'the same weights in other codes',
  weights: 'other weights',
  unknown: 'cannot be encoded again',
  shape: 'another shape',
  missing: 'missing',
  added: 'not in the source',
};

export const verdictText = ({ verdict }: Pick<UnprovenTensor, 'verdict'>): string => verdictTexts[verdict];

function verdictsOf(tensors: readonly UnprovenTensor[]): string {
  const counts = new Map<string, number>();
  for (const tensor of tensors) counts.set(verdictText(tensor), (counts.get(verdictText(tensor)) ?? 0) + 1);
  return [...counts].map(([text, count]) => `${count} ${text}`).join(', ');
}

/** How the types of a file compare with those of the file type that it states, in a sentence. */
export function statedTypeText({ name, mixture, otherCount }: StatedFileType): string {
  if (name === undefined) return 'The file states no known file type.';
  const by = { usual: '', 'with importance': ' with an importance matrix', pure: ' without a mixture' }[
    mixture ?? 'usual'
  ];
  return otherCount === 0
    ? `The types are those of ${name}${by}.`
    : `The file states ${name}; ${plural(otherCount, 'tensor')} have another type than it gives${by}.`;
}

/** A result as a page of Markdown; names are shown as they are. */
export function provenanceMarkdown(result: ProvenanceResult): string {
  const { path, source, proven, unproven, unprovenCount, fileType, keys, notes } = result;
  const groups = [...proven].sort((a, b) => b.bytes - a.bytes);
  return [
    `# ${markdownText(baseName(path))} against ${markdownText(baseName(source))}`,
    `**${markdownText(provenanceSummary(result))}**`,
    markdownText(statedTypeText(fileType)),
    ...notes.map(markdownText),
    ...section(
      'Bit for bit the source',
      ['Type', 'Tensors', 'Size', 'Encoding'],
      groups.map(({ type, tensors, bytes, encoding }) => [
        type,
        String(tensors),
        size(bytes),
        encodingText(type, encoding),
      ]),
    ),
    ...section(
      'Not what the source gives',
      ['Tensor', 'Type', 'Is', 'First difference', 'Blocks that differ'],
      unproven.map((tensor) => [
        ...[markdownCode(tensor.tensor), markdownText(tensor.type), verdictText(tensor)],
        ...differenceCells(tensor),
      ]),
    ),
    ...(unprovenCount > unproven.length ? [`and ${unprovenCount - unproven.length} more`] : []),
    ...section(
      'Other types than the file type gives',
      ['Tensor', 'Type', 'Expected'],
      fileType.others.map(({ tensor, type, expected }) => [markdownCode(tensor), type, expected]),
    ),
    ...section(
      'Keys',
      ['Key', 'In the file', 'Changes the model'],
      keys.map(({ key, kind, matters }) => [markdownCode(key), kind, matters ? 'yes' : 'no']),
    ),
    '',
  ].join('\n\n');
}

const baseName = (path: string): string =>
  path
    .split(/[\\/]/)
    .filter((part) => part !== '')
    .at(-1) ?? path;

function differenceCells({ difference, message }: UnprovenTensor): string[] {
  if (!difference) return [markdownText(message), ''];
  const { offset, row, differing, blocks } = difference;
  return [`byte ${offset}, row ${row}`, `${differing} of ${blocks}`];
}

/** A heading with a table; nothing where there are no rows. */
function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [`## ${title}`, lines.join('\n')];
}
