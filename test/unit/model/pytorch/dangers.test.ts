import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../../src/layouts/openModel';
import type { ModelDescription } from '../../../../src/protocol/model';
import { temporaryFolder, writeFile } from '../../../support/files';
import { Call, Global, Raw, tensor, torchLegacy, torchZip, type Pickled } from '../../../support/torchFiles';

const folder = temporaryFolder();
const trace = join(folder, 'was-run');
const command = `touch ${trace}`;

async function described(path: string): Promise<ModelDescription> {
  const model = await openModel(path);
  await model.close();
  return model.description;
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
/** A text opcode. */
const text = (value: string): Raw => new Raw('X', u32(Buffer.byteLength(value)), value);
const raw = (...parts: (string | Raw)[]): Raw =>
  new Raw(...parts.map((part) => (typeof part === 'string' ? part : part.bytes)));

/** Ways in which a pickle has Python call something; each leaves one value. */
const attacks: Record<string, [Pickled, name: string, call: string]> = {
  REDUCE: [new Call(new Global('os', 'system'), command), 'os.system', `os.system("${command}")`],
  'REDUCE of builtins.eval': [
    new Call(new Global('builtins', 'eval'), '1'),
    'builtins.eval',
    'builtins.eval("1")',
  ],
  'the names of Python 2': [
    new Call(new Global('__builtin__', 'eval'), '1'),
    '__builtin__.eval',
    '__builtin__.eval("1")',
  ],
  INST: [raw('(', text(command), 'ios\nsystem\n'), 'os.system', `os.system("${command}")`],
  OBJ: [raw('(cos\nsystem\n', text(command), 'o'), 'os.system', `os.system("${command}")`],
  NEWOBJ: [
    raw('csubprocess\nPopen\n', text(command), '\x85\x81'),
    'subprocess.Popen',
    `subprocess.Popen("${command}")`,
  ],
  NEWOBJ_EX: [
    raw('csubprocess\nPopen\n', text(command), '\x85}(', text('shell'), '\x88u\x92'),
    'subprocess.Popen',
    `subprocess.Popen(("${command}"), {…})`,
  ],
  BUILD: [
    raw('c__main__\nThing\n)\x81}(', text('__setstate__'), 'cos\nsystem\nub', text(command), 'b'),
    'os.system',
    '',
  ],
  STACK_GLOBAL: [
    raw(text('os'), text('system'), '\x93', text(command), '\x85R'),
    'os.system',
    `os.system("${command}")`,
  ],
  'STACK_GLOBAL of names from the memo': [
    raw(text('os'), 'q\x07', '0', text('system'), 'q\x08', '0h\x07h\x08\x93', text(command), '\x85R'),
    'os.system',
    `os.system("${command}")`,
  ],
  'STACK_GLOBAL of a computed name': [
    raw(text('os'), 'cbase64\nb64decode\n', text('c3lzdGVt'), '\x85R\x93', text(command), '\x85R'),
    'a name computed by base64.b64decode("c3lzdGVt")',
    `a name computed by base64.b64decode("c3lzdGVt")("${command}")`,
  ],
  'a chain of calls': [
    new Call(
      new Call(
        new Global('builtins', 'getattr'),
        new Call(new Global('builtins', '__import__'), 'os'),
        'system',
      ),
      command,
    ),
    'builtins.getattr',
    `builtins.getattr(builtins.__import__("os"), "system")("${command}")`,
  ],
  'a class as the factory of a dictionary': [
    new Call(new Global('collections', 'defaultdict'), new Global('os', 'getcwd')),
    'os.getcwd',
    '',
  ],
  'an extension code': [raw('\x82\x09', text(command), '\x85R'), 'extension 9', `extension 9("${command}")`],
  'a class of a storage': [
    raw('(', text('storage'), 'cevil\nFloatStorage\n', text('0'), text('cpu'), 'K\x01tQ'),
    'evil.FloatStorage',
    '',
  ],
  'a nested torch.load': [
    new Call(new Global('torch.storage', '_load_from_bytes'), 'x'),
    'torch.storage._load_from_bytes',
    'torch.storage._load_from_bytes("x")',
  ],
};

const writers = { zip: torchZip, legacy: torchLegacy };

describe.each(Object.entries(writers))('a malicious pickle (%s)', (kind, write) => {
  it.each(Object.entries(attacks))(
    '%s: nothing runs, the danger is named, tensors next to it are shown',
    async (what, [attack, name, call]) => {
      const weights = {
        before: tensor('F32', [1], Float32Array.of(1)),
        attack,
        after: tensor('F32', [1], Float32Array.of(2)),
      };
      const path = writeFile(folder, `${what}-${kind}.bin`, write(weights));
      const { dangers = [], tensors } = await described(path);
      const danger = dangers.find((item) => item.name === name);
      expect(danger).toMatchObject({ file: path, name });
      expect(danger!.offset).toBeGreaterThan(0);
      expect(danger!.calls.at(-1)).toBe(call === '' ? undefined : call);
      expect(tensors.map((item) => item.name)).toEqual(['before', 'after']);
      expect(existsSync(trace)).toBe(false);
    },
  );

  it('as the whole object: opens without tensors and says why', async () => {
    const { dangers, tensors, notes } = await described(
      writeFile(folder, `whole-${kind}.pt`, write(new Call(new Global('os', 'system'), command))),
    );
    expect(dangers).toMatchObject([{ name: 'os.system', calls: [`os.system("${command}")`] }]);
    expect(tensors).toEqual([]);
    expect(notes).toEqual([
      `The file holds a whole object (os.system("${command}")), not a dictionary of tensors: its weights cannot be read without running code. Save its state_dict() instead.`,
    ]);
  });

  it('that breaks after it would have run: the error names it', async () => {
    const evil = new Call(new Global('os', 'system'), command);
    await expect(
      described(writeFile(folder, `breaks-${kind}.pt`, write([evil, new Raw('\xff')]))),
    ).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringMatching(
        /^0xff is not an opcode of a pickle\. DANGER: loading the file in Python would run os\.system\("touch .*"\) \(byte \d+\); nothing of it was run here\. /,
      ) as string,
    });
  });

  it('whose tensor is made by an unknown function: the tensor is not shown', async () => {
    const { tensors, dangers } = await described(
      writeFile(
        folder,
        `subclass-${kind}.pt`,
        write({
          a: new Call(new Global('torch._utils', '_rebuild_wrapper_subclass'), 1),
          b: tensor('F32', [1], Float32Array.of(1)),
        }),
      ),
    );
    expect(tensors.map(({ name }) => name)).toEqual(['b']);
    expect(dangers).toMatchObject([{ name: 'torch._utils._rebuild_wrapper_subclass' }]);
  });
});

