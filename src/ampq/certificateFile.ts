import type {
  Certificate,
  CertificateRival,
  FormatChange,
  Improvement,
  JointFigures,
} from '../protocol/certificate';
import type { Interval, Estimate } from '../protocol/estimate';
import { codeChoices, objectives } from '../protocol/export';
import type { Checker } from './planChecker';

/**
 * The certificate in the JSON of a plan file.
 * @param path of it in the document, for errors.
 * @throws QuantscopeError MODEL_FILE naming the invalid place.
 */
export function parseCertificate(check: Checker, value: unknown, path: string): Certificate {
  const item = check.record(value, path);
  return {
    text: textOf(check, item['text'], `${path}.text`),
    assignments: check.string(item['assignments'], `${path}.assignments`),
    roundActivations: check.boolean(item['roundActivations'], `${path}.roundActivations`),
    ...(item['improvement'] === undefined
      ? {}
      : { improvement: improvementOf(check, item['improvement'], `${path}.improvement`) }),
    ...(item['objective'] === undefined
      ? {}
      : { objective: check.oneOf(item['objective'], objectives, `${path}.objective`) }),
    ...check.optional('predicted', item['predicted'], `${path}.predicted`),
    measured: figuresOf(check, item['measured'], `${path}.measured`),
    rivals: check
      .list(item['rivals'], `${path}.rivals`)
      .map((rival, i) => rivalOf(check, rival, `${path}.rivals[${i}]`)),
    notCompared: check.strings(item['notCompared'], `${path}.notCompared`),
  };
}

function textOf(check: Checker, value: unknown, path: string): Certificate['text'] {
  const text = check.record(value, path);
  return {
    file: check.string(text['file'], `${path}.file`),
    hash: check.string(text['hash'], `${path}.hash`),
    context: check.positive(text['context'], `${path}.context`),
    windows: check.positive(text['windows'], `${path}.windows`),
    tokens: check.positive(text['tokens'], `${path}.tokens`),
  };
}

function improvementOf(check: Checker, value: unknown, path: string): Improvement {
  const item = check.record(value, path);
  return {
    windows: check.positive(item['windows'], `${path}.windows`),
    tried: check.count(item['tried'], `${path}.tried`),
    swaps: check.list(item['swaps'], `${path}.swaps`).map((entry, i) => {
      const at = `${path}.swaps[${i}]`;
      const swap = check.record(entry, at);
      const changes = check.list(swap['changes'], `${at}.changes`);
      return {
        changes: changes.map((change, n) => changeOf(check, change, `${at}.changes[${n}]`)),
        difference: intervalOf(check, swap['difference'], `${at}.difference`),
      };
    }),
    ...(item['difference'] === undefined
      ? {}
      : { difference: intervalOf(check, item['difference'], `${path}.difference`) }),
    isAdopted: check.boolean(item['isAdopted'], `${path}.isAdopted`),
  };
}

function changeOf(check: Checker, value: unknown, path: string): FormatChange {
  const change = check.record(value, path);
  return {
    tensor: check.string(change['tensor'], `${path}.tensor`),
    from: check.string(change['from'], `${path}.from`),
    to: check.string(change['to'], `${path}.to`),
  };
}

function figuresOf(check: Checker, value: unknown, path: string): JointFigures {
  const figures = check.record(value, path);
  return {
    mean: estimateOf(check, figures['mean'], `${path}.mean`),
    median: check.finite(figures['median'], `${path}.median`),
    percentile99: check.finite(figures['percentile99'], `${path}.percentile99`),
    sameTopToken: check.number(figures['sameTopToken'], `${path}.sameTopToken`),
  };
}

function estimateOf(check: Checker, value: unknown, path: string): Estimate {
  const estimate = check.record(value, path);
  return {
    value: check.finite(estimate['value'], `${path}.value`),
    standardError: check.number(estimate['standardError'], `${path}.standardError`),
  };
}

function rivalOf(check: Checker, value: unknown, path: string): CertificateRival {
  const rival = check.record(value, path);
  return {
    kind: check.oneOf(rival['kind'], ['preset', 'file', 'random'], `${path}.kind`),
    name: check.string(rival['name'], `${path}.name`),
    ...(rival['codes'] === undefined
      ? {}
      : { codes: check.oneOf(rival['codes'], codeChoices, `${path}.codes`) }),
    fileBytes: check.count(rival['fileBytes'], `${path}.fileBytes`),
    ...check.optional('predicted', rival['predicted'], `${path}.predicted`),
    measured: figuresOf(check, rival['measured'], `${path}.measured`),
    difference: intervalOf(check, rival['difference'], `${path}.difference`),
  };
}

function intervalOf(check: Checker, value: unknown, path: string): Interval {
  const interval = check.record(value, path);
  return {
    value: check.finite(interval['value'], `${path}.value`),
    low: check.finite(interval['low'], `${path}.low`),
    high: check.finite(interval['high'], `${path}.high`),
  };
}
