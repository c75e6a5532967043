import type { ComponentChildren } from 'preact';
import { namedBits } from '../../src/protocol/formatBits';
import { bitColor, bitLength } from '../bitScale';
import { bits as bitsText } from '../format';

/** Bits per weight: a bar on the scale, and the number or another label. */
export function Bits({ bits, children }: { bits: number; children?: ComponentChildren }) {
  return (
    <span class="bits">
      <span class="bits-bar" aria-hidden="true">
        <span style={{ width: `${100 * bitLength(bits)}%`, background: bitColor(bits) }} />
      </span>
      {children ?? bitsText(bits)}
    </span>
  );
}

/** The name of a format after the bar of its bits: those given, else those in the name. */
export function FormatBadge({ format, bits }: { format: string; bits?: number }) {
  const shown = bits ?? namedBits(format);
  return shown === undefined ? (
    <span class="badge">{format}</span>
  ) : (
    <span class="badge">
      <Bits bits={shown}>{format}</Bits>
    </span>
  );
}
