// Inline equations wider than the text, as on a phone, get a box of their own that scrolls (pages.css).
window.addEventListener("load", () => {
  if (!window.MathJax?.startup?.promise) return;
  const mark = () => {
    for (const box of document.querySelectorAll('mjx-container:not([display="true"])')) {
      box.classList.remove("wide");
      const room = box.closest("p, li, dd, td")?.clientWidth;
      box.classList.toggle("wide", box.scrollWidth > room || box.getBoundingClientRect().width > room);
    }
  };
  window.MathJax.startup.promise.then(mark);
  window.addEventListener("resize", mark);
});
