import { describe, expect, it } from 'vitest';
import { csvText, jsonText, markdownTable, type DataTable } from '../../../src/protocol/dataTable';

const table: DataTable = {
  title: 'Errors',
  about: ['a "model"', 'w'],
  columns: [
    { name: 'name', values: ['a,b', 'say "no"', '=1+1', 'x|<b>', null] },
    { name: 'error', unit: 'dB', values: [0.1, -2.5, NaN, Infinity, undefined] },
    { name: 'count', values: [1, 2, 3, 4, 123456789] },
  ],
};

describe('a table as CSV', () => {
  it('quotes what would end a cell, and keeps all digits', () => {
    expect(csvText(table).split('\r\n')).toEqual([
      'name,error (dB),count',
      '"a,b",0.1,1',
      '"say ""no""",-2.5,2',
      "'=1+1,NaN,3",
      'x|<b>,Infinity,4',
      ',,123456789',
      '',
    ]);
  });

  it('keeps line breaks and leading signs of names from being lines or formulas', () => {
    const values = ['a\nb', '@SUM(A1)', '+1', '-x', '\t=1'];
    expect(csvText({ title: '', about: [], columns: [{ name: 'n', values }] })).toBe(
      "n\r\n\"a\nb\"\r\n'@SUM(A1)\r\n'+1\r\n'-x\r\n'\t=1\r\n",
    );
  });
});

describe('a table as JSON', () => {
  it('has units and rows, and words for what is not finite', () => {
    expect(JSON.parse(jsonText(table))).toEqual({
      title: 'Errors',
      about: ['a "model"', 'w'],
      units: { error: 'dB' },
      rows: [
        { name: 'a,b', error: 0.1, count: 1 },
        { name: 'say "no"', error: -2.5, count: 2 },
        { name: '=1+1', error: 'NaN', count: 3 },
        { name: 'x|<b>', error: 'Infinity', count: 4 },
        { name: null, error: null, count: 123456789 },
      ],
    });
  });

  it('is valid without rows and columns', () => {
    expect(JSON.parse(jsonText({ title: 't', about: [], columns: [] }))).toMatchObject({ rows: [] });
  });
});

describe('a table as Markdown', () => {
  it('puts numbers at the right, and shows markup of names as it is', () => {
    expect(markdownTable(table).split('\n')).toEqual([
      '| name | error (dB) | count |',
      '| --- | ---: | ---: |',
      '| a,b | 0.1 | 1 |',
      '| say "no" | -2.5 | 2 |',
      '| =1+1 | NaN | 3 |',
      '| x\\|\\<b\\> | Infinity | 4 |',
      '|  |  | 123456789 |',
      '',
    ]);
  });
});