describe('a malicious pickle that is not a file of PyTorch', () => {
  const attack = (...parts: (string | Raw)[]): Buffer => raw(...parts).bytes;

  it.each([
    ['protocol 2', attack('\x80\x02cposix\nsystem\n', text(command), '\x85R.'), 'posix.system'],
    [
      'protocol 4',
      attack(
        '\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94',
        text(command),
        '\x94\x85\x94R\x94.',
      ),
      'posix.system',
    ],
    ['protocol 0', attack(`cposix\nsystem\np0\n(V${command}\np1\ntp2\nRp3\n.`), 'posix.system'],
  ])('%s, which Python runs before it looks for the magic number', async (protocol, bytes, name) => {
    const path = writeFile(folder, `${protocol}.bin`, bytes);
    const { dangers, tensors } = await described(path);
    expect(dangers).toMatchObject([{ file: path, name, calls: [`${name}("${command}")`] }]);
    expect(tensors).toEqual([]);
    expect(existsSync(trace)).toBe(false);
  });

  it('without dangers is an error that says what it is', async () => {
    await expect(described(writeFile(folder, 'plain.pkl', attack('\x80\x02}.')))).rejects.toThrow(
      /^This is a Python pickle, but not one of PyTorch/,
    );
  });
});

describe('dangers of several files', () => {
  it('of shards are all listed, each with its file', async () => {
    const path = join(folder, 'shards');
    mkdirSync(path);
    const names = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'];
    names.forEach((name, i) => {
      const value = {
        [`w${i}`]: tensor('F32', [1], Float32Array.of(1)),
        x: new Call(new Global('os', `f${i}`)),
      };
      writeFileSync(join(path, name), torchZip(value));
    });
    const { dangers = [], tensors } = await described(path);
    expect(tensors.map(({ name }) => name)).toEqual(['w0', 'w1']);
    expect(dangers.map(({ file, name }) => [file, name])).toEqual([
      [join(path, names[0]!), 'os.f0'],
      [join(path, names[1]!), 'os.f1'],
    ]);
  });

  it('are limited in number, length and calls', async () => {
    const many = Array.from({ length: 1500 }, (_, i) => new Global('os', `f${i}`));
    const calls = Array.from({ length: 20 }, (_, i) => new Call(new Global('os', 'system'), String(i)));
    const long = new Call(new Global('m'.repeat(5000), 'f'), 'x'.repeat(100_000));
    const { dangers = [] } = await described(writeFile(folder, 'many.pt', torchZip([calls, long, many])));
    expect(dangers).toHaveLength(1001);
    expect(dangers.at(-1)!.name).toBe('more names');
    expect(dangers[0]!.calls).toHaveLength(8);
    expect(
      Math.max(...dangers.flatMap(({ name, calls: made }) => [name, ...made]).map(({ length }) => length)),
    ).toBeLessThan(250);
  });
});
