/** Bits that a format's name says, to the nearest colour class. */
export function bitClass(format: string): string {
  const digits = /\d+/.exec(format)?.[0] ?? '';
  return ['1', '2', '3', '4', '5', '6', '8', '16', '32'].includes(digits) ? `bits${digits}` : 'bits4';
}

export function FormatBadge({ format }: { format: string }) {
  return <span class={`badge ${bitClass(format)}`}>{format}</span>;
}
