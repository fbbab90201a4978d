// What a webhook is sent: the original's form field by field, and chats that no text of an incident can misuse.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyOf, quoted } from '../../src/delivery/notice-form.ts';
import type { Notice } from '../../src/delivery/notice-event.ts';
import { viewOf } from '../../src/incident/view.ts';
import { anIncident } from '../support/webhooks.ts';

function aNotice(more: Partial<Notice> = {}): Notice {
  const rest = { event: 'containment', actions: ['freeze_agent'], what: 'is contained by the policy: enforced', why: null } as const;
  return { seq: 7, ts: '2026-03-13T08:15:31.000Z', incident: anIncident(), ...rest, ...more };
}

const parsed = (format: Parameters<typeof bodyOf>[0], notice: Notice) => JSON.parse(bodyOf(format, notice)) as Record<string, any>;
const textOf = (format: 'slack' | 'discord', notice: Notice): string => parsed(format, notice)[format === 'slack' ? 'text' : 'content'];

describe('the form of the original', () => {
  it('has its fields in its order, the incident as the API shows it, and our name', () => {
    const notice = aNotice();
    const body = parsed('original', notice);
    expect(Object.keys(body)).toEqual(['event', 'timestamp', 'incident', 'actions', 'severity', 'source']);
    expect(body).toEqual({
      event: 'containment',
      timestamp: '2026-03-13T08:15:31.000Z',
      incident: JSON.parse(JSON.stringify(viewOf(notice.incident))),
      actions: ['freeze_agent'],
      severity: 'high',
      source: 'incident-recorder',
    });
  });

  it('leaves actions out where there are none', () => {
    expect(Object.keys(parsed('original', aNotice({ actions: [] })))).toEqual(['event', 'timestamp', 'incident', 'severity', 'source']);
  });

  it('hands text on as it is: JSON has no reader to mislead', () => {
    const description = '@everyone <!channel> \u202eevil\u0007';
    expect(parsed('original', aNotice({ incident: anIncident({ description }) }))['incident'].description).toBe(description);
  });
});

describe('a chat', () => {
  it('is told what happened to which incident, and how far each action has come', () => {
    const notice = aNotice({ why: 'no answer within 5000 ms' });
    expect(textOf('slack', notice).split('\n')).toEqual([
      '*Containment* · high · `prompt_injection` · INC-20260313-000000000001 is contained by the policy: enforced',
      '`ignore previous instructions` reported by `tool-firewall`',
      'because: `no answer within 5000 ms`',
      '• `freeze_agent` on `agent:*`: enforced',
    ]);
    expect(textOf('discord', notice).split('\n')[0]).toMatch(/^\*\*Containment\*\* · high · /);
  });

  it('of Discord is told to call nobody', () => {
    expect(parsed('discord', aNotice())).toEqual({ content: expect.any(String), allowed_mentions: { parse: [] } });
  });

  it('of Slack gets its text and nothing else', () => {
    expect(Object.keys(parsed('slack', aNotice()))).toEqual(['text']);
  });

  it('shows the first five actions, and says how many more there are', () => {
    const [action] = anIncident().containment.actions;
    const containment = { ...anIncident().containment, actions: Array.from({ length: 300 }, () => action!) };
    const lines = textOf('slack', aNotice({ incident: anIncident({ containment }) })).split('\n');
    expect(lines.filter((line) => line.startsWith('•'))).toHaveLength(5);
    expect(lines.at(-1)).toBe('and 295 more actions');
  });

  const hostile = fc
    .array(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.constantFrom('@everyone', '@here', '<!channel>', '<@U123>', '<@&1>', '<#C1>', '`', '```', '``', '\n', '\r\n', '\u2028'),
        fc.constantFrom('\u202e', '\u2066', '\u200b', '\u200f', '\ufeff', '\u0000', '\u001b[2J', '\u009b', '\u00ad', '\u{e0041}', '\ud800'),
        fc.constantFrom(
          '**',
          '__',
          '||',
          '~~',
          '> ',
          '# ',
          '[a](http://evil.example)',
          '<http://evil.example|a>',
          'http://evil.example',
          '\\',
        ),
        fc.string({ unit: 'grapheme', maxLength: 2000 }),
      ),
      { maxLength: 30 },
    )
    .map((pieces) => pieces.join(''));

  /** What stands outside of code. */
  const outside = (text: string) => text.replaceAll(/`[^`\n]*`/g, '');

  it.each(['slack', 'discord'] as const)('(%s) is called, steered, linked or misled by no text of an incident', (format) => {
    const clean = outside(textOf(format, aNotice({ why: 'x' })));
    fc.assert(
      fc.property(hostile, hostile, hostile, hostile, (description, source, target, why) => {
        const [action] = anIncident().containment.actions;
        const containment = { ...anIncident().containment, actions: [{ ...action!, target }] };
        const text = textOf(format, aNotice({ why, incident: anIncident({ description, source, containment }) }));
        expect(text).not.toMatch(/@|<|>/);
        expect(text.replaceAll('\n', '')).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(text.isWellFormed()).toBe(true);
        // All of it is within code, and what is not is ours, to the letter.
        expect(outside(text)).toBe(clean);
        expect(text.split('\n')).toHaveLength(4);
        expect(text.length).toBeLessThan(format === 'discord' ? 2000 : 8000);
      }),
      { numRuns: 1000 },
    );
  });

  it('(slack) gets the three characters escaped that Slack reads', () => {
    const text = textOf('slack', aNotice({ incident: anIncident({ description: 'a <!channel> & <@U1>' }) }));
    expect(text).toContain('`a &lt;!channel&gt; &amp; &lt;＠U1&gt;`');
  });

  it('is below the 2,000 characters of Discord with the longest of everything', () => {
    const long = '﷽'.repeat(5000);
    const [action] = anIncident().containment.actions;
    const actions = Array.from({ length: 9999 }, () => ({ ...action!, action: long, target: long, status: 'awaiting_approval' as const }));
    const incident = anIncident({
      class: 'c'.repeat(128),
      description: long,
      source: long,
      containment: { ...anIncident().containment, actions },
    });
    const notice = aNotice({ incident, why: long, what: 'is contained no more: what was in force is not' });
    expect(textOf('discord', notice).length).toBeLessThan(1800);
  });
});

describe('quoted text', () => {
  it.each([
    ['plain', 10, '`plain`'],
    ['', 10, '`-`'],
    ['\u202e\u0000', 10, '`-`'],
    [' a\r\n\tb ', 10, '`a b`'],
    ['`a``b`', 10, "`'a''b'`"],
    ['0123456789', 10, '`0123456789`'],
    ['0123456789a', 10, '`012345678…`'],
    ['01234567😀😀', 10, '`01234567…`'],
    ['@everyone', 10, '`＠everyone`'],
  ])('%j at most %i long is %s', (text, most, shown) => {
    expect(quoted(text, most)).toBe(shown);
  });
});
