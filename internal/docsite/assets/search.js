// Searches the documentation in the browser. Texts only ever become text nodes.
{
  const $ = (id) => document.getElementById(id)
  const [open, dialog, query, list, found] = [$('find'), $('search'), $('query'), $('results'), $('found')]
  const maxResults = 30
  const isWord = (c) => /[\p{L}\p{N}]/u.test(c)

  /** What is compared: a setting may be written like a flag, a key or a variable. */
  const fold = (text) => text.toLowerCase().replaceAll('_', '-')

  let loading
  /** Returns all sections, with what is compared. */
  const sections = () => (loading ??= load().catch((error) => {
    loading = undefined
    throw error
  }))

  async function load() {
    const response = await fetch(open.dataset.index)
    if (!response.ok) throw new Error(response.statusText)
    return (await response.json()).flatMap(({ file, title, short, group, sections }) =>
      sections.map(([anchor, heading, text], i) => ({
        url: anchor ? `${file}#${anchor}` : file, title, short, group, heading, text, first: i === 0,
        inTitle: fold(`${title} ${short}`), inHeading: fold(heading), inText: fold(text),
      })))
  }

  /** Returns a term without its ending, so that "rotate" finds "rotating" too. */
  function stem(term) {
    const root = term.replace(/(ing|ions?|e|ed|es|s)$/, '')
    return /^\p{L}{4,}$/u.test(root) ? root : term
  }

  /** Returns where words of a text start with a term, from an index on, or -1. */
  function find(text, term, from = 0) {
    let i = text.indexOf(term, from)
    while (i > 0 && isWord(text[i - 1]) && isWord(term[0])) i = text.indexOf(term, i + 1)
    return i
  }

  /** Counts the words in a text that start with the root of a term, up to a few, and those that are equal to the term. */
  function count(text, term) {
    const root = stem(term)
    let starts = 0
    let equal = 0
    for (let i = find(text, root); i >= 0 && starts < 8; i = find(text, root, i + root.length)) {
      starts++
      if (text.startsWith(term, i) && !isWord(text[i + term.length] ?? ' ')) equal++
    }
    return { starts, equal }
  }

  const points = ({ starts, equal }, exact, prefix) => (equal ? exact : starts ? prefix : 0)

  /** Returns how well a section matches a term: titles count more than headings, and those more than texts. */
  function score(section, term) {
    const text = count(section.inText, term)
    const heading = points(count(section.inHeading, term), 24, 15) * (1 + term.length / (section.inHeading.length + 1))
    return points(count(section.inTitle, term), section.first ? 50 : 8, section.first ? 30 : 5) +
      heading + points(text, 4, 2) + Math.min(text.starts, 6) / 2
  }

  /** Returns the sections that match most terms, the best ones first. */
  function rank(all, terms) {
    const whole = terms.join(' ')
    let most = 1
    const ranked = []
    for (const section of all) {
      let matched = 0
      let sum = 0
      for (const term of terms) {
        const s = score(section, term)
        sum += s
        if (s > 0) matched++
      }
      if (matched < most) continue
      if (terms.length > 1 && section.inHeading.includes(whole)) sum += 40
      if (terms.length > 1 && section.inText.includes(whole)) sum += 12
      most = matched
      ranked.push({ section, matched, sum })
    }
    return ranked.filter(({ matched }) => matched === most).sort((a, b) => b.sum - a.sum)
  }

  /** Returns the number of typing errors between two words: letters missing, added, wrong or swapped. */
  function distance(a, b) {
    let [before, previous] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)]
    for (let i = 1; i <= a.length; i++) {
      const row = [i]
      for (let j = 1; j <= b.length; j++) {
        row[j] = Math.min(row[j - 1] + 1, previous[j] + 1, previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], before[j - 2] + 1)
      }
      ;[before, previous] = [previous, row]
    }
    return previous[b.length]
  }

  let vocabulary
  /** Returns the word of the documentation that was probably meant by one that is not in it. */
  function meant(all, term) {
    if (term.length < 4) return
    if (!vocabulary) {
      vocabulary = new Map()
      for (const { inTitle, inHeading, inText } of all) {
        for (const [word] of `${inTitle} ${inHeading} ${inText}`.matchAll(/\p{L}[\p{L}\p{N}]{3,}/gu)) vocabulary.set(word, (vocabulary.get(word) ?? 0) + 1)
      }
    }
    let best
    let least = term.length < 8 ? 1 : 2
    for (const [word, times] of vocabulary) {
      if (Math.abs(word.length - term.length) > least) continue
      const d = distance(word, term)
      if (d < least || (d === least && times > (best?.times ?? 0))) [best, least] = [{ word, times }, d]
    }
    return best?.word
  }

  function search(all, text) {
    const known = (term) => all.some((section) => score(section, term) > 0)
    const corrected = new Map()
    const terms = [...new Set(fold(text).split(/\s+/).map((term) => term.replaceAll(/^["'`(]+|["'`),?!]+$/g, '')).filter(Boolean))]
      .slice(0, 8).map((term) => {
        const other = known(term) ? undefined : meant(all, term)
        if (other) corrected.set(term, other)
        return other ?? term
      })
    return { terms, corrected, ranked: terms.length ? rank(all, terms) : [] }
  }

  function element(name, className, ...children) {
    const e = document.createElement(name)
    if (className) e.className = className
    e.append(...children)
    return e
  }

  /** Splits a text at the words that start with a term or its root, and marks these. */
  function marked(text, terms) {
    const all = [...terms, ...terms.map(stem)]
    const parts = []
    const lower = fold(text)
    let end = 0
    for (let i = 0; i < text.length; i++) {
      if (i > 0 && isWord(text[i - 1]) && isWord(text[i])) continue
      let length = Math.max(0, ...all.filter((term) => lower.startsWith(term, i)).map((term) => term.length))
      if (!length) continue
      while (isWord(text[i + length - 1]) && isWord(text[i + length] ?? ' ')) length++ // to the end of the word
      parts.push(text.slice(end, i), element('mark', '', text.slice(i, i + length)))
      end = i + length
      i = end - 1
    }
    return [...parts, text.slice(end)]
  }

  const length = 170 // of an excerpt, in characters

  /** Returns the part of a text with most terms, at the boundaries of words. */
  function excerpt({ text, inText }, terms) {
    const roots = terms.map(stem)
    const places = roots.flatMap((root) => {
      const list = []
      for (let i = find(inText, root); i >= 0 && list.length < 40; i = find(inText, root, i + root.length)) list.push({ i, root })
      return list
    }).sort((a, b) => a.i - b.i)
    let [start, most] = [0, 0]
    for (const { i } of places) {
      const near = new Set(places.filter((other) => other.i >= i && other.i < i + length - 60).map(({ root }) => root)).size
      if (near > most) [start, most] = [i - 45, near]
    }
    start = start <= 0 ? 0 : text.indexOf(' ', start) + 1
    let end = start + length
    if (end < text.length) end = Math.max(text.lastIndexOf(' ', end), start + length / 2)
    return (start > 0 ? '… ' : '') + text.slice(start, end) + (end < text.length ? ' …' : '')
  }

  let selected = -1
  function select(i, scroll = true) {
    const options = list.children
    if (!options.length) return
    options[selected]?.setAttribute('aria-selected', 'false')
    selected = (i + options.length) % options.length
    options[selected].setAttribute('aria-selected', 'true')
    query.setAttribute('aria-activedescendant', options[selected].id)
    if (scroll) options[selected].scrollIntoView({ block: 'nearest' })
  }

  function go(option, tab) {
    if (!option) return
    const url = new URL(option.dataset.url, document.baseURI)
    if (tab) return void window.open(url, '_blank', 'noopener')
    dialog.close()
    location.assign(url)
  }

  function option({ url, title, heading, ...section }, terms, i) {
    const where = element('span', 'where', ...marked(title, terms))
    if (heading) where.append(element('span', 'above', ' › '), ...marked(heading, terms))
    const li = element('li', '', where, element('span', 'group', section.group), element('span', 'excerpt', ...marked(excerpt(section, terms), terms)))
    li.id = `result-${i}`
    li.dataset.url = url
    li.setAttribute('role', 'option')
    li.setAttribute('aria-selected', 'false')
    return li
  }

  /** Shows the results for a text. */
  function show(text, nodes, message) {
    selected = -1
    query.removeAttribute('aria-activedescendant')
    list.replaceChildren(...nodes)
    list.hidden = nodes.length === 0
    list.scrollTop = 0
    query.setAttribute('aria-expanded', String(nodes.length > 0))
    found.textContent = message
    found.dataset.query = text
    select(0, false)
  }

  async function update() {
    const text = query.value.trim()
    try {
      const all = await sections()
      if (text !== query.value.trim()) return // there is a newer one
      if (!text) return show(text, [], 'Type a word, a setting, an error or a close code.')
      const { terms, corrected, ranked } = search(all, text)
      const instead = corrected.size ? `Showing ${[...corrected].map(([typed, word]) => `“${word}” instead of “${typed}”`).join(', ')}. ` : ''
      const number = ranked.length === 1 ? '1 result' : `${ranked.length} results`
      show(text, ranked.slice(0, maxResults).map(({ section }, i) => option(section, terms, i)), ranked.length ? `${instead}${number}` : `Nothing found for “${text}”.`)
    } catch {
      show(text, [], 'The search could not be loaded. It needs a web server, such as ignis docs.')
    }
  }

  function start() {
    if (dialog.open) return
    if (document.getElementById('pages').matches(':popover-open')) document.getElementById('pages').hidePopover()
    dialog.showModal()
    query.select()
    update()
  }

  open.hidden = false
  open.addEventListener('click', start)
  open.addEventListener('pointerenter', () => sections().catch(() => {}), { once: true })
  $('close').addEventListener('click', () => dialog.close())
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close())
  query.addEventListener('input', update)
  query.addEventListener('keydown', (event) => {
    if (event.isComposing) return
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 }
    if (moves[event.key]) select(selected + moves[event.key])
    else if (event.key === 'Enter') go(list.children[selected], event.ctrlKey || event.metaKey)
    else return
    event.preventDefault()
  })
  list.addEventListener('mousemove', ({ target }) => {
    const i = [...list.children].indexOf(target.closest('li'))
    if (i >= 0 && i !== selected) select(i, false)
  })
  list.addEventListener('click', (event) => go(event.target.closest('li'), event.ctrlKey || event.metaKey))
  addEventListener('keydown', (event) => {
    // The focus leaves a field of a closed dialog only with the next frame.
    const typing = event.target.closest?.('input, textarea, select, [contenteditable]') && (dialog.open || !dialog.contains(event.target))
    const slash = event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey
    if (!slash && !(event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.shiftKey)) return
    event.preventDefault()
    start()
  })
}
