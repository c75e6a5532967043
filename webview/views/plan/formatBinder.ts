import { useMemo } from 'preact/hooks';
import type { Plan } from '../../../src/protocol/plan';
import type { FormatBinding, PlanFront } from '../../../src/protocol/planFront';
import { useAsk } from '../../context';

/** Pins, exclusions and releases of tensors of a plan, which are named by their places in it. */
export interface FormatBinder {
  /** Tensors whose format constraints leave no choice of. */
  readonly pinned: ReadonlySet<number>;
  /** Tensors that a constraint applies to. */
  readonly constrained: ReadonlySet<number>;
  readonly disabled: boolean;
  readonly bind: (members: readonly number[], binding: FormatBinding) => void;
  /** P pins tensors to their formats or releases those that are pinned, X excludes their formats, R releases. @returns whether the key was one of them. */
  readonly onKey: (event: KeyboardEvent, members: readonly number[]) => boolean;
}

/** @param front of the plan; undefined while it is not known. */
export function useFormatBinder(plan: Plan, front: PlanFront | undefined, disabled: boolean): FormatBinder {
  const ask = useAsk();
  return useMemo(() => {
    const pinned = new Set(front?.pinned);
    const bind: FormatBinder['bind'] = (members, binding) => {
      const tensors = members.map((index) => plan.assignments[index]!.tensor);
      if (!disabled && tensors.length > 0) void ask('bindFormats', { tensors, binding });
    };
    return {
      ...{ pinned, constrained: new Set(front?.constrained), disabled, bind },
      onKey: (event, members) => {
        const binding = keyBinding(
          event,
          members.every((index) => pinned.has(index)),
        );
        if (!binding || members.length === 0) return false;
        bind(members, binding);
        return true;
      },
    };
  }, [plan, front, disabled]);
}

function keyBinding(event: KeyboardEvent, isPinned: boolean): FormatBinding | undefined {
  if (event.ctrlKey || event.altKey || event.metaKey) return undefined;
  switch (event.key.toLowerCase()) {
    case 'p':
      return { kind: isPinned ? 'release' : 'pin' };
    case 'x':
      return { kind: 'exclude' };
    case 'r':
      return { kind: 'release' };
    default:
      return undefined;
  }
}
