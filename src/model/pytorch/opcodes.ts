import { exact } from './pickleBytes';
import type { Machine } from './machine';
import { storageOf } from './persistentIds';
import { asKind, tupleOf, type PickleValue } from './values';
import { said } from '../../protocol/said';

type Opcode = (machine: Machine) => void;

/** STOP, which ends a pickle. */
export const stop = 0x2e;

/**
 * All opcodes of protocols 0 to 5 but STOP, by their byte. None runs anything: names are looked up in one table (`globals.ts`).
 * @see https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
export const opcodes: ReadonlyMap<number, Opcode> = new Map<number, Opcode>([
  // Constants and numbers
  [code('N'), (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [code('I'), (m) => m.push(textInteger(m, m.bytes.line()))],
  [code('L'), (m) => m.push(textInteger(m, m.bytes.line().replace(/L$/, '')))],
  [code('J'), (m) => m.push(m.bytes.i32())],
  [code('K'), (m) => m.push(m.bytes.u8())],
  [code('M'), (m) => m.push(m.bytes.u16())],
  [0x8a, (m) => m.push(m.bytes.integer(m.bytes.u8()))],
  [0x8b, (m) => m.push(m.bytes.integer(m.bytes.u32()))],
  [code('F'), (m) => m.push(Number(m.bytes.line()))],
  [code('G'), (m) => m.push(m.bytes.f64())],
  // Text and bytes
  [code('S'), (m) => m.push(quoted(m, m.bytes.line(Infinity)))],
  [code('T'), (m) => m.push(m.bytes.text(m.bytes.u32()))],
  [code('U'), (m) => m.push(m.bytes.text(m.bytes.u8()))],
  [code('V'), (m) => m.push(unescaped(m.bytes.line(Infinity)))],
  [code('X'), (m) => m.push(m.bytes.text(m.bytes.u32()))],
  [0x8c, (m) => m.push(m.bytes.text(m.bytes.u8()))],
  [0x8d, (m) => m.push(m.bytes.text(m.bytes.length8()))],
  [code('B'), (m) => m.pushNew(m.bytes.take(m.bytes.u32()))],
  [code('C'), (m) => m.pushNew(m.bytes.take(m.bytes.u8()))],
  [0x8e, (m) => m.pushNew(m.bytes.take(m.bytes.length8()))],
  [0x96, (m) => m.pushNew(m.bytes.take(m.bytes.length8()))],
  // Containers
  [code(']'), (m) => m.pushNew({ kind: 'list', items: [] })],
  [code('l'), (m) => m.pushNew({ kind: 'list', items: m.popMark() })],
  [code('a'), (m) => append(m, [m.pop()])],
  [code('e'), (m) => append(m, m.popMark())],
  [code(')'), (m) => m.pushNew(tupleOf([]))],
  [code('t'), (m) => m.pushNew(tupleOf(m.popMark()))],
  [0x85, (m) => tuple(m, 1)],
  [0x86, (m) => tuple(m, 2)],
  [0x87, (m) => tuple(m, 3)],
  [code('}'), (m) => m.pushNew({ kind: 'dict', entries: new Map() })],
  [code('d'), dictionary],
  [
    code('s'),
    (m) => {
      const [value, key] = [m.pop(), m.pop()];
      m.setItems(m.top(), [key, value]);
    },
  ],
  [
    code('u'),
    (m) => {
      const items = m.popMark();
      m.setItems(m.top(), items);
    },
  ],
  [0x8f, (m) => m.pushNew({ kind: 'set', items: [] })],
  [
    0x90,
    (m) => {
      const items = m.popMark();
      m.extend(m.top(), items, 'set');
    },
  ],
  [0x91, (m) => m.pushNew({ kind: 'set', items: m.popMark() })],
  // Stack and memo
  [code('('), (m) => m.mark()],
  [code('0'), (m) => m.drop()],
  [code('1'), (m) => void m.popMark()],
  [code('2'), (m) => m.push(m.top())],
  [code('g'), (m) => m.recall(key(m))],
  [code('h'), (m) => m.recall(m.bytes.u8())],
  [code('j'), (m) => m.recall(m.bytes.u32())],
  [code('p'), (m) => m.keep(key(m))],
  [code('q'), (m) => m.keep(m.bytes.u8())],
  [code('r'), (m) => m.keep(m.bytes.u32())],
  [0x94, (m) => m.keepNext()],
  // Classes, functions and what is made by them
  [code('c'), (m) => m.push(m.global(m.bytes.line(), m.bytes.line()))],
  [0x93, stackGlobal],
  [0x82, (m) => m.push(m.unknown(`extension ${m.bytes.u8()}`))],
  [0x83, (m) => m.push(m.unknown(`extension ${m.bytes.u16()}`))],
  [0x84, (m) => m.push(m.unknown(`extension ${m.bytes.i32()}`))],
  [code('R'), reduce],
  [0x81, reduce],
  [
    0x92,
    (m) => {
      const [named, args, callee] = [m.pop(), m.pop(), m.pop()];
      m.call(callee, asKind(named, 'dict')?.entries.size === 0 ? args : tupleOf([args, named]));
    },
  ],
  [
    code('i'),
    (m) => {
      const callee = m.global(m.bytes.line(), m.bytes.line());
      m.call(callee, tupleOf(m.popMark()));
    },
  ],
  [
    code('o'),
    (m) => {
      const [callee, ...args] = m.popMark();
      if (callee === undefined) throw m.fail(said`The pickle makes an object without a class.`);
      m.call(callee, tupleOf(args));
    },
  ],
  // The state of an object: attributes of a dictionary or a tensor, which are not needed.
  [code('b'), (m) => void (m.pop(), m.top())],
  // Data outside the pickle
  [code('P'), (m) => m.pushNew(storageOf(m, m.bytes.line()))],
  [code('Q'), (m) => m.pushNew(storageOf(m, m.pop()))],
  [
    0x97,
    (m) => {
      throw m.fail(said`The pickle refers to buffers outside the file.`);
    },
  ],
  [0x98, (m) => void m.top()],
  // Framing
  [0x80, protocol],
  [0x95, (m) => void m.bytes.length8()],
]);

function code(character: string): number {
  return character.charCodeAt(0);
}

/** The newest protocol there is. */
const lastProtocol = 5;

