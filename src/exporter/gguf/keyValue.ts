import { ggufValueTypeId, type GgufScalar } from '../../model/ggufValue';
import { QuantscopeError } from '../../model/errors';
import { fitsScalar, type KeyValue, type ScalarType } from '../../model/keyValue';
import type { ByteWriter } from './byteWriter';
import { said } from '../../protocol/said';

/**
 * Writes key, type and value.
 * @throws QuantscopeError REQUEST naming the key of a number that its type cannot hold.
 */
export function writeKeyValue(out: ByteWriter, pair: KeyValue): void {
  out.text(pair.key);
  out.u32(ggufValueTypeId(pair.type));
  if ('raw' in pair) {
    out.bytes(pair.raw);
  } else if (pair.type === 'array') {
    out.u32(ggufValueTypeId(pair.elementType));
    out.u64(pair.values.length);
    for (const value of pair.values) writeScalar(out, pair.key, pair.elementType, value);
  } else {
    writeScalar(out, pair.key, pair.type, pair.value);
  }
}

function writeScalar(out: ByteWriter, key: string, type: ScalarType, value: GgufScalar): void {
  if (!fitsScalar(type, value))
    throw new QuantscopeError(
      'REQUEST',
      said`The key "${key}" is ${String(value)}, which ${type} cannot hold.`,
    );
  scalarWriters[type](out, value);
}

const scalarWriters: Readonly<Record<ScalarType, (out: ByteWriter, value: GgufScalar) => void>> = {
  u8: (out, value) => out.view(1).setUint8(0, Number(value)),
  i8: (out, value) => out.view(1).setInt8(0, Number(value)),
  u16: (out, value) => out.view(2).setUint16(0, Number(value), true),
  i16: (out, value) => out.view(2).setInt16(0, Number(value), true),
  u32: (out, value) => out.u32(Number(value)),
  i32: (out, value) => out.view(4).setInt32(0, Number(value), true),
  f32: (out, value) => out.view(4).setFloat32(0, Number(value), true),
  bool: (out, value) => out.view(1).setUint8(0, value ? 1 : 0),
  string: (out, value) => out.text(String(value)),
  u64: (out, value) => out.view(8).setBigUint64(0, BigInt(value), true),
  i64: (out, value) => out.view(8).setBigInt64(0, BigInt(value), true),
  f64: (out, value) => out.view(8).setFloat64(0, Number(value), true),
};
