const $ = (id) => document.getElementById(id)
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** Asks the application. It throws what the application says if it refuses. */
async function ask(method, path, fields) {
  const response = await fetch(path, { method, body: fields && new URLSearchParams(fields) })
  if (!response.ok) throw Object.assign(new Error(await response.text()), { status: response.status })
  return response.headers.get('Content-Type') === 'application/json' ? response.json() : undefined
}

const jobs = new Map() // by ID
const notices = new Map()
const client = new Ignis.Client('/ws') // the cookie says who the user is

// Everything is in the inbox. The client only says what has changed since.

async function load() {
  const inbox = await ask('GET', '/inbox')
  $('user').value = inbox.user
  $('report').replaceChildren(...inbox.reports.map((name) => make('option', {}, name)))
  for (const job of inbox.jobs.reverse()) jobs.set(job.id, job)
  for (const notice of inbox.notices.reverse()) notices.set(notice.id, notice)
  drawJobs()
  drawNotices()
}

client.on('job', (job) => {
  jobs.set(job.id, job)
  drawJobs()
})
client.on('notice', (notice) => {
  notices.set(notice.id, notice)
  if ($('inbox').matches(':popover-open')) markRead()
  else showToast(notice)
  drawNotices()
})
client.on('read', () => {
  for (const notice of notices.values()) notice.read = true
  drawNotices()
})
client.onState(({ state, reason }) => {
  $('state').textContent = state === 'waiting' ? `reconnecting: ${reason.message}` : (reason?.message ?? state)
  $('state').className = `state ${state}`
  if (state === 'connected') load().catch(showError) // what was missed until then; from then on, all messages arrive
})

// The reports.

const words = { waiting: 'waiting', running: 'in progress', retrying: 'trying again', done: 'ready', failed: 'failed' }

function drawJobs() {
  const items = [...jobs.values()].reverse().map((job) => {
    const text = job.state === 'done' ? words.done : `${words[job.state]}: ${job.detail}`
    const label = `${job.report}, ${job.percent} percent`
    return make('li', { className: job.state }, make('div', {}, make('b', {}, job.report), make('small', {}, text)), make('progress', { max: 100, value: job.percent, ariaLabel: label }))
  })
  $('jobs').replaceChildren(...items)
}

$('order').onsubmit = async (event) => {
  event.preventDefault()
  try {
    await ask('POST', '/reports', { report: $('report').value })
    $('error').hidden = true
  } catch (error) {
    showError(error)
  }
}

function showError(error) {
  $('error').textContent = error.status ? error.message : 'The application cannot be reached. Try again.'
  $('error').hidden = false
}

// The bell.

function drawNotices() {
  const unread = [...notices.values()].filter(({ read }) => !read).length
  $('unread').textContent = unread
  $('unread').hidden = unread === 0
  $('bell').ariaLabel = unread ? `Notifications, ${unread} unread` : 'Notifications'
  document.title = unread ? `(${unread}) Paperboy` : 'Paperboy'
  const items = [...notices.values()].reverse().map(({ title, text, bad, read, at }) => {
    const time = make('time', { dateTime: at }, new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
    return make('li', { className: `${bad ? 'bad' : ''} ${read ? 'old' : ''}` }, make('span', { className: 'dot' }), make('b', {}, title), time, make('p', {}, text))
  })
  $('notices').replaceChildren(...items)
}

const markRead = () => ask('POST', '/inbox/read').catch(showError)
$('inbox').ontoggle = ({ newState }) => {
  if (newState === 'open' && !$('unread').hidden) markRead()
}

function showToast({ title, text, bad }) {
  const close = make('button', { ariaLabel: 'Close', onclick: () => toast.remove() }, '×')
  const toast = make('div', { className: `toast ${bad ? 'bad' : ''}` }, make('div', {}, make('b', {}, title), make('p', {}, text)), close)
  $('toasts').append(toast)
  setTimeout(() => toast.remove(), 8000)
}

// The user. A real application has a login.

async function signIn(user) {
  client.close()
  await ask('POST', '/login', { user })
  jobs.clear()
  notices.clear()
  $('toasts').replaceChildren()
  await load()
  client.connect()
}
$('user').onchange = () => signIn($('user').value).catch(showError)

async function start() {
  try {
    await load()
    client.connect()
  } catch (error) {
    if (error.status === 401) return signIn(new URLSearchParams(location.search).get('user') ?? 'ann')
    throw error
  }
}
start().catch(showError)
