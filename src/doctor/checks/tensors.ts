import { matchCheckpoint } from '../../architectures/convertCheckpoint';
import { QuantscopeError } from '../../model/errors';
import { configName } from '../../model/jsonFiles';
import { joinPlace } from '../../model/place';
import type { Model } from '../../model/model';
import { indexName } from '../../model/weightIndex';
import type { Check, CheckContext } from '../check';
import { bareMessage, placeOf, type Patient } from '../patient';
import { ggufTensors } from './ggufTensors';
import { said } from '../../protocol/said';

/** So many tensors are missing for each that is there where the configuration is that of another model. */
const otherModel = 8;

type Sizes = readonly (number | 'any')[];
const shown = (shape: Sizes): string => `[${shape.map((size) => (size === 'any' ? '…' : size)).join(', ')}]`;

/** Whether all tensors of the model are known, so that one that is not there is missing. */
const isComplete = ({ description }: Model): boolean => description.missingFiles.length === 0;

/** The tensors against those that the configuration leads to. */
export const tensorsCheck: Check = {
  codes: [
    'config/unreadable',
    'config/invalid-value',
    'config/other-model',
    'tensor/missing',
    'tensor/unexpected',
    'tensor/wrong-shape',
  ],
  run(patient, context) {
    const { model } = patient;
    if (!model) return;
    if (model.gguf) {
      if (isComplete(model) && patient.hasSurroundings) ggufTensors(model, context);
      return;
    }
    for (const problem of [model.configProblem, model.modulesProblem])
      if (problem)
        context.report({
          code: 'config/unreadable',
          message: bareMessage(problem),
          ...placeOf(problem, patient.path),
        });
    if (patient.hasSurroundings && isComplete(model)) checkpointTensors(patient, context);
  },
};

function checkpointTensors({ model, path }: Patient, { report }: CheckContext): void {
  const { config, description, modules, folder } = model!;
  if (!config || !description.tensors.some(({ name }) => name.endsWith('.weight'))) return; // no model
  const file = joinPlace(folder, configName(config));
  let matched: ReturnType<typeof matchCheckpoint>;
  try {
    matched = matchCheckpoint(description.tensors, config, file, modules ? { modules } : {});
  } catch (error) {
    if (!(error instanceof QuantscopeError)) throw error;
    // Architectures and settings that this program does not know are no fault of the model.
    if (error.code === 'MODEL_FILE')
      report({ code: 'config/invalid-value', message: bareMessage(error), ...placeOf(error, path) });
    return;
  }
  const missing = matched.problems.filter(({ kind }) => kind === 'missing').length;
  if (missing > otherModel * matched.matched.length) {
    const message = said`Hardly a tensor is one that config.json leads to: it is the configuration of another model.`;
    return report({ code: 'config/other-model', file, message });
  }
  const places = new Map(description.tensors.map((tensor) => [tensor.name, tensor]));
  for (const problem of matched.problems) {
    if (problem.kind === 'unexpected' && indexName.test(problem.file)) continue; // no file has it: another fault
    const { name } = problem;
    const tensor = places.get(name);
    if (problem.kind === 'missing')
      report({
        ...{ code: 'tensor/missing', file, tensor: name },
        message: said`config.json leads to a tensor of shape ${shown(problem.expected)} that no file has.`,
      });
    else if (problem.kind === 'unexpected')
      report({
        ...{
          code: 'tensor/unexpected',
          file: problem.file,
          tensor: name,
          ...(tensor ? { offset: tensor.offset } : {}),
        },
        message: said`The architecture "${matched.description.name}" has no such tensor: programs ignore it, or refuse the model.`,
      });
    else
      report({
        ...{ code: 'tensor/wrong-shape', file: tensor?.file ?? file, tensor: name },
        ...(tensor ? { offset: tensor.offset } : {}),
        message: said`The shape is ${shown(problem.shape)}; config.json leads to ${shown(problem.expected)}.`,
      });
  }
}
