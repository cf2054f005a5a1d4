const $ = (id) => document.getElementById(id)
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** Asks the backend. It throws what the backend says if it refuses. */
async function ask(method, path, body, signal) {
  const response = await fetch(path, { method, body: body && JSON.stringify(body), signal })
  if (response.ok) return response.json()
  throw Object.assign(new Error(await response.text()), { status: response.status })
}

const channels = new Map() // by name: {name, about, messages, unread, typing, room}
let me, shown
let client

// Logging in and out.

async function start() {
  try {
    me = await ask('GET', '/me')
  } catch {
    return showLogin()
  }
  $('login').hidden = true
  $('chat').hidden = false
  $('my-name').textContent = me.name
  $('me').textContent = initial(me.name)
  $('me').style.setProperty('--hue', hue(me.name))
  connect()
  show(me.channels[0].name)
  $('text').focus()
}

function showLogin() {
  client?.close()
  channels.clear()
  $('chat').hidden = true
  $('login').hidden = false
  $('name').focus()
}

$('account').onsubmit = async (event) => {
  event.preventDefault()
  try {
    await ask('POST', event.submitter?.value ?? '/login', { name: $('name').value, password: $('password').value })
    $('refused').hidden = true
    event.target.reset()
    await start()
  } catch (error) {
    $('refused').textContent = error.message
    $('refused').hidden = false
    $('password').select()
  }
}
$('logout').onclick = () => ask('POST', '/logout').finally(showLogin)

// The connection.

function connect() {
  client = new Ignis.Client('{{server}}/ws', { token }) // of this user
  client.on('logout', () => ask('GET', '/me').catch(showLogin)) // unless another session of the user was ended
  client.onState(({ state, reason }) => {
    $('state').textContent = state === 'waiting' ? `reconnecting: ${reason.message}` : (reason?.message ?? state)
    $('state').className = `state ${state}`
  })
  for (const channel of me.channels) {
    const room = client.room(`channel:${channel.name}`)
    room.on('message', receive)
    room.onState(() => [...channels.values()].every(({ room }) => room.state !== 'joining') && catchUp())
    room.on('typing', (_data, { from }) => from?.id !== client.id && showTyping(channel.name, from?.userId))
    channels.set(channel.name, { ...channel, unread: 0, typing: new Map(), room })
  }
  client.connect()
}

/** The client asks whenever it connects, and before the token expires. */
async function token({ signal }) {
  try {
    return (await ask('POST', '/token', {}, signal)).token
  } catch (error) {
    if (error.status === 401) showLogin()
    throw error
  }
}

/** Loads what was written before the rooms were joined, from where on all messages arrive. */
async function catchUp() {
  try {
    const { channels: list } = await ask('GET', '/me')
    for (const { messages } of list) messages.forEach(receive)
  } catch {
    setTimeout(() => client.state === 'connected' && catchUp(), 5000)
  }
}

// Channels and messages.

function show(name) {
  shown = channels.get(name)
  shown.unread = 0
  $('title').textContent = `# ${name}`
  $('about').textContent = shown.about
  $('messages').replaceChildren(...shown.messages.map(draw))
  $('messages').scrollTop = $('messages').scrollHeight
  $('text').placeholder = `Message #${name}`
  $('failed').hidden = true
  drawTyping()
  drawChannels()
}

function drawChannels() {
  const items = [...channels.values()].map(({ name, unread }) => {
    const button = make('button', { onclick: () => show(name) }, `# ${name}`)
    if (shown.name === name) button.ariaCurrent = 'page'
    if (unread) button.append(make('span', { className: 'unread', title: `${unread} unread` }, String(unread)))
    return make('li', {}, button)
  })
  $('channels').replaceChildren(...items)
}

function receive(message) {
  const channel = channels.get(message.channel)
  if (channel.messages.some(({ id }) => id === message.id)) return
  channel.messages.push(message)
  stopTyping(channel.name, message.from)
  if (channel !== shown) {
    channel.unread++
    return drawChannels()
  }
  const list = $('messages')
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80
  list.append(draw(message))
  if (atEnd || message.from === me.name) list.scrollTop = list.scrollHeight
}

const initial = (name) => [...name][0].toUpperCase()
const hue = (name) => [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7)

function draw({ from, text, at }) {
  const avatar = make('span', { className: 'avatar', ariaHidden: 'true' }, initial(from))
  avatar.style.setProperty('--hue', hue(from))
  const time = make('time', { dateTime: at }, new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
  return make('article', { className: from === me.name ? 'mine' : '' }, avatar, make('div', {}, make('b', {}, from), ' ', time, make('p', {}, text)))
}

$('say').onsubmit = async (event) => {
  event.preventDefault()
  try {
    receive(await ask('POST', '/messages', { channel: shown.name, text: $('text').value }))
    event.target.reset()
    $('failed').hidden = true
  } catch (error) {
    $('failed').textContent = error.status ? error.message : 'The message was not sent. Try again.'
    $('failed').hidden = false
  }
}

// Who is typing. These messages go from page to page, and are dropped if there is no connection.

let told = 0
$('text').oninput = () => {
  if (Date.now() - told < 2000) return
  told = Date.now()
  shown.room.send('typing', {}, { volatile: true })
}

function showTyping(name, user) {
  const { typing } = channels.get(name)
  clearTimeout(typing.get(user))
  typing.set(user, setTimeout(() => stopTyping(name, user), 4000))
  drawTyping()
}

function stopTyping(name, user) {
  const { typing } = channels.get(name)
  clearTimeout(typing.get(user))
  typing.delete(user)
  drawTyping()
}

function drawTyping() {
  const names = [...shown.typing.keys()]
  $('typing').textContent = names.length === 0 ? '' : names.length === 1 ? `${names[0]} is typing …` : `${names.length} people are typing …`
}

start()
