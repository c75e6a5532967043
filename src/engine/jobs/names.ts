import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { nameSyntaxes, type NameMatch, type NameQuery, type NameSyntax } from '../../protocol/names';
import type { ModelSizes, TensorSuggestion } from '../../protocol/planResults';
import { groupSuggestion, suggestionFrom } from '../../protocol/suggestion';
import type { ModelDescription } from '../../protocol/model';
import { said } from '../../protocol/said';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';
import { FiguresCache, type KnownFigures } from '../names/knownFigures';
import { lookUp } from '../names/lookUp';
import { NameIndex } from '../names/nameIndex';
import { planBeside } from './plans';
import { readStoredTable, storedKinds } from './sensitivity';

/** What names in documents mean in models, and what is known of it. */
export function nameJobs(models: OpenModels): {
  readonly 'names/lookup': Job<'names/lookup'>;
  readonly 'tensor/suggestion': Job<'tensor/suggestion'>;
  readonly 'group/suggestion': Job<'group/suggestion'>;
  readonly 'model/sizes': Job<'model/sizes'>;
} {
  const index = new NameIndex(models);
  const figures = new FiguresCache();
  return {
    'names/lookup': lookupJob(index),
    'tensor/suggestion': suggestionJob(models, figures),
    'group/suggestion': (params, { signal }) => {
      checkParams('group/suggestion', params, { ...storedKinds, rows: 'strings' });
      return models.use(params, signal, async (model) => {
        const known = await figures.of(model, params, signal);
        const suggestion = groupSuggestion(known.table, known.plan, params.rows);
        return suggestion && qualified(suggestion, known);
      });
    },
    'model/sizes': (params, { signal }) => {
      checkParams('model/sizes', params, storedKinds);
      return models.use(params, signal, async (model) =>
        sizesOf(model.description, await figures.of(model, params, signal)),
      );
    },
  };
}

function lookupJob(index: NameIndex): Job<'names/lookup'> {
  return async (params, { signal }) => {
    checkParams('names/lookup', params, { paths: 'paths', query: 'record' });
    const query = checkedQuery(params.query);
    const matches: NameMatch[] = [];
    for (const path of params.paths) {
      const model = await index.model(path, signal);
      const match = model && lookUp(model, query);
      if (match) matches.push(match);
    }
    return matches;
  };
}

/** @throws QuantscopeError REQUEST */
function checkedQuery(query: unknown): NameQuery {
  if (
    isRecord(query) &&
    typeof query['text'] === 'string' &&
    nameSyntaxes.includes(query['syntax'] as NameSyntax)
  )
    return query as unknown as NameQuery;
  throw new QuantscopeError(
    'REQUEST',
    said`names/lookup: a query has a text and one of the syntaxes ${nameSyntaxes.join(', ')}.`,
  );
}

function suggestionJob(models: OpenModels, figures: FiguresCache): Job<'tensor/suggestion'> {
  return (params, { signal }) => {
    checkParams('tensor/suggestion', params, { ...storedKinds, tensor: 'string', estimated: 'boolean?' });
    return models.use(params, signal, async (model) => {
      if (params.estimated !== true) {
        const table = await readStoredTable(model, params, signal);
        const { found } = await planBeside(model, signal);
        return suggestionFrom(table, found?.plan, params.tensor);
      }
      const known = await figures.of(model, params, signal);
      return qualified(suggestionFrom(known.table, known.plan, params.tensor), known);
    });
  };
}

/** An estimate is no evidence, and a plan that was made of one rests on none. */
function qualified<T extends Pick<TensorSuggestion, 'evidence' | 'plannedBy'>>(
  suggestion: T,
  { isEstimate, planFile }: KnownFigures,
): T & Pick<TensorSuggestion, 'isEstimate'> {
  if (!isEstimate) return suggestion;
  const left = new Set(planFile === undefined ? ['evidence', 'plannedBy'] : ['evidence']);
  const known = Object.entries(suggestion).filter(([key]) => !left.has(key));
  return { ...(Object.fromEntries(known) as T), isEstimate: true };
}

function sizesOf(description: ModelDescription, { plan, planFile, isEstimate }: KnownFigures): ModelSizes {
  const { name, dataBytes, parameters, weightFiles } = description;
  const dtype = commonDtype(description);
  return {
    ...{ name, bytes: dataBytes, parameters },
    ...(dtype === undefined ? {} : { dtype }),
    missingFiles: weightFiles.total - weightFiles.present,
    ...(plan
      ? {
          planned: {
            ...{ bytes: plan.total.bytes, bitsPerWeight: plan.total.bitsPerWeight },
            ...(planFile === undefined ? {} : { file: planFile }),
            ...(isEstimate ? { isEstimate } : {}),
          },
        }
      : {}),
  };
}

/** The dtype that takes most bytes; undefined for a model without data. */
function commonDtype({ tensors }: ModelDescription): string | undefined {
  const bytes = new Map<string, number>();
  for (const { dtype, byteLength } of tensors) bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLength);
  const [most] = [...bytes].filter(([, sum]) => sum > 0).sort(([, a], [, b]) => b - a);
  return most?.[0];
}
