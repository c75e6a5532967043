import * as l10n from '@vscode/l10n';
import { frontRange } from '../ampq/planFront';
import { QuantscopeError } from '../model/errors';
import type { TableOutline } from '../protocol/editorState';
import { takesFewBits } from '../protocol/fewBits';
import { differencesText, measuredWith } from '../protocol/measuredWith';
import { budgetRange, type PlanConstraint, type SensitivityTable } from '../protocol/plan';
import { tableRung } from '../protocol/rungs';

const unconstrained: readonly PlanConstraint[] = [];

/** What was measured of a model, as plans and pages need it. */
export class Measurements {
  private current: SensitivityTable | undefined;
  private revision = 0;
  /** The constraints that the page was told budgets under. */
  private told: readonly PlanConstraint[] = unconstrained;

  get table(): SensitivityTable | undefined {
    return this.current;
  }

  /** @throws QuantscopeError REQUEST before anything was measured. */
  get known(): SensitivityTable {
    if (!this.current) throw notMeasured();
    return this.current;
  }

  set(table: SensitivityTable | undefined): void {
    this.current = table;
    this.revision += 1;
  }

  /** Undefined before anything was measured. @param constraints that budgets are useful under. */
  outlined(constraints: readonly PlanConstraint[] = unconstrained): TableOutline | undefined {
    const { current: table, revision } = this;
    if (!table) return undefined;
    this.told = constraints;
    return {
      ...{ revision, rung: tableRung(table), measuredWith: measuredWith(table) },
      ...(table.rows.length > 0 ? { budgets: budgetsOf(table, constraints) } : {}),
      ...(takesFewBits(table) ? { hasFewBits: table.fewBits !== undefined } : {}),
      ...(table.gainsFrom ? { noise: table.gainsFrom.noise } : {}),
    };
  }

  /** The same where the page was told under other constraints. */
  outlinedAgain(constraints: readonly PlanConstraint[] = unconstrained): TableOutline | undefined {
    return constraints === this.told ? undefined : this.outlined(constraints);
  }
}

export const notMeasured = (): QuantscopeError =>
  new QuantscopeError(
    'REQUEST',
    l10n.t('Nothing has been measured yet: run the sensitivity analysis first.'),
  );

/** Whether a table was measured with something else than another one, or there is no other. */
export const isMeasuredOtherwise = (table: SensitivityTable, other: SensitivityTable | undefined): boolean =>
  !other || differencesText(measuredWith(table), measuredWith(other)).length > 0;

/** Whether anything was measured. */
export const hasCells = ({ rows }: SensitivityTable): boolean => rows.some(({ cells }) => cells.length > 0);

/** Useful budgets. */
function budgetsOf(
  table: SensitivityTable,
  constraints: readonly PlanConstraint[],
): { min: number; max: number } {
  if (constraints.length === 0 || !hasCells(table)) return budgetRange(table);
  try {
    return frontRange(table, constraints);
  } catch (error) {
    // Constraints of a file may be about formats that were not measured: solving names them.
    if (error instanceof QuantscopeError) return budgetRange(table);
    throw error;
  }
}
