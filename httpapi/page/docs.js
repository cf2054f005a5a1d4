'use strict';

// make returns an element with properties and children. Texts are never parsed as HTML.
function make(tag, properties, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children.filter((c) => c !== undefined));
  return e;
}

let ids = 0;

// field returns an input with a label.
function field(name, text, input) {
  input.id = 'field' + ++ids;
  return make('div', {className: 'field'},
    make('label', {htmlFor: input.id}, name), make('small', {}, text || ''), input);
}

// resolve replaces the references in a schema.
function resolve(doc, schema, depth = 0) {
  if (schema === null || typeof schema !== 'object' || depth > 20) return schema;
  if (Array.isArray(schema)) return schema.map((s) => resolve(doc, s, depth + 1));
  if (schema.$ref) return resolve(doc, doc.components.schemas[schema.$ref.split('/').pop()], depth + 1);
  return Object.fromEntries(Object.entries(schema).map(([k, v]) => [k, resolve(doc, v, depth + 1)]));
}

function shown(title, value) {
  return make('details', {}, make('summary', {}, title), make('pre', {}, JSON.stringify(value, null, 2)));
}

// send sends a request and shows the answer.
async function send(method, path, headers, body, output) {
  output.className = '';
  output.textContent = 'Waiting for the answer…';
  try {
    const answer = await fetch(new URL('.' + path, document.baseURI), {method, headers, body, cache: 'no-store', credentials: 'omit'});
    let text = await answer.text();
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is shown as it is */ }
    output.className = answer.ok ? '' : 'failed';
    output.textContent = `${answer.status}  request ${answer.headers.get('X-Request-Id')}\n\n${text}`;
  } catch (err) {
    output.className = 'failed';
    output.textContent = 'No answer: ' + err.message;
  }
}

function operation(doc, path, method, op) {
  const output = make('pre', {});
  output.setAttribute('role', 'status');
  const order = ['path', 'query', 'header'];
  const parameters = (op.parameters || []).toSorted((a, b) => order.indexOf(a.in) - order.indexOf(b.in))
    .map((p) => ({...p, input: make('input', {size: 40, autocomplete: 'off', required: Boolean(p.required)})}));
  const media = op.requestBody && op.requestBody.content['application/json'];
  const body = media && make('textarea', {spellcheck: false, value: JSON.stringify(media.example, null, 2)});
  const form = make('form', {},
    ...parameters.map((p) => field(`${p.name} (${p.in})`, p.description, p.input)),
    body && field('body', '', body),
    media && shown('Schema of the body', resolve(doc, media.schema)),
    shown('Answers', resolve(doc, op.responses)),
    make('p', {}, make('button', {type: 'submit'}, 'Send')), output);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const headers = {}, query = new URLSearchParams();
    let target = path;
    const key = document.getElementById('key').value.trim();
    if (key) headers.Authorization = 'Bearer ' + key;
    for (const {name, in: place, input} of parameters) {
      if (place === 'path') target = target.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value !== '' && place === 'query') query.set(name, input.value);
      else if (input.value !== '') headers[name] = input.value;
    }
    if (query.size > 0) target += '?' + query;
    send(method.toUpperCase(), target, headers, body && body.value, output);
  });
  return make('details', {},
    make('summary', {}, make('span', {className: 'method'}, method.toUpperCase()), make('code', {}, path), ' ', op.summary),
    make('p', {}, op.description || ''), form);
}

async function show() {
  const list = document.getElementById('operations');
  try {
    const doc = await (await fetch(new URL('openapi.json', document.baseURI))).json();
    document.getElementById('about').textContent = doc.info.description;
    const groups = {};
    for (const [path, methods] of Object.entries(doc.paths)) {
      for (const [method, op] of Object.entries(methods)) {
        (groups[op.tags[0]] ||= []).push(operation(doc, path, method, op));
      }
    }
    list.replaceChildren(...Object.entries(groups).sort().flatMap(([name, ops]) =>
      [make('h2', {}, `Scope ${name}`), ...ops]));
  } catch (err) {
    list.textContent = 'The description could not be loaded: ' + err.message;
  }
}

show();
