import type { Budget } from './plan';

/** A budget as users type it: "4.5bpw", "3.2MB", "3.2 MiB", "3200000B" (MB = 10^6 bytes). Undefined for anything else. */
export function budgetFrom(text: string): Budget | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(bpw|b|kb|mb|gb|kib|mib|gib)\s*$/i.exec(text);
  if (!match) return undefined;
  const value = Number(match[1]);
  const unit = match[2]!.toLowerCase();
  if (unit === 'bpw') return { kind: 'bits-per-weight', value };
  const power = ['b', 'k', 'm', 'g'].indexOf(unit[0]!);
  return { kind: 'bytes', value: Math.floor(value * (unit.includes('i') ? 1024 : 1000) ** power) };
}
