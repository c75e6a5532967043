import { joinPlace } from '../../model/place';
import { architectures } from '../../architectures/registry';
import { scaffoldModel } from '../../architectures/scaffold/proposal';
import { QuantscopeError } from '../../model/errors';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { said } from '../../protocol/said';

/** Proposes a description of a checkpoint's architecture from config.json and the headers of its files. */
export function scaffoldJob(models: OpenModels): Job<'model/scaffold'> {
  return (params, { signal }) => {
    checkParams('model/scaffold', params, modelKinds);
    return models.use(params, signal, ({ config, configProblem, description, folder, gguf }) => {
      const refuse = (message: string, file: string): QuantscopeError =>
        new QuantscopeError('REQUEST', message, { file });
      if (gguf)
        throw refuse(said`A GGUF file needs no description: it has the names of GGUF.`, description.path);
      if (configProblem) throw configProblem;
      if (!config)
        throw refuse(
          said`A description is made from config.json, which is missing.`,
          joinPlace(folder, 'config.json'),
        );
      return Promise.resolve(scaffoldModel(description.tensors, config, architectures));
    });
  };
}
