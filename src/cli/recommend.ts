import { resolve } from 'node:path';
import { makePlan, parseBudget, printPlan } from '../ampq/planFile';
import { defaultOverheadBytes } from '../ampq/solve';
import { writeAtomically } from '../files/atomicFile';
import { QuantscopeError } from '../model/errors';
import type { Budget } from '../protocol/plan';
import { requiredOption, textOption, UsageError, type Command, type CommandContext } from './command';
import { exportOverhead } from './exportOverhead';
import { checkOutputs } from './outputs';
import { measuringOptions, measure } from './sensitivity';
import { number, size, table } from './text';

export const recommend: Command = {
  name: 'recommend',
  operand: 'MODEL',
  summary: 'The bit assignment of least error for a budget, as a plan file',
  options: {
    budget: {
      type: 'string',
      value: 'B',
      help: '4.5bpw, or the size of the exported file: 3.2MB',
      required: true,
    },
    out: { type: 'string', value: 'P', help: 'the .ampq.json file to write', required: true },
    ...measuringOptions,
  },
  keepsResults: true,
  async run(context) {
    const out = resolve(requiredOption(context, 'out'));
    const budget = budgetOption(context);
    const inputs = await checkOutputs(context, [out], [textOption(context, 'text')]);
    const measured = await measure(context);
    const overhead = budget.kind === 'bytes' ? await exportOverhead(context.model, defaultOverheadBytes) : 0;
    const plan = makePlan(measured, budget, overhead);
    await writeAtomically(out, (file) => file.write(Buffer.from(printPlan(plan))), inputs);
    const rows = plan.assignments.map((item) => [
      item.tensor,
      item.format,
      item.bitsPerWeight.toFixed(4),
      item.relativeSquaredError === undefined ? '' : number(Math.sqrt(item.relativeSquaredError)),
    ]);
    const { bitsPerWeight, bytes, error = NaN, divergence } = plan.total;
    const expected =
      divergence === undefined ? '' : `, KL divergence to expect ${number(divergence)} nats per token`;
    const total = `${bitsPerWeight.toFixed(3)} bits per weight, ${size(bytes)} of tensors, mean relative squared error ${number(error)}${expected}`;
    return {
      json: { out, plan },
      lines: [
        ...table(['tensor', 'format', 'bits/weight', 'relative error'], rows),
        '',
        total,
        `Written: ${out}`,
      ],
    };
  },
};

function budgetOption(context: CommandContext): Budget {
  try {
    return parseBudget(requiredOption(context, 'budget'));
  } catch (error) {
    throw error instanceof QuantscopeError ? new UsageError(error.message) : error;
  }
}
