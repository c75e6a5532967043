import { useEffect, useState } from 'preact/hooks';
import type { MethodDescription } from '../src/protocol/recipe';
import { optionsOf, type OptionTexts } from './methodOptions';
import type { OptionsByMethod } from './lensRows';
import { usePersistent } from './usePersistent';

/** How long typing must pause before results are computed again (milliseconds). */
const pause = 400;

/** Options of all methods, as they are typed and as they are used. */
export interface MethodSettings {
  readonly texts: Readonly<Record<string, OptionTexts>>;
  readonly change: (method: string, texts: OptionTexts) => void;
  /** Those that are used: valid, and not their defaults. */
  readonly options: OptionsByMethod;
  /** What is wrong with those of a method, which keeps its last valid ones. */
  readonly problems: Readonly<Record<string, string>>;
  /** The method whose options are shown. */
  readonly opened: string | undefined;
  readonly open: (method: string | undefined) => void;
}

const noTexts: MethodSettings['texts'] = {};

/** Options that the user sets for methods. */
export function useMethodOptions(methods: readonly MethodDescription[]): MethodSettings {
  const [texts, setTexts] = usePersistent('methods.options', noTexts, textsOf);
  const [{ options, problems }, setUsed] = useState(() => usedOf(methods, texts, {}));
  const [opened, open] = useState<string>();
  useEffect(() => {
    const timer = setTimeout(() => setUsed((now) => usedOf(methods, texts, now.options)), pause);
    return () => clearTimeout(timer);
  }, [texts]);
  const change = (method: string, changed: OptionTexts): void => setTexts({ ...texts, [method]: changed });
  return { texts, change, options, problems, opened, open };
}

/** @param earlier options that were valid. */
function usedOf(
  methods: readonly MethodDescription[],
  texts: MethodSettings['texts'],
  earlier: OptionsByMethod,
): Pick<MethodSettings, 'options' | 'problems'> {
  const [options, problems]: [Record<string, OptionsByMethod[string]>, Record<string, string>] = [{}, {}];
  for (const method of methods) {
    try {
      options[method.id] = optionsOf(texts[method.id] ?? {}, method);
    } catch (error) {
      options[method.id] = earlier[method.id] ?? {};
      problems[method.id] = error instanceof Error ? error.message : String(error);
    }
  }
  return { options, problems };
}

/** Saved texts; entries of another type are dropped. */
function textsOf(saved: unknown): MethodSettings['texts'] {
  const entries = (value: unknown): [string, unknown][] =>
    typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(
    entries(saved).map(([method, texts]) => [
      method,
      Object.fromEntries(
        entries(texts).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
      ),
    ]),
  );
}
