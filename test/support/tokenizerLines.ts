import { Random } from './random';

/** Sentences and fragments in many scripts, written for these tests. */
const fragments: readonly string[] = [
  ...[
    'The quick brown fox',
    "it's what we'll see, isn't it",
    "I'VE SAID SO; they'd agreed",
    'co-operate, e.g. now',
  ],
  ...[
    'Der Igel überquerte die Straße',
    'Äpfel, Öl und Übung',
    'les élèves étaient déjà là',
    'cœur naïf à Noël',
  ],
  ...['Вчера шёл сильный дождь', 'ёжик и ещё один', 'η γάτα κοιμάται', 'Ελλάδα, 1821'],
  ...['ذهبت إلى السوق', 'القِطّةُ نائمة', 'החתול ישן על הספה', 'שָׁלוֹם'],
  ...['बिल्ली सो रही है', 'नमस्ते दुनिया', 'แมวนอนหลับอยู่', 'สวัสดีครับ'],
  ...[
    '猫在沙发上睡觉',
    '今天天气很好。',
    '猫が寝ています',
    'カタカナとひらがな',
    '고양이가 자고 있다',
    '안녕하세요',
  ],
  ...['con mèo đang ngủ', 'tiếng Việt có dấu', 'ÇĞIİÖŞÜ çğıiöşü', 'żółw i źdźbło'],
  ...[
    'def f(x):\n    return x**2',
    'if (a != b) { return; }',
    '\\frac{1}{2} + x_i^{n+1}',
    '<div class="a">&nbsp;</div>',
  ],
  ...[
    'const a = `${b}/c`;',
    'SELECT * FROM t WHERE id=42;',
    'https://example.org/a?b=c&d=%20e',
    '#include <stdio.h>',
  ],
  ...[
    '3.14159, 1,000,000 and 0xFF',
    '12345678901234567890',
    '1/2 + 3/4 = 5/4',
    '٣٤٥ १२३ ４５６',
    'v1.2.3-rc.4',
    '2026-11-21T04:47',
  ],
  ...['🙂 🙃🙂', '👩‍👩‍👧 and 👍🏽', '🏳️‍🌈🇩🇪', '→ ≤ ≠ ∑ ∞ √2', '“quotes” — dash … ellipsis', '¿Qué? ¡Sí!'],
  ...['e\u0301 and a\u0308', 'z\u0335\u0321a\u0334', 'ﬁ ﬂ Ⅷ ½ ™'],
];

const joints: readonly string[] = [
  ...[
    ' ',
    '  ',
    '   ',
    '\t',
    '\n',
    '\n\n',
    '\r\n',
    ' \n ',
    '\u00a0',
    '\u3000',
    '',
    ', ',
    '. ',
    '!!! ',
    '...',
    ' - ',
    '\t\t ',
  ],
];

/** 200 lines: each fragment alone, then mixtures with all kinds of white space between, before and after. */
export function mixedLines(): string[] {
  const random = new Random(41);
  const pick = (list: readonly string[]): string => list[Math.floor(random.next() * list.length)]!;
  const lines = [...fragments];
  while (lines.length < 200) {
    const parts = Array.from(
      { length: 2 + Math.floor(random.next() * 4) },
      () => pick(fragments) + pick(joints),
    );
    lines.push((random.next() < 0.3 ? pick(joints) : '') + parts.join(''));
  }
  return lines;
}
