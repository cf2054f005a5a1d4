const $ = (id) => document.getElementById(id)
const symbols = ['AAPL', 'GOOG', 'MSFT']
const money = (cents) => (cents / 100).toFixed(2)

let client

$('enter').onsubmit = (event) => {
  event.preventDefault()
  const user = $('name').value.trim()
  // The client asks for a token when it connects and before the session ends, after five minutes.
  const token = async ({ signal }) => {
    const response = await fetch('/login', { method: 'POST', body: new URLSearchParams({ user }), signal })
    if (!response.ok) throw new Error(await response.text())
    return response.text()
  }
  client = new Ignis.Client('/ws', { token })
  client.onState(({ state, reason }) => {
    $('state').textContent = state === 'waiting' ? `reconnecting: ${reason.message}` : (reason?.message ?? state)
    $('state').className = `state ${state}`
  })
  client.on('snapshot', show) // the answer to a join, also after the connection was lost
  client.on('quote', show)
  client.on('filled', filled) // also if another page of the user has placed the order
  for (const symbol of symbols) client.room(`symbol:${symbol}`)
  client.connect()
  $('user').textContent = user
  for (const [id, hidden] of Object.entries({ enter: true, desk: false, leave: false })) $(id).hidden = hidden
}

$('leave').onclick = () => {
  client.close()
  location.reload()
}

// The prices.

const cards = new Map() // by symbol

function createCard(symbol) {
  const element = $('price').content.firstElementChild.cloneNode(true)
  element.querySelector('h3').textContent = symbol
  for (const side of ['sell', 'buy']) element.querySelector(`.${side}`).onclick = () => order(symbol, side)
  // Cards stay in the order of the symbols, whichever price comes first.
  const next = symbols.slice(symbols.indexOf(symbol) + 1).find((symbol) => cards.has(symbol))
  $('prices').insertBefore(element, next ? cards.get(next).element : null)
  return { element, number: 0, history: [], position: 0 }
}

function show({ symbol, bid, ask, number }) {
  if (!cards.has(symbol)) cards.set(symbol, createCard(symbol))
  const card = cards.get(symbol)
  if (number < card.number) return // older than the snapshot
  card.number = number
  card.history.push((bid + ask) / 2)
  card.history.splice(0, card.history.length - 240)
  Object.assign(card, { bid, ask })
  card.changed = true
}

// A slow screen draws less often, but always the latest prices.
requestAnimationFrame(function draw() {
  for (const card of cards.values()) if (card.changed) drawCard(card)
  requestAnimationFrame(draw)
})

function drawCard(card) {
  const { element, history, bid, ask, position } = card
  card.changed = false
  const find = (selector) => element.querySelector(selector)
  const change = (100 * (history.at(-1) - history[0])) / history[0]
  element.classList.toggle('falling', change < 0)
  find('.last b').textContent = money(history.at(-1))
  find('.last small').textContent = `${change < 0 ? '▼' : '▲'} ${Math.abs(change).toFixed(2)} %`
  find('.position').textContent = position ? `you have ${position}` : ''
  find('.sell').textContent = `Sell ${money(bid)}`
  find('.buy').textContent = `Buy ${money(ask)}`
  const [low, high] = [Math.min(...history), Math.max(...history)]
  const at = (price, i) => `${((240 * i) / Math.max(history.length - 1, 1)).toFixed(1)},${(56 - (52 * (price - low)) / Math.max(high - low, 1)).toFixed(1)}`
  const line = 'M' + history.map(at).join('L')
  find('.line').setAttribute('d', line)
  find('.area').setAttribute('d', line + 'V60H0Z')
}

// The orders.

async function order(symbol, side) {
  try {
    await client.send('order', { symbol, side, quantity: 10 })
    $('error').hidden = true
  } catch (error) {
    $('error').textContent = error.message
    $('error').hidden = false
  }
}

function filled({ id, symbol, side, quantity, price }) {
  const card = cards.get(symbol)
  if (card) card.position += side === 'buy' ? quantity : -quantity
  const row = $('orders').insertRow(0)
  row.className = side
  const time = new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  for (const [i, text] of [`#${id}`, symbol, side, quantity, money(price), time].entries()) {
    const cell = row.insertCell()
    cell.textContent = text
    if (i >= 3) cell.className = 'number'
  }
  while ($('orders').rows.length > 50) $('orders').deleteRow(-1)
  $('none').hidden = true
}
