import { useMemo } from 'preact/hooks';
import type { TensorTable } from '../src/protocol/tensorTable';
import { useAppState } from './context';
import { errorFigure, gainFigure, scannedFigures } from './model/figureSources';
import type { LayerFigure } from './model/layerFigures';
import { useFigures } from './useFigures';
import { usePersistent } from './usePersistent';
import { useScan } from './useScan';

/** Which figures a view shows: no others are asked for. */
export interface WantedFigures {
  /** Those of a scan of the model. */
  readonly scanned: boolean;
  /** Those of a sensitivity run. */
  readonly measured: boolean;
  /** The relative error in the format of the page, which a scan tells where no sensitivity run measured it. */
  readonly error: boolean;
}

/** The figures of all tensors that are known, the scan that some come from, and the format of the error, which all views share. */
export function useKnownFigures(table: TensorTable, wanted: WantedFigures) {
  const { sensitivity, formats } = useAppState();
  const measured = useFigures(wanted.measured);
  const [wantedFormat, setFormat] = usePersistent('model.layers.format', 'Q4_K');
  const format = formats.some(({ id }) => id === wantedFormat) ? wantedFormat : formats[0]?.id;
  const known = sensitivity && measured;
  const isMeasured = known?.formats.some((candidate) => candidate.format === format) === true;
  const scansError = wanted.error && !isMeasured;
  const scan = useScan(scansError ? format : undefined, wanted.scanned || scansError);
  const scanned = scan.value;
  const ofScan = useMemo(
    () => (scanned && scanned.names.length > 0 ? scannedFigures(table, scanned) : []),
    [table, scanned],
  );
  const ofTable = useMemo((): LayerFigure[] => {
    if (!known) return [];
    const hasGains = known.rows.some((row) => row.gain !== undefined);
    return [
      ...(isMeasured && format !== undefined ? [errorFigure(table, known, format)] : []),
      ...(hasGains ? [gainFigure(table, known)] : []),
    ];
  }, [table, known, format, isMeasured]);
  const figures = useMemo((): readonly LayerFigure[] => {
    // While another format is asked for, the scan still has the error of the one before.
    const others = ofScan.filter(({ id }) => !isMeasured || id !== 'error');
    return [...others, ...ofTable];
  }, [ofScan, ofTable, isMeasured]);
  return { figures, scan, format, setFormat };
}
