import { storedScan } from '../../analysis/modelScan';
import { writeAtomically } from '../../files/atomicFile';
import { inputsOf } from '../../files/inputs';
import { modelHash } from '../../model/identity';
import type { Model } from '../../model/model';
import { formatById } from '../../quant/catalogue';
import type { ReportParams } from '../../protocol/report';
import { ResultStore } from '../evaluation/resultStore';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { reportFacts, type KeptFacts, type ReportFacts } from '../report/facts';
import { reportForm } from '../report/form';
import { reportHtml } from '../report/html';
import { reportMarkdown } from '../report/markdown';
import { planBeside } from './plans';
import { readStoredTable } from './sensitivity';

const reportKinds = { ...modelKinds, cacheDir: 'path', evaluationDir: 'path', format: 'string?' } as const;

/** A model in Markdown. */
export function summaryJob(models: OpenModels): Job<'model/summary'> {
  return (params, { signal }) => {
    checkParams('model/summary', params, reportKinds);
    return models.use(params, signal, async (model) => ({
      text: reportMarkdown(await factsOf(model, params, signal)).text,
    }));
  };
}

/** Writes a report; its form is that of the ending. */
export function reportJob(models: OpenModels): Job<'model/report'> {
  return (params, { signal }) => {
    checkParams('model/report', params, { ...reportKinds, out: 'path', made: 'string' });
    const { out, made } = params;
    const form = reportForm(out);
    return models.useUnchanged(params, signal, async (model) => {
      const facts = await factsOf(model, params, signal);
      const { text, sections } = form === 'html' ? reportHtml(facts, made) : reportMarkdown(facts);
      const bytes = Buffer.from(text);
      await writeAtomically(out, (file) => file.write(bytes), await inputsOf(model.description));
      return { out, bytes: bytes.length, sections };
    });
  };
}

async function factsOf(model: Model, params: ReportParams, signal: AbortSignal): Promise<ReportFacts> {
  const { cacheDir, evaluationDir, format } = params;
  const scan = await storedScan(model, {
    cacheDir,
    ...(format === undefined ? {} : { format: formatById(format) }),
  });
  const kept: KeptFacts = {
    evaluations: await new ResultStore(evaluationDir).list(modelHash(model.description)),
    sensitivity: await readStoredTable(model, { ...params, cacheDir }, signal),
    plan: (await planBeside(model, signal)).found,
    ...(scan.names.length > 0 ? { scan } : {}),
  };
  return reportFacts(model, kept, signal);
}