function protocol(m: Machine): void {
  const version = m.bytes.u8();
  if (version > lastProtocol) throw m.fail(said`Protocol ${version} of pickles is not known.`);
}

function textInteger(m: Machine, text: string): PickleValue {
  if (text === '00' || text === '01') return text === '01';
  if (!/^\s*[+-]?\d{1,4096}\s*$/.test(text)) throw m.fail(said`The pickle holds a number that is not one.`);
  return exact(BigInt(text.trim().replace(/^\+/, '')));
}

/** A string as Python's repr writes it. */
function quoted(m: Machine, text: string): string {
  const [, , inner] = /^\s*(['"])([^]*)\1\s*$/.exec(text) ?? [];
  if (inner === undefined) throw m.fail(said`The pickle holds a string without quotes.`);
  return unescaped(inner);
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function unescaped(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|([^]))/gi,
    (_, byte: string | undefined, unit: string | undefined, other: string | undefined) =>
      other === undefined ? String.fromCharCode(parseInt(byte ?? unit ?? '', 16)) : (escapes[other] ?? other),
  );
}

function key(m: Machine): number {
  const text = m.bytes.line();
  if (!/^\d{1,15}$/.test(text))
    throw m.fail(said`The pickle refers to a value by something that is not a number.`);
  return Number(text);
}

function append(m: Machine, items: PickleValue[]): void {
  m.extend(m.top(), items, 'list');
}

function tuple(m: Machine, length: number): void {
  const items = Array.from({ length }, () => m.pop()).reverse();
  m.pushNew(tupleOf(items));
}

function dictionary(m: Machine): void {
  const items = m.popMark();
  m.pushNew({ kind: 'dict', entries: new Map() });
  m.setItems(m.top(), items);
}

/** A name that is made while the pickle is read; where it is not text, Python would have computed it. */
function stackGlobal(m: Machine): void {
  const [name, module] = [m.pop(), m.pop()];
  if (typeof name === 'string' && typeof module === 'string') return m.push(m.global(module, name));
  const computed = asKind(module, 'foreign') ?? asKind(name, 'foreign');
  m.push(m.unknown(computed ? `a name computed by ${computed.text}` : 'a name that is not text'));
}

function reduce(m: Machine): void {
  const args = m.pop();
  m.call(m.pop(), args);
}
