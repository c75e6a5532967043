import { dynamicMap } from '../../src/quant/grids/nested';

/** Bins from −1 to 1 in which bitsandbytes' CPU library looks codes of scales up. */
const bins = 65_536;

/** The code of the middle of each bin: as many midpoints of the map as lie below it. */
const codeOfBin: Uint8Array = codesOfBins();

function codesOfBins(): Uint8Array {
  const map = dynamicMap.slice();
  map[0] = -1; // the library widens the map, which begins at −0.993
  const midpoints = Array.from({ length: map.length - 1 }, (_, i) =>
    Math.fround(Math.fround(map[i]! + map[i + 1]!) / 2),
  );
  return Uint8Array.from({ length: bins }, (_, bin) => {
    const value = Math.fround(-1 + Math.fround(Math.fround(2 * bin) / (bins - 1)));
    return midpoints.filter((midpoint) => midpoint < value).length;
  });
}

/**
 * Codes of scales as bitsandbytes' CPU library gives them: those of the nearest of 65,536 bins, so that next to a midpoint of the map a
 * scale may get the neighbour of the nearest code.
 * @param offset what was subtracted from the scales.
 */
export function nativeNestedCodes(scales: Float32Array, block: number, offset: number): Uint8Array {
  const codes = new Uint8Array(scales.length);
  for (let first = 0; first < scales.length; first += block) {
    const centred = scales.subarray(first, first + block).map((scale) => scale - offset);
    const largest = centred.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const inverse = Math.fround(1 / largest);
    centred.forEach((value, i) => {
      const normal = Math.fround(value * inverse);
      const bin = Math.fround(Math.fround(Math.fround(normal + 1) * 0.5) * (bins - 1)) + 0.5;
      codes[first + i] = largest === 0 ? 0 : codeOfBin[Math.floor(Math.fround(bin))]!;
    });
  }
  return codes;
}
