import { resolve } from 'node:path';
import { absolutePlace } from '../model/place';
import { printPlan } from '../ampq/planFile';
import { writeAtomically } from '../files/atomicFile';
import {
  additivityOf,
  type Certificate,
  type CertificateRival,
  type Improvement,
  type JointFigures,
} from '../protocol/certificate';
import { certifyEstimateText, finalChanges, improvementText } from '../protocol/certificateText';
import { rungText } from '../protocol/rungs';
import { missedTargets } from '../protocol/targets';
import { estimateText } from '../protocol/figures';
import { listOf, notKeptNote } from '../protocol/tableNotes';
import { size } from '../protocol/words';
import { intervalText, verdictOf } from '../protocol/verdict';
import { loraOption } from './adapters';
import {
  countOption,
  flagOption,
  modelOption,
  requiredOption,
  textOption,
  valueOption,
  type Command,
} from './command';
import { checkOutputs } from './outputs';
import { memoryOf, runOptions, windowOptions, windowsOf } from './runOptions';
import { deviceOption } from './device';
import { count, number, table } from './text';

export const certify: Command = {
  name: 'certify',
  operand: 'MODEL',
  summary:
    'Measure a plan as a whole over another text, against presets of its size, and say whether it is better',
  options: {
    plan: { type: 'string', value: 'P', help: 'the .ampq.json plan', required: true },
    text: {
      type: 'string',
      value: 'F',
      help: 'UTF-8 text that neither the gains nor the codes of the plan have seen',
      required: true,
    },
    out: valueOption('P', 'where to write the plan with the result (default: the plan itself)'),
    beat: modelOption('F', 'GGUF file of the same base: its weights are measured, too'),
    imatrix: valueOption('F', 'importance matrix of the plan, if it was made with one'),
    'round-activations': flagOption(
      'round activations to 8 bits, as llama.cpp does on CPUs (default for plans that count it)',
    ),
    improve: flagOption('change formats where a measurement on every second window shows it to be better'),
    lora: loraOption,
    ...windowOptions,
    ...runOptions,
  },
  keepsResults: true,
  async run(context) {
    const { model, jobs, signal, progress, evaluationDir: cacheDir } = context;
    const planFile = resolve(requiredOption(context, 'plan'));
    const text = resolve(requiredOption(context, 'text'));
    const [out, imatrix, rival] = ['out', 'imatrix', 'beat'].map((name) => {
      const file = textOption(context, name);
      return file === undefined ? undefined : absolutePlace(file);
    });
    const target = out ?? planFile;
    const inputs = await checkOutputs(context, [target], [text, imatrix, rival]);
    const threads = countOption(context, 'threads');
    const params = {
      ...{ ...model, planFile, text, cacheDir, ...windowsOf(context) },
      ...(imatrix === undefined ? {} : { imatrix }),
      ...(rival === undefined ? {} : { rival }),
      ...(context.options['improve'] === true ? { improveFrom: context.cacheDir } : {}),
      ...(context.options['round-activations'] === true ? { roundActivations: true } : {}),
      ...{ memory: memoryOf(context), device: deviceOption(context) },
      ...(threads === undefined ? {} : { threads }),
    };
    const estimate = await jobs['plan/certifyEstimate'](params, { signal, progress });
    context.note(certifyEstimateText(estimate));
    const { plan, notKept } = await jobs['plan/certify'](params, { signal, progress });
    await writeAtomically(target, (file) => file.write(Buffer.from(printPlan(plan))), inputs);
    if (notKept !== undefined) context.note(`Note: ${notKeptNote(notKept)}`);
    const verdict = verdictOf(plan)!;
    const { certificate, targets } = plan;
    const missed = targets ? missedTargets(targets, certificate.measured) : [];
    return {
      json: { out: target, certificate, ...verdict, ...(targets ? { targets, missed } : {}) },
      lines: [
        ...certificateLines(certificate, plan.total.fileBytes ?? plan.total.bytes),
        `Evidence: ${rungText('joint')}`,
        verdict.text,
        ...(targets && missed.length === 0 ? ['All targets of the plan are kept.'] : []),
        `Written: ${target}`,
      ],
      ...(missed.length === 0 ? {} : { failure: missedText(missed) }),
    };
  },
};

function certificateLines(certificate: Certificate, fileBytes: number): string[] {
  const { text, measured, predicted, rivals, notCompared, roundActivations, objective } = certificate;
  const rounded = roundActivations ? ', activations rounded to 8 bits' : '';
  const codes = objective === undefined ? '' : `, ${objective} codes`;
  const ratio = additivityOf(certificate);
  return [
    `${text.file}: ${count(text.windows)} windows of ${text.context}, ${count(text.tokens)} tokens scored${codes}${rounded}. KL divergence from the original, nats per token:`,
    ...table(
      ['weights', 'size', 'predicted', 'mean', 'median', '99 %', 'same top token', 'plan less this, 95 %'],
      [
        ['plan', size(fileBytes), predictedText(predicted), ...figuresText(measured), ''],
        ...rivals.map((rival) => [
          ...[nameOf(rival), size(rival.fileBytes), predictedText(rival.predicted)],
          ...figuresText(rival.measured),
          intervalText(rival.difference),
        ]),
      ],
    ),
    '',
    ...(certificate.improvement ? improvementLines(certificate.improvement) : []),
    ...(ratio === undefined ? [] : [`Measured over predicted: ${ratio.toFixed(2)}`]),
    ...(notCompared.length === 0
      ? []
      : [
          `Presets within the budget that need an importance matrix are not compared: ${listOf(notCompared)}.`,
        ]),
  ];
}

/** What swaps did, and the formats that changed. */
function improvementLines(improvement: Improvement): string[] {
  const changes = improvement.isAdopted ? finalChanges(improvement) : [];
  if (changes.length === 0) return [improvementText(improvement)];
  return [
    improvementText(improvement),
    ...table(
      ['tensor', 'from', 'to'],
      changes.map(({ tensor, from, to }) => [tensor, from, to]),
    ),
    '',
  ];
}

const missedText = (missed: readonly string[]): string =>
  `The plan misses its targets: ${missed.join('; ')}. Solve it again for stricter ones.`;

const nameOf = ({ name, codes }: CertificateRival): string =>
  codes === 'optimised' ? `${name}, optimised codes` : name;

const predictedText = (divergence: number | undefined): string =>
  divergence === undefined ? '' : number(divergence);

const figuresText = ({ mean, median, percentile99, sameTopToken }: JointFigures): string[] => [
  ...[estimateText(mean), number(median), number(percentile99), `${(100 * sameTopToken).toFixed(2)} %`],
];
