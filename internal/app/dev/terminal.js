// Commands for a terminal. The server says how it was started, so that they work as they are.

import { $, announce, button, element } from '/dev/dom.js';

const { program, directory, redis } = JSON.parse(document.body.dataset.terminal);

// quoted returns a word for a POSIX shell.
function quoted(word) {
  return /^[\w.:/@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const command = (...words) => [...program, ...words].map(quoted).join(' ');

// A name that begins with - would be taken for a flag.
const flag = (name, value) => (value.startsWith('-') ? [`${name}=${value}`] : [name, value]);
const argument = (value) => (value.startsWith('-') ? ['--', value] : [value]);

// showCommands shows what can be done with a room.
export function showCommands({ endpoint, room, encrypt }) {
  const rows = [entry('See what the room receives:', command('listen', endpoint, '--user', 'terminal', ...flag('--join', room), ...(encrypt ? ['--encrypt'] : [])))];
  if (redis.length > 0) {
    rows.push(entry('Send to the room:', command('emit', ...redis, 'room', ...argument(room), 'say', '{"text":"Hello from a terminal"}')));
  } else {
    rows.push(entry('To send from a terminal, restart the server with Redis:', command('serve', '--dev', '--listen', location.host, '--redis', 'redis://127.0.0.1:6379')));
  }
  const secret = redis.some((word) => word.includes('PASSWORD'));
  if (secret) rows.push(element('p', 'hint', 'Replace PASSWORD: this page does not know it.'));
  if (directory) rows.push(element('p', 'hint', 'Run them in ', element('code', '', directory), '.'));
  $('terminal').replaceChildren(...rows);
}

function entry(title, text) {
  const copy = button('Copy', async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.firstChild.data = 'Copied';
      announce('Copied.');
    } catch {
      getSelection().selectAllChildren(code);
      copy.firstChild.data = 'Press Ctrl+C';
    }
  });
  copy.append(element('span', 'hidden', `: ${title}`));
  // Lines break between words, not after the hyphens of flags.
  const code = element('code', '', ...text.split(/(?<= )/).map((word) => element('span', '', word)));
  return element('div', 'command', element('p', '', title), element('pre', '', code), copy);
}
