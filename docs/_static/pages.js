// What scrolls sideways can be reached with the keyboard, for those who have no mouse.
const focusWhatScrolls = () => {
  for (const box of document.querySelectorAll("article pre, .table-wrapper, div.math, mjx-container.wide")) {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  }
};

// Inline equations wider than the text, as on a phone, get a box of their own that scrolls (pages.css).
window.addEventListener("load", () => {
  if (!window.MathJax?.startup?.promise) return;
  const mark = () => {
    for (const box of document.querySelectorAll('mjx-container:not([display="true"])')) {
      box.classList.remove("wide");
      const room = box.closest("p, li, dd, td")?.clientWidth;
      box.classList.toggle("wide", box.scrollWidth > room || box.getBoundingClientRect().width > room);
    }
    focusWhatScrolls();
  };
  window.MathJax.startup.promise.then(mark);
  window.addEventListener("resize", mark);
});

document.addEventListener("DOMContentLoaded", () => {
  // Cells of tables of three columns or more know the head of their column, for cards on a phone.
  for (const table of document.querySelectorAll("article table.docutils")) {
    const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    if (heads.length < 3) continue;
    table.classList.add("cards");
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.children].forEach((cell, i) => cell.setAttribute("data-head", heads[i] ?? ""));
    }
  }
  // What the theme leaves out, for those who hear a page: ranks, names, and focus of what scrolls.
  for (const caption of document.querySelectorAll('p.caption[role="heading"]')) caption.setAttribute("aria-level", "2");
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
  focusWhatScrolls();
  window.addEventListener("resize", focusWhatScrolls);
});
