// Runs before the page is shown, so that it has the right colors from the start.
try {
  const theme = localStorage.getItem('ignis-docs-theme')
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme
} catch {} // storage is not allowed
