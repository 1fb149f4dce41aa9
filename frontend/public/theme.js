// Runs before the first paint, so that a chosen theme does not flash. A policy without inline scripts wants it in a file.
try {
  var theme = localStorage.getItem('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch (e) {
  // Storage is blocked: the system's theme is used.
}
