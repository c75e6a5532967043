import { basename } from 'node:path';
import type { Model } from '../../model/model';
import { evidenceWords } from '../../protocol/evidence';
import type { QuantizedWeight } from '../../protocol/quantizeModel';
import { markdownCode, markdownText } from '../../protocol/markdown';
import { plural, size } from '../../protocol/words';
import { canonicalRecipe } from '../../recipes/canonical';
import { writtenAs, type CheckpointPlan, type PlannedTensor } from './plan';

/** What a run measured. */
export interface RunFacts {
  readonly weights: readonly QuantizedWeight[];
  /** Of every tensor of the files, by its name. */
  readonly bytesOfPart: ReadonlyMap<string, number>;
  readonly relativeError: number;
  readonly notes: readonly string[];
  /** The calibration text, where one was used. */
  readonly text?: { readonly path: string; readonly tokens: number };
}

/** Most matrices that the README lists. */
const maxListed = 400;

/** README.md: what was done, with which evidence, and what was measured. Names and texts of the model and the recipe are text, never markup. */
export function describeRun({ description }: Model, plan: CheckpointPlan, facts: RunFacts): string {
  const { recipe, writer, tensors, warnings, notes } = plan;
  const bytes = [...facts.bytesOfPart.values()].reduce((sum, part) => sum + part, 0);
  const { parameters } = description;
  const lines = [
    `# ${markdownText(description.name)}, ${markdownText(recipe.label)}`,
    '',
    `The weights of ${markdownText(description.name)} (${size(description.dataBytes)}), quantized by Quantscope with the recipe ${markdownCode(recipe.id)}: ${markdownText(recipe.description)}`,
    '',
    `- Layout: ${writer.label}. Runtimes that load it: ${writer.runtimes.join(', ')}.`,
    `- Size: ${size(bytes)}, ${parameters === 0 ? 0 : ((8 * bytes) / parameters).toFixed(3)} bits per weight over all tensors.`,
    `- ${plural(facts.weights.length, 'matrix', 'matrices')} quantized, ${plural(tensors.length - facts.weights.length, 'tensor')} kept.`,
    `- Relative squared error of the quantized weights, Σ(ŵ − w)² / Σw²: ${figure(facts.relativeError)}.`,
    `- Evidence: ${evidenceText(facts)}`,
    ...[...warnings, ...notes, ...facts.notes].map((note) => `- ${markdownText(note)}`),
    '',
    '| matrix | stored as | method | evidence | relative squared error | of rounding to nearest |',
    '| --- | --- | --- | --- | ---: | ---: |',
    ...rowsOf(tensors, facts.weights),
    '',
  ];
  return lines.join('\n');
}

function evidenceText({ text, weights }: RunFacts): string {
  const kinds = [...new Set(weights.map(({ evidence }) => evidence))].filter((kind) => kind !== 'none');
  if (!text || kinds.length === 0) return 'the weights alone.';
  return `${kinds.map((kind) => evidenceWords[kind]).join(', ')} of the inputs, measured over ${text.tokens} tokens of ${markdownCode(basename(text.path))}.`;
}

function rowsOf(tensors: readonly PlannedTensor[], weights: readonly QuantizedWeight[]): string[] {
  const byName = new Map(tensors.map((planned) => [planned.tensor.name, planned]));
  const rows = weights.slice(0, maxListed).map(({ name, relativeError, roundingError, evidence }) => {
    const planned = byName.get(name)!;
    const { id } = planned.matrix!.method;
    const stored = markdownText(writtenAs(planned));
    const cells = [markdownCode(name), stored, id, evidenceWords[evidence], figure(relativeError)];
    return `| ${[...cells, roundingError === undefined ? '' : figure(roundingError)].join(' | ')} |`;
  });
  return weights.length > maxListed
    ? [...rows, `| ${weights.length - maxListed} more: see quantscope.json | | | | | |`]
    : rows;
}

const figure = (value: number): string => (value === 0 ? '0' : value.toPrecision(4));

/** quantscope.json: the same for programs. It marks the folder as an output, whose `files` a later run may replace. */
export function recordOf(
  { description }: Model,
  { recipe, tensors }: CheckpointPlan,
  { weights, relativeError, text }: RunFacts,
  files: readonly string[],
): Record<string, unknown> {
  const methods = new Map(
    tensors.flatMap(({ matrix }) => (matrix ? [[matrix.method.id, matrix.method.version]] : [])),
  );
  return {
    ...recordOfSource(description),
    recipe,
    canonical: canonicalRecipe(recipe),
    methods: Object.fromEntries(methods),
    ...(text ? { evidence: { text: basename(text.path), tokens: text.tokens } } : {}),
    relativeError,
    weights: weights.map(({ name, relativeError: error, roundingError, evidence }) => ({
      ...{ name, relativeError: error, evidence },
      ...(roundingError === undefined ? {} : { roundingError }),
    })),
    files,
  };
}

/** What every such record begins with: who wrote it, and the model that the folder was made of. */
export const recordOfSource = ({ name, files }: Model['description']): Record<string, unknown> => ({
  ...{ writtenBy: 'quantscope', version: 1 },
  source: {
    name,
    files: files.map(({ path, size: bytes, headerHash, contentHash }) => ({
      ...{ name: basename(path), bytes, headerHash },
      ...(contentHash === undefined ? {} : { contentHash }),
    })),
  },
});
