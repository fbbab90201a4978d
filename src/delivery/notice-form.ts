// The body of a notice in each form that a webhook may want: the original's, Slack's and Discord's. Pure.
//
// Text of incidents is attacker-controlled. In a chat it is shown as code, and can neither end that nor call anybody.

import type { ActionState } from '../incident/containment.ts';
import { viewOf } from '../incident/view.ts';
import type { Webhook } from '../policy/policy.ts';
import type { Notice } from './notice-event.ts';

/** JSON text. */
export function bodyOf(format: Webhook['format'], notice: Notice): string {
  switch (format) {
    case 'original':
      return JSON.stringify(originalOf(notice));
    case 'slack':
      return JSON.stringify({ text: escapeSlack(linesOf(notice, '*').join('\n')) });
    case 'discord':
      return JSON.stringify({ content: disarmDiscord(linesOf(notice, '**').join('\n')), allowed_mentions: { parse: [] } });
  }
}

/** As the original sends it, key by key. */
function originalOf({ event, ts, incident, actions }: Notice): Record<string, unknown> {
  return {
    event,
    timestamp: ts,
    incident: viewOf(incident),
    ...(actions.length > 0 && { actions }),
    severity: incident.severity,
    source: 'incident-recorder',
  };
}

const TITLE = { containment: 'Containment', escalation: 'Escalation', recovery: 'Recovery' } as const;
const MAX_ACTIONS = 5;

/** At most 1,600 characters: Discord takes 2,000. */
function linesOf({ event, incident, what, why }: Notice, bold: string): string[] {
  const { id, severity, source, description, containment } = incident;
  const shown = containment.actions.slice(0, MAX_ACTIONS);
  const more = containment.actions.length - shown.length;
  return [
    `${bold}${TITLE[event]}${bold} · ${severity} · ${quoted(incident.class, 80)} · ${id} ${what}`,
    `${quoted(description, 400)} reported by ${quoted(source, 80)}`,
    ...(why === null ? [] : [`because: ${quoted(why, 200)}`]),
    ...shown.map(actionLine),
    ...(more > 0 ? [`and ${more} more actions`] : []),
  ];
}

function actionLine({ action, target, status }: ActionState): string {
  return `• ${quoted(action, 40)} on ${quoted(target, 60)}: ${status.replaceAll('_', ' ')}`;
}

/** Control and format characters, bidirectional marks among them, line ends, lone halves, and what is assigned to nothing. */
const UNSHOWN = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/**
 * Somebody's words as code, in one line and at most so many characters: within it a chat looks for neither names to call, nor links,
 * nor marks. What would end it, and what would call somebody where a chat looks all the same, is written with another character.
 */
export function quoted(text: string, most: number): string {
  const plain = text.replaceAll(UNSHOWN, ' ').replaceAll('`', "'").replaceAll('@', '＠').trim();
  const cut = plain.length <= most ? plain : `${fitting(plain, most - 1)}…`;
  return `\`${cut === '' ? '-' : cut}\``;
}

/** As many characters as fit into so many UTF-16 units: none is cut in half. */
function fitting(text: string, most: number): string {
  let fits = '';
  for (const character of text) {
    if (fits.length + character.length > most) break;
    fits += character;
  }
  return fits;
}

/** Slack's three characters: with them escaped there is no `<!channel>`, no `<@name>`, no link with another text. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Discord has no escape for a mention or a link in angle brackets: they become other characters. */
function disarmDiscord(text: string): string {
  return text.replaceAll('<', '＜').replaceAll('>', '＞');
}
