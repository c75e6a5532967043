import { basename } from 'node:path';
import { assignmentDigest } from '../../ampq/assignmentDigest';
import { bindPlan } from '../../ampq/bindPlan';
import type { Candidates } from '../../ampq/candidates';
import { pairedInterval } from '../../evaluation/pairedWindows';
import { CodeFinder, objectiveOver } from '../../exporter/codes/codeFinder';
import { KeptBlocks } from '../../exporter/codes/keptBlocks';
import { fileFrame } from '../../exporter/fileFrame';
import { candidatesOf } from '../../exporter/plan/candidates';
import type { Imatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { Certificate, CertificateRival } from '../../protocol/certificate';
import type { CertifyParams } from '../../protocol/evaluation';
import type { CertifiedPlan } from '../../protocol/planResults';
import type { Plan } from '../../protocol/plan';
import type { JobContext } from '../job';
import { setUp, type CertifiedModels, type Certification, type PlannedRival } from './certifySetup';
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
import { presetRivals, randomRival, sizeOf, unmeasuredRivals, type PresetRival } from './rivals';
import type { PlannedText } from './runPlan';
import { quantizedVariant } from './weightVariant';

/**
 * Measures a plan as a whole over a text that it has not seen, in the same run as presets within its budget and a random assignment.
 * @param folder where measurements are kept: those that are there are not repeated.
 * @throws QuantscopeError as `setUp`, before anything is measured; as `improvePlan` and `evaluateText`.
 */
export async function certifyPlan(
  { model, rival }: CertifiedModels,
  params: CertifyParams,
  folder: string,
  context: JobContext,
): Promise<CertifiedPlan> {
  const { signal } = context;
  const { plan, candidates, imatrix, text, tokenizer, where, theirs } = await setUp(
    { model, rival },
    params,
    signal,
  );
  const evidence = plan.codes && (await evidenceOfPlan(model, plan.codes, params.cacheDir));
  const blocks = new KeptBlocks();
  const objective = evidence && objectiveOver(evidence, plan.codes.objective);
  const finder = evidence && objective && new CodeFinder(evidence, objective, signal, blocks);
  const roundActivations = params.roundActivations ?? plan.roundsActivations ?? false;
  const settings = { model, text, tokenizer, where, imatrix, codes: plan.codes, blocks };
  const runs = new JointRuns({ ...settings, params: { ...params, roundActivations } }, folder, context);
  const variantOf = (of: Plan, label: string): Promise<PlannedVariant> =>
    quantizedVariant(model, targetOf(of, imatrix), label, finder);
  const improved = await improvedPlan(model, plan, candidates, params, { runs, variantOf });
  const certified = improved ? bindPlan(improved.plan, model.description, candidates, params.planFile) : plan;
  const own = await variantOf(certified, basename(params.planFile));
  const rivals = [
    ...(theirs ? [theirs] : []),
    ...(await planRivals(model, { plan: certified, candidates, imatrix }, finder)),
  ];
  const windows = improved ? certifyingWindows(runs.counts.length) : [...runs.counts.keys()];
  const counts = windows.map((at) => runs.counts[at]!);
  const tokens = await runs.measure([own, ...rivals.map(({ variant }) => variant)]);
  const [measured, ...others] = tokens.map((all) => tokensOf(all, runs.counts, windows));
  const { divergence } = certified.total;
  const certificate: Certificate = {
    ...{ text: textOf(text, counts), assignments: assignmentDigest(certified), roundActivations },
    ...(finder ? { objective: finder.objective } : {}),
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

/** The presets that a plan has to beat. */
export async function comparedPresets(
  model: Model,
  { plan, candidates, imatrix }: Pick<Certification, 'plan' | 'candidates' | 'imatrix'>,
): Promise<PresetRival[]> {
  const reference = {
    ...(await candidatesOf(model, { imatrix })),
    ...(plan.frame ? { frame: await fileFrame(model, { imatrix }) } : {}),
  };
  return presetRivals(plan, candidates, reference);
}

async function planRivals(
  model: Model,
  certification: Pick<Certification, 'plan' | 'candidates' | 'imatrix'>,
  finder: CodeFinder | undefined,
): Promise<PlannedRival[]> {
  const { plan, candidates, imatrix } = certification;
  const rivals: PlannedRival[] = [];
  for (const { fileType, codes, bytes, predicted } of await comparedPresets(model, certification)) {
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
