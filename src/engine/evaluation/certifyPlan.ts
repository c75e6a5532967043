import { basename } from 'node:path';
import { assignmentDigest } from '../../ampq/assignmentDigest';
import { bindPlan } from '../../ampq/bindPlan';
import type { Candidates } from '../../ampq/candidates';
import { rivalFile } from '../../ampq/rivalFile';
import { pairedInterval } from '../../evaluation/pairedWindows';
import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import { CodeFinder, usualObjective } from '../../exporter/codes/codeFinder';
import { fileFrame } from '../../exporter/exportGguf';
import { candidatesOf } from '../../exporter/plan/candidates';
import { QuantscopeError } from '../../model/errors';
import { readImatrix, type Imatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { Certificate, CertificateRival } from '../../protocol/certificate';
import type { CertifyParams } from '../../protocol/evaluation';
import type { CertifiedPlan } from '../../protocol/engine';
import type { Plan } from '../../protocol/plan';
import { plural } from '../../protocol/words';
import type { JobContext } from '../job';
import {
  certifyingWindows,
  improvePlan,
  storedTable,
  type ImprovedPlan,
  type ImproveOptions,
} from './improvePlan';
import { jointFigures, JointRuns, tokensOf } from './jointRuns';
import type { JointTokens } from './jointStore';
import { evidenceOfPlan } from './plannedCodes';
import type { PlannedVariant } from './plannedVariant';
import { presetRivals, randomRival, sizeOf, unmeasuredRivals } from './rivals';
import { planTextOf, runDevice, type PlannedText } from './runPlan';
import { refuseSeenText } from './seenText';
import { quantizedVariant, readPlan } from './weightVariant';

/** Windows that an interval needs: with fewer it says little. */
const leastWindows = 8;

/** A rival before it is measured, and what becomes of the weights. */
interface PlannedRival {
  readonly rival: Omit<CertificateRival, 'measured' | 'difference'>;
  readonly variant: PlannedVariant;
}

/**
 * Measures a plan as a whole over a text that it has not seen, in the same run as presets within its budget and a random assignment.
 * @param models the original, and where it is asked for a file of the same base that the plan is measured against.
 * @param folder where measurements are kept: those that are there are not repeated.
 * @throws QuantscopeError REQUEST for a plan of another model, an importance matrix that the plan was not made with, a text that the plan has
 * seen or that is too short.
 */
export async function certifyPlan(
  { model, rival }: { readonly model: Model; readonly rival?: Model },
  params: CertifyParams,
  folder: string,
  context: JobContext,
): Promise<CertifiedPlan> {
  const { signal } = context;
  const read = await readPlan(params.planFile);
  refuseOtherMatrix(read, params);
  const imatrix = params.imatrix === undefined ? undefined : await readImatrix(params.imatrix, signal);
  const candidates = await candidatesOf(model, { signal, imatrix, isOptimised: read.codes !== undefined });
  const plan = bindPlan(read, model.description, candidates, params.planFile);
  const where = await runDevice(params.device, signal);
  const tokenizer = await openTokenizer(model, signal);
  const text = await certifyingText(model, params, signal);
  await refuseSeenText(model, plan, params, { tokenizer, hash: text.hash }, signal);
  const evidence = plan.codes && (await evidenceOfPlan(model, plan.codes, params.cacheDir));
  const finder = evidence && new CodeFinder(evidence, usualObjective(evidence), signal);
  const roundActivations = params.roundActivations ?? plan.roundsActivations ?? false;
  const settings = { model, text, tokenizer, where, imatrix, codes: plan.codes };
  const runs = new JointRuns({ ...settings, params: { ...params, roundActivations } }, folder, context);
  const variantOf = (of: Plan, label: string): Promise<PlannedVariant> =>
    quantizedVariant(model, targetOf(of, imatrix), label, finder);
  const improved = await improvedPlan(model, plan, candidates, params, { runs, variantOf });
  const certified = improved ? bindPlan(improved.plan, model.description, candidates, params.planFile) : plan;
  const own = await variantOf(certified, basename(params.planFile));
  const rivals = [
    ...(rival ? [fileRival(rival, candidates)] : []),
    ...(await planRivals(model, certified, candidates, imatrix, finder)),
  ];
  const windows = improved ? certifyingWindows(runs.counts.length) : [...runs.counts.keys()];
  const counts = windows.map((at) => runs.counts[at]!);
  const tokens = await runs.measure([own, ...rivals.map(({ variant }) => variant)]);
  const [measured, ...others] = tokens.map((all) => tokensOf(all, runs.counts, windows));
  const { divergence } = certified.total;
  const certificate: Certificate = {
    ...{ text: textOf(text, counts), assignments: assignmentDigest(certified), roundActivations },
    ...(improved ? { improvement: improved.improvement } : {}),
    ...(divergence === undefined ? {} : { predicted: divergence }),
    measured: jointFigures(measured!, counts),
    rivals: comparedRivals(rivals, measured!, others, counts),
    notCompared: unmeasuredRivals(certified, candidates),
  };
  const { notKept } = runs;
  return { plan: { ...certified, certificate }, ...(notKept === undefined ? {} : { notKept }) };
}

/** The plan after swaps, where the request asks for them. @throws QuantscopeError as `improvePlan` and `storedTable`. */
async function improvedPlan(
  model: Model,
  plan: Plan,
  candidates: Candidates,
  { improveFrom: folder }: CertifyParams,
  how: Omit<ImproveOptions, 'table'>,
): Promise<ImprovedPlan | undefined> {
  if (folder === undefined) return undefined;
  return improvePlan(plan, { ...how, table: await storedTable(model, plan, candidates, folder) });
}

/** @throws QuantscopeError REQUEST for a matrix where the plan was made without one: what is measured would not be the plan. */
function refuseOtherMatrix(plan: Plan, { planFile, imatrix }: CertifyParams): void {
  if (plan.imatrix || imatrix === undefined) return;
  const message =
    'The plan was made without an importance matrix; with one its weights would be others. Leave the matrix out, or make a plan with it.';
  throw new QuantscopeError('REQUEST', message, { file: planFile });
}

/** @throws QuantscopeError REQUEST for a text of too few windows; as `planTextOf`. */
async function certifyingText(
  model: Model,
  params: CertifyParams,
  signal: AbortSignal,
): Promise<PlannedText> {
  const { text, context, windows, improveFrom } = params;
  const cut = {
    ...(context === undefined ? {} : { context }),
    ...(windows === undefined ? {} : { windows }),
  };
  const planned = await planTextOf(model, text, cut, signal);
  const { plan } = planned;
  const least = improveFrom === undefined ? leastWindows : 2 * leastWindows;
  if (plan.windows >= least) return planned;
  const needs =
    improveFrom === undefined
      ? `An interval needs at least ${least} windows`
      : `Swaps are judged on every second window and certified on the others, which takes at least ${least} windows`;
  const message = `${needs}, and there ${plan.windows === 1 ? 'is' : 'are'} ${plural(plan.windows, 'window')} of ${plan.context} tokens: use a longer text, more windows or a smaller context.`;
  throw new QuantscopeError('REQUEST', message, { file: text });
}

/** @param counts scored tokens of the windows of the figures. */
const textOf = ({ file, hash, plan }: PlannedText, counts: readonly number[]): Certificate['text'] => ({
  ...{ file: basename(file), hash, context: plan.context, windows: counts.length },
  tokens: counts.reduce((sum, count) => sum + count, 0),
});

const targetOf = (plan: Plan, imatrix: Imatrix | undefined) => ({ plan, ...encoding(imatrix) });

const encoding = (imatrix: Imatrix | undefined) => ({
  allowRequantize: true,
  ...(imatrix ? { imatrix } : {}),
});

/** The weights that a file holds. @throws QuantscopeError REQUEST for a file of another base. */
function fileRival(model: Model, candidates: Candidates): PlannedRival {
  const { description } = model;
  const rows = candidates.tensors.map(({ converted: { name, shape } }) => ({ tensor: name, shape }));
  const { file, bytes } = rivalFile(description, rows);
  return {
    rival: { kind: 'file', name: file, fileBytes: bytes },
    variant: {
      ...{ label: file, changes: new Map(), algorithms: [], model },
      ...{ bytes: description.dataBytes, parameters: description.parameters },
    },
  };
}

async function planRivals(
  model: Model,
  plan: Plan,
  candidates: Candidates,
  imatrix: Imatrix | undefined,
  finder: CodeFinder | undefined,
): Promise<PlannedRival[]> {
  const rivals: PlannedRival[] = [];
  const reference = {
    ...(await candidatesOf(model, { imatrix })),
    ...(plan.frame ? { frame: await fileFrame(model, { imatrix }) } : {}),
  };
  for (const { fileType, codes, bytes, predicted } of presetRivals(plan, candidates, reference)) {
    const found = codes === 'optimised' ? finder : undefined;
    rivals.push({
      rival: {
        ...{ kind: 'preset', name: fileType, codes, fileBytes: bytes },
        ...(predicted === undefined ? {} : { predicted }),
      },
      variant: await quantizedVariant(model, { type: fileType, ...encoding(imatrix) }, fileType, found),
    });
  }
  const control = bindPlan(randomRival(plan, candidates), model.description, candidates);
  rivals.push({
    rival: {
      ...{ kind: 'random', name: 'random', codes: finder ? 'optimised' : 'reference' },
      fileBytes: sizeOf(control),
    },
    variant: await quantizedVariant(model, targetOf(control, imatrix), 'a random assignment', finder),
  });
  return rivals;
}

/** Presets and files by their divergence, and after them the control. */
function comparedRivals(
  rivals: readonly PlannedRival[],
  own: JointTokens,
  others: readonly JointTokens[],
  counts: readonly number[],
): CertificateRival[] {
  const compared = rivals.map(({ rival }, i) => ({
    ...rival,
    measured: jointFigures(others[i]!, counts),
    difference: pairedInterval(own.divergences, others[i]!.divergences, counts),
  }));
  const rank = ({ kind }: CertificateRival): number => (kind === 'random' ? 1 : 0);
  return compared.sort((a, b) => rank(a) - rank(b) || a.measured.mean.value - b.measured.mean.value);
}
