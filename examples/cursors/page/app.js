const $ = (id) => document.getElementById(id)
const clone = (id) => $(id).content.firstElementChild.cloneNode(true)

let name = new URLSearchParams(location.search).get('name') ?? localStorage.name
const client = new Ignis.Client('/ws', { credentials: () => ({ name }) })

// The people. The server says who is here when the client joins, and who comes and goes after that.

const people = new Map() // by the ID of the client

function showPeople() {
  const shown = [...people.values()].slice(0, 6)
  const more = people.size - shown.length
  $('people').replaceChildren(
    ...shown.map(({ id, name, color }) => {
      const item = document.createElement('li')
      item.className = `who-${color}`
      item.title = id === client.id ? `${name} (you)` : name
      item.innerHTML = '<span aria-hidden="true"></span>'
      item.firstChild.textContent = [...name][0].toUpperCase()
      item.append(Object.assign(document.createElement('span'), { className: 'name', textContent: item.title }))
      return item
    }),
  )
  if (more > 0) $('people').append(Object.assign(document.createElement('li'), { className: 'more', textContent: `+${more}` }))
}

// The cursors of the others.

const cursors = new Map() // elements by the ID of the client

function moveCursor({ id, at }) {
  const person = people.get(id)
  if (!person || !at) return removeCursor(id)
  let cursor = cursors.get(id)
  if (!cursor) {
    cursor = clone('cursor')
    cursor.classList.add(`who-${person.color}`)
    cursor.querySelector('span').textContent = person.name
    $('cursors').append(cursor)
    cursors.set(id, cursor)
  }
  cursor.style.translate = `${at.x}px ${at.y}px`
}

function removeCursor(id) {
  cursors.get(id)?.remove()
  cursors.delete(id)
}

// The user's own cursor. Moves are volatile: one that cannot be sent now is dropped.

const sendMove = throttle((at) => client.send('move', { at }, { volatile: true }))
const place = ({ clientX, clientY }) => {
  const { left, top } = $('board').getBoundingClientRect()
  return { x: Math.round(clientX - left), y: Math.round(clientY - top) }
}
$('board').onpointermove = (event) => sendMove(place(event))
$('board').onpointerleave = () => sendMove(null)

/** Returns a function that calls fn at most every 50 ms, with the latest argument. */
function throttle(fn) {
  let timer, next
  return function later(value) {
    next = { value }
    timer ??= setTimeout(() => ((timer = undefined), fn(next.value)), 50)
  }
}

// The notes.

const notes = new Map() // by ID

function showNote(note) {
  let shown = notes.get(note.id)
  if (!shown) notes.set(note.id, (shown = createNote(note.id)))
  if (shown.busy()) return // the user is changing it, and the last change wins
  Object.assign(shown.note, note)
  shown.draw()
}

function removeNote({ id }) {
  notes.get(id)?.element.remove()
  notes.delete(id)
}

function createNote(id) {
  const element = clone('note')
  const [move, text, remove] = element.children
  const note = { id }
  let grip // where the pointer holds the note
  const draw = () => {
    element.style.left = `${note.x}px`
    element.style.top = `${note.y}px`
    element.className = `note paper-${note.color}`
    if (text.value !== note.text) text.value = note.text
  }
  const save = throttle(() => send('note', note))
  const moveTo = (x, y) => {
    note.x = Math.max(0, Math.min(x, 1400))
    note.y = Math.max(0, Math.min(y, 860))
    draw()
    save()
  }

  text.oninput = () => {
    note.text = text.value
    save()
  }
  remove.onclick = () => send('remove', { id })
  move.onkeydown = ({ key }) => {
    const [x, y] = { ArrowLeft: [-24, 0], ArrowRight: [24, 0], ArrowUp: [0, -24], ArrowDown: [0, 24] }[key] ?? []
    if (x !== undefined) moveTo(note.x + x, note.y + y)
    return x === undefined
  }
  move.onpointerdown = (event) => {
    const { x, y } = place(event)
    grip = { x: x - note.x, y: y - note.y }
    move.setPointerCapture(event.pointerId)
  }
  move.onpointermove = (event) => {
    if (!grip) return
    const { x, y } = place(event)
    moveTo(x - grip.x, y - grip.y)
  }
  move.onlostpointercapture = () => (grip = undefined)

  $('notes').append(element)
  return { element, note, text, draw, busy: () => grip || document.activeElement === text }
}

$('add').onclick = async () => {
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = $('scroll')
  const at = (start, size) => Math.round(start + size / 2 - 100 + Math.random() * 60 - 30)
  const color = Math.floor(Math.random() * 4)
  const note = await send('note', { text: '', color, x: at(scrollLeft, clientWidth), y: at(scrollTop, clientHeight) })
  if (!note) return
  showNote(note)
  notes.get(note.id).text.focus()
}

async function send(event, data) {
  try {
    return await client.send(event, data)
  } catch (error) {
    if (error.code === 'not_found') removeNote(data)
    showError(error.message)
  }
}

let errorTimer
function showError(text) {
  $('error').textContent = text
  $('error').hidden = false
  clearTimeout(errorTimer)
  errorTimer = setTimeout(() => ($('error').hidden = true), 6000)
}

// What the server sends.

client.on('board', (board) => {
  for (const id of cursors.keys()) removeCursor(id)
  people.clear()
  for (const person of board.people) people.set(person.id, person)
  showPeople()
  const there = new Set(board.notes.map(({ id }) => id))
  for (const id of notes.keys()) if (!there.has(id)) removeNote({ id })
  board.notes.forEach(showNote)
})
client.on('here', (person) => {
  people.set(person.id, person)
  showPeople()
})
client.on('gone', ({ id }) => {
  people.delete(id)
  removeCursor(id)
  showPeople()
})
client.on('move', moveCursor)
client.on('note', showNote)
client.on('removed', removeNote)
client.onState(({ state, reason }) => {
  $('state').textContent = state === 'waiting' ? `reconnecting: ${reason.message}` : reason ? reason.message : state
  $('state').className = `state ${state}`
  $('add').disabled = state !== 'connected'
  if (reason?.code === 'rejected') askName()
})
client.room('notes')
client.room('cursors')

// Who are you?

function askName() {
  $('name').value = name ?? ''
  $('welcome').showModal()
}
$('welcome').oncancel = (event) => event.preventDefault() // a name is required
$('enter').onsubmit = (event) => {
  event.preventDefault()
  name = localStorage.name = $('name').value.trim()
  $('welcome').close()
  client.connect()
}
if (name) client.connect()
else askName()
