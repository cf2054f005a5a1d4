// The colors, the menu, the table of contents, and buttons that copy code. Pages work without it.
{
  const $ = (id) => document.getElementById(id)
  const root = document.documentElement

  // Light and dark: the choice of the system, until the user chooses the other one.
  const system = matchMedia('(prefers-color-scheme: dark)')
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : system.matches)
  const toggle = $('theme')
  const showTheme = () => toggle.setAttribute('aria-pressed', String(isDark()))
  toggle.hidden = false
  toggle.addEventListener('click', () => {
    const dark = !isDark()
    if (dark === system.matches) delete root.dataset.theme
    else root.dataset.theme = dark ? 'dark' : 'light'
    try {
      if (root.dataset.theme) localStorage.setItem('ignis-docs-theme', root.dataset.theme)
      else localStorage.removeItem('ignis-docs-theme')
    } catch {} // storage is not allowed: the choice holds for this page
    showTheme()
  })
  system.addEventListener('change', showTheme)
  showTheme()

  // The menu shows where the reader is.
  const menu = $('pages')
  const current = menu.querySelector('[aria-current]')
  const reveal = () => current && (menu.scrollTop = current.offsetTop - menu.clientHeight / 2)
  menu.addEventListener('toggle', reveal)
  reveal()

  // The table of contents is open if there is room for it beside the text, and marks the section
  // at the top of the window.
  const contents = $('contents')
  if (contents) {
    const room = matchMedia('(min-width: 1240px)')
    const fit = () => (contents.open = room.matches)
    room.addEventListener('change', fit)
    fit()
    contents.addEventListener('click', ({ target }) => target.closest('a') && !room.matches && (contents.open = false))
    const entries = [...contents.querySelectorAll('a')].map((link) => [link, $(decodeURIComponent(link.hash.slice(1)))]).filter(([, heading]) => heading)
    let marked, pending
    const mark = () => {
      pending = false
      const bottom = innerHeight + scrollY >= root.scrollHeight - 2
      const passed = entries.filter(([, heading]) => bottom ? heading.getBoundingClientRect().top < innerHeight : heading.getBoundingClientRect().top < 130)
      const link = passed.at(-1)?.[0]
      if (link === marked) return
      marked?.removeAttribute('aria-current')
      link?.setAttribute('aria-current', 'location')
      marked = link
    }
    addEventListener('scroll', () => (pending ||= Boolean(requestAnimationFrame(mark))), { passive: true })
    mark()
  }

  // Boxes that scroll can be reached with the keyboard.
  const boxes = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0
      else target.removeAttribute('tabindex')
    }
  })
  for (const box of document.querySelectorAll('.scroll')) boxes.observe(box)

  if (navigator.clipboard) {
    for (const block of document.querySelectorAll('.code')) {
      const code = block.querySelector('code')
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'copy'
      const label = (text) => (button.textContent = text)
      label('Copy')
      button.addEventListener('click', async () => {
        // Of a terminal, only what the user types.
        const typed = code.cloneNode(true)
        typed.querySelectorAll('.p, .o').forEach((part) => part.remove())
        const text = block.dataset.language === 'console' ? typed.textContent : code.textContent
        await navigator.clipboard.writeText(text.trimEnd()).then(() => label('Copied'), () => label('Press Ctrl+C'))
        setTimeout(label, 2000, 'Copy')
      })
      block.append(button)
    }
  }
}
