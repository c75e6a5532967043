import type { ScanOptions, ScanResult } from '../../src/native';

/** What a scan must find, by plain loops in float64 over the weights and a sort of them. */
export function scanReference(values: Float32Array, options: Omit<ScanOptions, 'dtype'>) {
  const finite = values.filter(Number.isFinite);
  const sorted = finite.slice().sort();
  const n = finite.length;
  const mean = finite.reduce((sum, x) => sum + x, 0) / n;
  const moment = (power: number): number => finite.reduce((sum, x) => sum + (x - mean) ** power, 0) / n;
  const rms = Math.sqrt(finite.reduce((sum, x) => sum + x * x, 0) / n);
  return {
    exact: {
      ...{ count: values.length, finite: n, nans: values.filter(Number.isNaN).length },
      infinities: values.filter((x) => Math.abs(x) === Infinity).length,
      zeros: finite.filter((x) => x === 0).length,
      ...{ min: sorted[0]! + 0, max: sorted.at(-1)! + 0 },
    },
    near: { mean, standardDeviation: Math.sqrt(moment(2)), kurtosis: moment(4) / moment(2) ** 2, rms },
    percentiles: options.percentiles.map(
      (percent) => sorted[Math.max(1, Math.ceil((percent / 100) * n)) - 1]!,
    ),
    beyond: (rmsFound: number) =>
      options.thresholds.map((k) => finite.filter((x) => Math.abs(x) > k * rmsFound).length),
    ...linesOf(values, options),
  };
}

function linesOf(values: Float32Array, { rows, columns, cellRows, cellColumns }: Omit<ScanOptions, 'dtype'>) {
  const of = (lines: number) => ({
    ...{ max: new Float64Array(lines), squares: new Float64Array(lines), finite: new Float64Array(lines) },
  });
  const [row, column] = [of(rows), of(columns)];
  const mapColumns = Math.ceil(columns / cellColumns);
  const cells = new Float64Array(Math.ceil(rows / cellRows) * mapColumns);
  values.forEach((x, i) => {
    if (!Number.isFinite(x)) return;
    const [r, c] = [Math.floor(i / columns), i % columns];
    const cell = Math.floor(r / cellRows) * mapColumns + Math.floor(c / cellColumns);
    cells[cell] = Math.max(cells[cell]!, Math.abs(x));
    for (const [figures, line] of [
      [row, r],
      [column, c],
    ] as const) {
      figures.max[line] = Math.max(figures.max[line]!, Math.abs(x));
      figures.squares[line]! += x * x;
      figures.finite[line]! += 1;
    }
  });
  const rms = ({ squares, finite }: typeof row): number[] =>
    [...squares].map((sum, i) => (finite[i] === 0 ? 0 : Math.sqrt(sum / finite[i]!)));
  return {
    ...{ rowAbsMax: [...row.max], columnAbsMax: [...column.max], cellAbsMax: [...cells] },
    ...{ rowRms: rms(row), columnRms: rms(column) },
  };
}

/** Differences of a scan from the reference, as sentences; none where all figures are equal or differ by rounding in float64. */
export function scanFaults(
  found: ScanResult,
  values: Float32Array,
  options: Omit<ScanOptions, 'dtype'>,
): string[] {
  const { exact, near, beyond, percentiles, ...lines } = scanReference(values, options);
  const faults: string[] = [];
  const check = (isRight: boolean, name: string, got: unknown, wanted: unknown): void => {
    if (!isRight) faults.push(`${name} is ${String(got)} instead of ${String(wanted)}`);
  };
  for (const [name, wanted] of Object.entries(exact))
    check(found[name as keyof typeof exact] === wanted, name, found[name as keyof typeof exact], wanted);
  for (const [name, wanted] of Object.entries(near)) {
    const got = found[name as keyof typeof near];
    const scale = name === 'mean' ? near.rms : wanted;
    const isDefined = near.standardDeviation > 0 || name !== 'kurtosis';
    check(isDefined ? Math.abs(got - wanted) <= 1e-11 * scale : Number.isNaN(got), name, got, wanted);
  }
  check(
    String([...found.percentiles]) === String(percentiles),
    'percentiles',
    found.percentiles,
    percentiles,
  );
  const counts = beyond(found.rms);
  check(String([...found.beyond]) === String(counts), 'beyond', found.beyond, counts);
  for (const name of ['rowAbsMax', 'columnAbsMax', 'cellAbsMax'] as const) {
    const wrong = lines[name].findIndex((wanted, i) => found[name][i] !== wanted);
    check(wrong < 0 && found[name].length === lines[name].length, `${name}[${wrong}]`, found[name][wrong], lines[name][wrong]); // prettier-ignore
  }
  for (const name of ['rowRms', 'columnRms'] as const) {
    const wrong = lines[name].findIndex(
      (wanted, i) => !(Math.abs(found[name][i]! - wanted) <= 1e-7 * wanted + 2 ** -149),
    );
    check(wrong < 0 && found[name].length === lines[name].length, `${name}[${wrong}]`, found[name][wrong], lines[name][wrong]); // prettier-ignore
  }
  return faults;
}
