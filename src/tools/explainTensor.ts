import { z } from 'zod';
import type { FormatError } from '../protocol/analysis';
import type { TensorSuggestion } from '../protocol/planResults';
import { size } from '../protocol/words';
import { figureField, figureOf, figureText, modelField, tensorField } from './fields';
import { statisticsLines, statisticsOf, statisticsSchema } from './statisticsFields';
import { defineTool } from './tool';

/** Formats whose errors are shown where none are named: a ladder of sizes. */
const usualFormats = ['Q8_0', 'Q6_K', 'Q5_K', 'Q4_K', 'Q3_K', 'Q2_K'];
const mostFormats = 24;

const errorSchema = z.object({
  format: z.string(),
  bitsPerWeight: z.number(),
  bytes: z.number(),
  relativeError: figureField.describe("‖x − x'‖ / ‖x‖ of the weights"),
  sqnr: figureField.describe('dB; null where nothing is lost'),
  maxError: figureField,
  divergence: figureField
    .optional()
    .describe(
      'KL divergence of the output with this tensor alone in the format, nats per token; where measured',
    ),
});

export const explainTensor = defineTool({
  name: 'explain_tensor',
  title: 'Explain the Sensitivity of a Tensor',
  description:
    'Why a tensor is or is not sensitive to quantization: its statistics and outliers, its error and size in each format, and, where the model was measured before, how much it changes the output (gain) and what the plan next to the model gives it.',
  input: z.strictObject({
    model: modelField,
    tensor: tensorField,
    formats: z
      .array(z.string().min(1))
      .min(1)
      .max(mostFormats)
      .default(usualFormats)
      .describe('Formats to compare, such as Q4_K, IQ4_XS, nf4'),
  }),
  output: z.object({
    tensor: z.string(),
    storedBytes: z.number(),
    statistics: statisticsSchema,
    errors: z.array(errorSchema),
    refused: z.array(z.object({ format: z.string(), reason: z.string() })),
    gain: figureField
      .optional()
      .describe('KL divergence (nats per token) for each unit of relative squared error; where measured'),
    evidence: z.string().optional().describe('What gain and divergences rest on'),
    planned: z
      .object({ format: z.string(), bitsPerWeight: z.number(), by: z.string().optional() })
      .optional()
      .describe('What the plan next to the model gives this tensor'),
  }),
  async run({ model, tensor, formats }, { call, modelPlace, cacheDir }) {
    const named = { path: await modelPlace(model), tensor };
    const analysis = await call('tensor/analyse', named);
    const compared = await call('tensor/compare', { ...named, formats });
    const known = await call('tensor/suggestion', { ...named, cacheDir });
    const gain = known.row?.gain;
    const refused = compared.refused.map(({ format, reason }) => ({ format, reason }));
    return {
      data: {
        ...{ tensor, storedBytes: compared.sourceBytes, statistics: statisticsOf(analysis), refused },
        errors: compared.formats.map((item) => errorOf(item, known)),
        ...(gain === undefined ? {} : { gain: figureOf(gain) }),
        ...(known.evidence === undefined ? {} : { evidence: known.evidence }),
        ...plannedOf(known),
      },
      lines: [
        `${tensor}: ${size(compared.sourceBytes)} as stored`,
        ...statisticsLines(analysis),
        ...compared.formats.map((item) => errorLine(item, known)),
        ...refused.map(({ format, reason }) => `${format}: not possible, ${reason}`),
        ...knownLines(known),
      ],
    };
  },
});

/** Of the output, in a format that was measured; undefined where it is not known. */
function divergenceIn({ row }: TensorSuggestion, format: string): number | undefined {
  const cell = row?.cells.find((item) => item.format === format);
  return row?.gain === undefined || !cell ? undefined : row.gain * cell.relativeSquaredError;
}

function errorOf({ format, bitsPerWeight, bytes, error }: FormatError, known: TensorSuggestion) {
  const divergence = divergenceIn(known, format);
  return {
    ...{ format, bitsPerWeight, bytes },
    relativeError: figureOf(error.relativeError),
    sqnr: figureOf(error.sqnr),
    maxError: figureOf(error.maxError),
    ...(divergence === undefined ? {} : { divergence: figureOf(divergence) }),
  };
}

function errorLine({ format, bitsPerWeight, bytes, error }: FormatError, known: TensorSuggestion): string {
  const divergence = divergenceIn(known, format);
  const effect = divergence === undefined ? '' : `, KL divergence ${figureText(divergence)} nats per token`;
  return `${format}: ${bitsPerWeight.toFixed(2)} bits per weight, ${size(bytes)}, relative error ${figureText(error.relativeError)}, SQNR ${figureText(error.sqnr)} dB${effect}`;
}

function plannedOf({ assignment, plannedBy }: TensorSuggestion) {
  if (!assignment) return {};
  const { format, bitsPerWeight } = assignment;
  return { planned: { format, bitsPerWeight, ...(plannedBy === undefined ? {} : { by: plannedBy }) } };
}

function knownLines({ row, evidence, assignment, plannedBy }: TensorSuggestion): string[] {
  const measured = row
    ? [`Measured: ${row.gain === undefined ? 'errors only' : `gain ${figureText(row.gain)}`} (${evidence})`]
    : ['The effect on the output was not measured: recommend_plan measures it.'];
  return assignment
    ? [...measured, `The plan next to the model: ${assignment.format} (${plannedBy})`]
    : measured;
}
