import { z } from 'zod';
import { suggestion } from '../model/closest';
import { QuantscopeError } from '../model/errors';
import { cacheTypes } from '../protocol/fit';
import {
  assumptions,
  tokensPerSecond,
  totalBytes,
  type RunEstimate,
  type RunTarget,
  type WeightsEstimate,
} from '../protocol/runEstimate';
import { size } from '../protocol/words';
import { bytesOf, modelField, planField } from './fields';
import { defineTool, type EngineCall } from './tool';

const stored = 'stored';
const usualFormats = [stored, 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'];
const mostFormats = 32;

const sizeField = z.string().min(1).optional();

export const estimateMemory = defineTool({
  name: 'estimate',
  title: 'Estimate Memory and Speed',
  description:
    'Memory that a model takes when it runs (weights, keys and values, buffers) in GGUF file types, recipes or a plan, whether it fits into a memory, and how fast a bandwidth lets it generate. Reads headers only.',
  input: z.strictObject({
    model: modelField,
    formats: z
      .array(z.string().min(1))
      .min(1)
      .max(mostFormats)
      .default(usualFormats)
      .describe(`GGUF file types (Q4_K_M), recipes (bnb-nf4), or "${stored}" for the files as they are`),
    plan: planField.optional(),
    context: z.number().int().min(1).optional().describe('Tokens of each sequence'),
    sequences: z.number().int().min(1).optional().describe('Sequences at a time'),
    cacheType: z.enum(cacheTypes).optional().describe('Type of keys and values'),
    memory: sizeField.describe('Says what fits into so much memory: 8GB, 7.5GiB'),
    bandwidth: sizeField.describe('Bytes per second of that memory: 400GB'),
  }),
  output: z.object({
    context: z.number(),
    sequences: z.number(),
    cacheType: z.string(),
    cacheBytes: z.number().optional(),
    computeBytes: z.number().optional(),
    unknown: z.string().optional().describe('Why keys, values and buffers are not known'),
    notes: z.array(z.string()),
    formats: z.array(
      z.object({
        format: z.string(),
        bitsPerWeight: z.number().optional(),
        weightsBytes: z.number().optional(),
        totalBytes: z.number().optional(),
        fits: z.boolean().optional(),
        tokensPerSecond: z.number().optional().describe('The most that the bandwidth allows'),
        failure: z.string().optional().describe('Why the model cannot be written so'),
      }),
    ),
  }),
  async run(
    { model, formats, plan, memory, bandwidth, context, sequences, cacheType },
    { call, place, modelPlace },
  ) {
    const given = {
      memory: memory === undefined ? undefined : bytesOf('memory', memory),
      bandwidth:
        bandwidth === undefined ? undefined : bytesOf('bandwidth', bandwidth.replace(/\/s\s*$/i, '')),
    };
    const targets = [
      ...(await targetsNamed(formats, call)),
      ...(plan === undefined ? [] : [{ kind: 'plan', planFile: await place(plan) } as const]),
    ];
    const estimate = await call('model/estimate', {
      ...{ path: await modelPlace(model), targets },
      ...(context === undefined ? {} : { context }),
      ...(sequences === undefined ? {} : { sequences }),
      ...(cacheType === undefined ? {} : { cacheType }),
    });
    const figures = estimate.targets.map((target) => figuresOf(estimate, target, given));
    const { settings, memory: run, unknown, notes } = estimate;
    return {
      data: {
        ...settings,
        ...(run ? { cacheBytes: run.cacheBytes, computeBytes: run.computeBytes } : {}),
        ...(unknown === undefined ? {} : { unknown }),
        ...{ notes: [...notes], formats: figures },
      },
      lines: [
        `${settings.sequences} × ${settings.context} tokens, keys and values in ${settings.cacheType}`,
        ...(run
          ? [`Keys and values ${size(run.cacheBytes)}, buffers ${size(run.computeBytes)}`]
          : [`Keys, values and buffers are not known: ${unknown}`]),
        ...figures.map(figuresLine),
        ...notes.map((note) => `Note: ${note}`),
        assumptions.bytes,
        ...(bandwidth === undefined ? [] : [assumptions.speed]),
        ...(memory === undefined ? [] : [assumptions.memory]),
      ],
    };
  },
});

/** @throws QuantscopeError REQUEST for a name that neither a file type of GGUF nor a recipe has, with the closest. */
async function targetsNamed(names: readonly string[], call: EngineCall): Promise<RunTarget[]> {
  const types = (await call('export/fileTypes', {})).fileTypes.map(({ name }) => name);
  const recipes = (await call('recipes/list', {})).recipes.map(({ recipe }) => recipe.id);
  return names.map((name) => {
    const [upper, lower] = [name.toUpperCase(), name.toLowerCase()];
    if (lower === stored) return { kind: 'stored' };
    if (types.includes(upper)) return { kind: 'type', type: upper };
    if (recipes.includes(lower)) return { kind: 'recipe', recipe: lower };
    const closest = suggestion(name, [stored, ...types, ...recipes]);
    throw new QuantscopeError('REQUEST', `There is no format "${name}".${closest}`);
  });
}

interface Given {
  readonly memory: number | undefined;
  readonly bandwidth: number | undefined;
}

interface Figures {
  readonly format: string;
  readonly bitsPerWeight?: number;
  readonly weightsBytes?: number;
  readonly totalBytes?: number;
  readonly fits?: boolean;
  readonly tokensPerSecond?: number;
  readonly failure?: string;
}

function figuresOf(estimate: RunEstimate, target: WeightsEstimate, { memory, bandwidth }: Given): Figures {
  const { label, weights, failure } = target;
  const total = totalBytes(estimate, target);
  const speed = bandwidth === undefined ? undefined : tokensPerSecond(estimate, target, bandwidth);
  return {
    format: label,
    ...(weights ? { bitsPerWeight: weights.bitsPerWeight, weightsBytes: weights.bytes } : {}),
    ...(total === undefined ? {} : { totalBytes: total }),
    ...(total === undefined || memory === undefined ? {} : { fits: total <= memory }),
    ...(speed === undefined ? {} : { tokensPerSecond: speed }),
    ...(failure === undefined ? {} : { failure }),
  };
}

function figuresLine({ format, failure, fits, ...figures }: Figures): string {
  if (failure !== undefined) return `${format}: not possible, ${failure}`;
  const { bitsPerWeight = NaN, weightsBytes = NaN, totalBytes: total, tokensPerSecond: speed } = figures;
  return [
    `${format}: ${bitsPerWeight.toFixed(2)} bits per weight, ${size(weightsBytes)} of weights`,
    ...(total === undefined ? [] : [`${size(total)} together`]),
    ...(fits === undefined ? [] : [fits ? 'fits' : 'does not fit']),
    ...(speed === undefined ? [] : [`at most ${speed.toFixed(1)} tokens/s`]),
  ].join(', ');
}
